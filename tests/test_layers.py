"""The diagram of the package: drawn from the imports, and current wherever it is shown."""

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("book_layers", ROOT / "book" / "layers.py")
layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layers)


def test_contributing_shows_the_diagram_of_today():
    told = "put what `python book/layers.py` prints into CONTRIBUTING.md"
    printed = subprocess.run(
        [sys.executable, "book/layers.py"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert f"```mermaid\n{printed}```" in (ROOT / "CONTRIBUTING.md").read_text(), told


def test_arrows_lead_downwards_only():
    order = list(layers.rooms())
    for room, seen in layers.arrows().items():
        assert all(order.index(near) > order.index(room) for near in seen), room


def test_an_arrow_that_follows_from_others_is_left_out():
    imports = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}
    assert layers.direct(imports) == {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"c"}}
