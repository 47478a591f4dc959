"""Fonts and sizes of the book's figures."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

WIDTH = 7.5  # inches


def use_book_style() -> None:
    """Fonts and sizes of the book's figures; in a notebook, photographs are stored as JPEG, not PNG."""
    mpl.rcParams.update(
        {
            "figure.dpi": 130,
            "figure.figsize": (WIDTH, 3.6),
            "figure.facecolor": "white",
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "svg.hashsalt": "xaicore",
        }
    )
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    shell.run_line_magic("matplotlib", "inline")
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": 85, "optimize": True, "progressive": True})


def plain(text: str) -> str:
    """A name for matplotlib to show as it stands; between two dollar signs it would see a formula."""
    return text.replace("$", r"\$")


def as_svg(figure: Figure) -> Any:
    """The figure as IPython SVG, sharp at any size: for line plots and diagrams. Closes the figure."""
    from IPython.display import SVG

    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return SVG(data=file.getvalue())
