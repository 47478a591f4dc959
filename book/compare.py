"""Say what differs between two states of the notebooks' outputs: text, pictures, and the measured tables.

python book/compare.py v1.0                       a git revision, and the working tree
python book/compare.py v1.0 /tmp/run/notebooks    a revision, and a folder of executed notebooks
python book/compare.py v1.0 main 03_cam           two revisions, one notebook

Claims and figures are paired by their names, other outputs by their order and text, so that cells may be
added, split or moved. Text is compared as it reads: HTML without its tags, claims with their evidence.
Pictures are compared by their pixels, drawings (SVG) by the numbers in them. The exit status is 1 if anything
differs.
"""

from __future__ import annotations

import argparse
import base64
import difflib
import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("xaicore/book/measured", "xaicore/measured")  # where they are, and where they once were


class StateError(ValueError):
    """What was named is no state of the notebooks."""


# --- the two states ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """The notebooks and tables of one state, by file name."""

    notebooks: dict[str, bytes]
    tables: dict[str, bytes]


def state(where: str, root: Path = ROOT) -> State:
    """The state in a folder (a checkout, or the notebooks alone), or at a revision of the repository `root`.

    Raises:
        StateError: it is neither, or holds no notebook.
    """
    folder = Path(where)
    found = _in_folder(folder) if folder.is_dir() else _at_revision(where, root)
    if not found.notebooks:
        raise StateError(f"{where} holds no notebook.")
    return found


def _in_folder(folder: Path) -> State:
    notebooks = folder / "notebooks" if (folder / "notebooks").is_dir() else folder
    tables = [path for place in TABLES for path in sorted((folder / place).glob("*")) if path.is_file()]
    return State(
        {path.name: path.read_bytes() for path in sorted(notebooks.glob("*.ipynb"))},
        {path.name: path.read_bytes() for path in tables},
    )


def _at_revision(revision: str, root: Path) -> State:
    try:
        listed = _git(root, "ls-tree", "-r", "--name-only", "-z", f"{revision}^{{tree}}").decode().split("\0")
    except subprocess.CalledProcessError as error:
        raise StateError(f"{revision} is neither a folder nor a revision of {root}.") from error
    paths = [Path(name) for name in listed if name]
    notebooks = [p for p in paths if p.parent == Path("notebooks") and p.suffix == ".ipynb"]
    tables = [p for p in paths if p.parent.as_posix() in TABLES]
    return State(
        *({p.name: _git(root, "show", f"{revision}:{p}") for p in which} for which in (notebooks, tables))
    )


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True).stdout


# --- the outputs of a notebook -----------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """One output: how it reads, what it shows, and whatever else it holds."""

    place: int  # among the notebook's outputs
    cell: int  # counted from 1, among all cells
    name: str  # of the claim or the figure; empty for others
    text: str
    pictures: tuple[bytes, ...]
    drawing: str
    markup: str

    def __str__(self) -> str:
        return f"cell {self.cell}" + (f" ({self.name})" if self.name else "")


def outputs(notebook: bytes) -> list[Output]:
    """All outputs of a notebook, in order."""
    found: list[Output] = []
    for number, cell in enumerate(json.loads(notebook)["cells"], 1):
        for output in cell.get("outputs", []):
            figure = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", "")
            found.append(_output(len(found), number, figure, output))
    return found


def _output(place: int, cell: int, figure: str, output: dict[str, Any]) -> Output:
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items() if _is_text(value)}
    pictures = [base64.b64decode(text) for kind, text in data.items() if kind in ("image/png", "image/jpeg")]
    drawing, markup = data.get("image/svg+xml", ""), data.get("text/html", "")
    page, drawn = _Page(markup), _Page(drawing)
    claims = re.findall(r"id=['\"](claim-[a-z0-9-]+)['\"]", markup)
    texts = ["".join(output.get("text", "")), data.get("text/plain", ""), data.get("text/markdown", "")]
    texts += [page.text, drawn.text, *output.get("traceback", [])]
    shows = bool(pictures or drawing)
    return Output(
        place,
        cell,
        claims[0] if claims else figure if shows else "",
        "\n".join(text.rstrip("\n") for text in texts if text.strip()),
        (*pictures, *page.pictures, *drawn.pictures),
        re.sub(EMBEDDED, "picture", drawing),
        re.sub(EMBEDDED, "picture", markup),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))


