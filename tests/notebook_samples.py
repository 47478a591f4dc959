"""The notebook tool as a module, and small notebooks to try it and the rules on."""

import importlib.util
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("book_notebooks", ROOT / "book" / "notebooks.py")
book = importlib.util.module_from_spec(spec)
spec.loader.exec_module(book)

SET_UP = """\
# Set-up: on Colab this installs the book's helpers; anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "git+{url}"
"""


def good_notebook():
    """Keeps every rule."""
    nb = new_notebook()
    opening = "## Overview\n\n**You will learn** …\n\n**You need** …\n\n**Time** 1 minute"
    closing = "## Summary\n\n…\n\n## Exercises\n\n```python\n# not a title\n```\n\n## What to read next\n\n…"
    figure = {"caption": "One point.", "name": "fig-one-point"}
    nb.cells = [
        new_markdown_cell(
            "# A title\n\n$F_k = \\frac{1}{Z}\\sum f_k$, see `~/.cache` and https://example.org/home/x"
        ),
        new_markdown_cell(opening),
        new_code_cell(SET_UP.format(url=book.repository_url()).strip()),
        new_code_cell(
            "import numpy as np\nimport matplotlib.pyplot as plt\nplt.plot(np.zeros(1));",
            metadata={
                "mystnb": {"image": {"alt": "A single point in the middle of a square."}, "figure": figure}
            },
            outputs=[new_output("display_data", {"image/png": "AAAA/home/AAAA", "text/plain": "<Figure>"})],
        ),
        new_code_cell("%time print(1)", outputs=[new_output("stream", name="stdout", text="1\n")]),
        new_markdown_cell(closing),
    ]
    run(nb)
    return nb


def run(nb):
    """What a run leaves behind, without running."""
    for count, (_, cell) in enumerate(book.code_cells(nb), 1):
        cell.execution_count = count
    book.stamp(nb, ROOT / "xaicore")


def of_code(*sources):
    nb = new_notebook()
    nb.cells = [new_code_cell(source) for source in sources]
    return nb


def on_disk(folder, nb):
    path = folder / "probe.ipynb"
    nbformat.write(nb, path)
    return path


def stream(name, text):
    return new_output("stream", name=name, text=text)


def display(kind, data):
    return new_output("display_data", {kind: data})