EMBEDDED = r"data:image/(?:png|jpeg);base64,([\w+/=\s]+)"
BLOCKS = ("br", "div", "h1", "h2", "h3", "h4", "li", "p", "pre", "summary", "table", "text", "tr")


class _Page(HTMLParser):
    """What a reader sees of HTML or SVG: its text, a row of a table on one line, and its pictures."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.pictures = [base64.b64decode(found) for found in re.findall(EMBEDDED, markup)]
        self._parts: list[str] = []
        self._unseen = 0
        self.feed(markup)
        self.close()
        lines = (" ".join(line.split()).removesuffix(" |") for line in "".join(self._parts).split("\n"))
        self.text = "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in ("script", "style")
        self._parts += "\n" if tag in BLOCKS else ""

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in ("script", "style")
        self._parts += "\n" if tag in BLOCKS else " | " if tag in ("td", "th") else ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._parts.append(" ".join(f".{data}.".split())[1:-1])  # a line may break within a sentence


# --- which output belongs to which -------------------------------------------------------------------

Pair = tuple[Output | None, Output | None]


def paired(before: Sequence[Output], after: Sequence[Output]) -> list[Pair]:
    """Each output with its counterpart: named ones by name, the others by order and text."""
    named = [{key: one for key, one in _keyed(side) if key[0]} for side in (before, after)]
    pairs: list[Pair] = [(named[0].get(key), named[1].get(key)) for key in {**named[0], **named[1]}]
    old, new = ([one for one in side if not one.name] for side in (before, after))
    blocks = difflib.SequenceMatcher(None, [o.text for o in old], [n.text for n in new], autojunk=False)
    for _, i, j, k, m in blocks.get_opcodes():
        pairs += _in_order(old[i:j], new[k:m])
    return sorted(pairs, key=_place)


def _keyed(side: Sequence[Output]) -> Iterator[tuple[tuple[str, int], Output]]:
    """Each output with its name, and how often the name came before."""
    seen: Counter[str] = Counter()
    for one in side:
        yield (one.name, seen[one.name]), one
        seen[one.name] += 1


def _in_order(old: Sequence[Output], new: Sequence[Output]) -> Iterator[Pair]:
    """Pairs of two runs of outputs; of the longer one, those stay alone that are least like the others."""
    if len(old) > len(new):
        yield from ((o, n) for n, o in _in_order(new, old))
        return
    start = 0
    for i, one in enumerate(old):
        choice = range(start, len(new) - len(old) + i + 1)
        best = max(choice, key=lambda k: difflib.SequenceMatcher(None, one.text, new[k].text).ratio())
        yield from ((None, extra) for extra in new[start:best])
        yield one, new[best]
        start = best + 1
    yield from ((None, extra) for extra in new[start:])


def _place(pair: Pair) -> int:
    old, new = pair
    return new.place if new else old.place if old else 0


# --- what differs ------------------------------------------------------------------------------------

Report = list[str]  # a line that sums up, and then what differs, if anything


def compare(before: State, after: State, only: Sequence[str] = ()) -> list[Report]:
    """A report for each notebook, and one for the tables. `only` names notebooks, without `.ipynb`.

    Raises:
        StateError: `only` names one that is in neither state.
    """
    reports = []
    names = sorted(before.notebooks.keys() | after.notebooks.keys())
    if unknown := set(only) - {Path(name).stem for name in names}:
        raise StateError(f"No notebook is called {', '.join(sorted(unknown))}.")
    for name in names:
        stem = Path(name).stem
        if only and stem not in only:
            continue
        if name in before.notebooks and name in after.notebooks:
            reports.append(compare_notebooks(stem, before.notebooks[name], after.notebooks[name]))
        else:
            reports.append([f"{stem}:", f"  only {_side(name in before.notebooks)}"])
    return [*reports, compare_tables(before.tables, after.tables)]


def compare_notebooks(name: str, before: bytes, after: bytes) -> Report:
    """The report on one notebook, by its name and its two states."""
    details: list[str] = []
    count: Counter[str] = Counter()
    for old, new in paired(outputs(before), outputs(after)):
        if old and new:
            texts, sights, markup = _text_diff(old, new), list(_sights(old, new)), old.markup != new.markup
            count["text"] += 1
            count["other text"] += bool(texts)
            count["pictures"] += len(sights)
            count["other pictures"] += len(sights) - sights.count(EQUAL)
            details += texts + [f"  {new}: {found}" for found in sights if found != EQUAL]
            if markup and not texts:
                details.append(f"  {new}: the same text in other markup, or another script")
        elif one := old or new:
            details += [f"  {one}: only {_side(bool(old))}", *_indented(one.text.splitlines()[:3])]
    return [f"{name}: {_tally(count, 'text')}; {_tally(count, 'pictures')}", *details]


def compare_tables(before: dict[str, bytes], after: dict[str, bytes]) -> Report:
    """The report on the measured tables. A folder of notebooks alone has none, which is no difference."""
    if not before or not after:
        return ["tables: not in both states"]
    details = []
    count = Counter(tables=len(before.keys() | after.keys()))
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            details.append(f"  {name}: only {_side(name in before)}")
        elif before[name] != after[name]:
            old, new = (Counter(data.splitlines()) for data in (before[name], after[name]))
            details.append(f"  {name}: {(old - new).total()} lines went, {(new - old).total()} came")
    count["other tables"] = len(details)
    return [_tally(count, "tables"), *details]


def _side(before: bool) -> str:
    return "before" if before else "after"


def _tally(count: Counter[str], what: str) -> str:
    changed = count[f"other {what}"]
    return f"{what} of {count[what]}: " + (f"{changed} differ" if changed else "all equal")


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _text_diff(old: Output, new: Output) -> list[str]:
    if old.text == new.text:
        return []
    lines = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), lineterm="", n=1)
    return [f"  {new}: text", *_indented(list(lines)[2:])]


EQUAL = "equal"


def _sights(old: Output, new: Output) -> Iterator[str]:
    """How each picture and drawing of the new output compares with the old one's."""
    if len(old.pictures) != len(new.pictures):
        yield f"{len(old.pictures)} pictures before, {len(new.pictures)} after"
    else:
        yield from map(compare_pictures, old.pictures, new.pictures)
    if old.drawing or new.drawing:
        yield compare_drawings(old.drawing, new.drawing)


def compare_pictures(old: bytes, new: bytes) -> str:
    """Whether two PNG or JPEG files show the same pixels, or by how much they differ."""
    a, b = (np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), dtype=int) for data in (old, new))
    if a.shape != b.shape:
        return f"a picture of {a.shape[1]}×{a.shape[0]} pixels before, of {b.shape[1]}×{b.shape[0]} after"
    off = np.abs(a - b).max(axis=2)
    if not off.any():
        return EQUAL
    return f"{(off > 0).mean():.2%} of the pixels differ, by at most {off.max()} of 255 levels"


def compare_drawings(old: str, new: str) -> str:
    """Whether two SVGs are equal but for the names of their parts, or by how much their numbers differ."""
    a, b = (re.split(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)", _with_plain_names(svg)) for svg in (old, new))
    if a == b:
        return EQUAL
    if a[::2] != b[::2]:
        return "the drawing has other parts"
    off = max(abs(float(x) - float(y)) for x, y in zip(a[1::2], b[1::2], strict=True))
    return f"the drawing has the same parts, its numbers differ by at most {off:g}"


def _with_plain_names(svg: str) -> str:
    """Parts are called part, part, … instead of by a hash of what they are."""
    names = set(re.findall(r'\bid="([^"]+)"', svg))
    return re.sub(r'(?<=id=")[^"]+(?=")|(?<=#)[\w.-]+', lambda m: "part" if m[0] in names else m[0], svg)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", help="a git revision, or a folder")
    parser.add_argument("after", nargs="?", default=str(ROOT), help="likewise; the working tree if left out")
    parser.add_argument("only", nargs="*", metavar="notebook", help="such as 03_cam; all if left out")
    options = parser.parse_args(arguments)
    try:
        reports = compare(state(options.before), state(options.after), options.only)
    except StateError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(line for report in reports for line in report))
    return int(any(len(report) > 1 for report in reports))


if __name__ == "__main__":
    sys.exit(main())
