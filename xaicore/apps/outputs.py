"""The figures and records of the command line: under which names they go, and what they may replace."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import matplotlib as mpl

from xaicore.apps.writing import NAME_BYTES, Inputs, expanded, listing, name_key, pixels_of, shortened, signed
from xaicore.explanation import Explanation
from xaicore.show.explained import draw, render
from xaicore.show.records import fingerprint
from xaicore.show.style import use_book_style

_TABLES = (b"superpixel,", b"row,column,", b"look,row,")  # how a table of regions or cells begins


def figure_of(explanation: Explanation) -> bytes:
    """The explanation's figure as a PNG that says by which program and of which pixels it is."""
    mpl.use("agg")
    use_book_style()
    png = render(draw([explanation]))
    return signed(png, fingerprint(explanation.heat.image))


def photo_of(record: Path) -> str | None:
    """The photograph that a record names; None if the file is no record."""
    try:
        held: Any = json.loads(record.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(held, dict) or not {"photo", "pixels_sha256", "settings", "found"} <= set(held):
        return None
    return held["photo"] if isinstance(held["photo"], str) else None


class Outputs:
    """The folder of the results, and which of its names are free for whom.

    A result may replace what this program made of the same photograph before, and nothing else: no other
    file, no record that names another photograph, no file that is an input. With `force` it may replace any
    file but an input, or what the same run made.
    """

    def __init__(self, folder: Path, inputs: Inputs, force: bool = False) -> None:
        self.folder = folder
        self._inputs, self._force = inputs, force
        self._used: set[str] = set()

    def claim(self, photo: Path, stem: str, pixels: str, suffix: str | None = None) -> tuple[str, bool]:
        """A stem for a photograph's figure and, with `suffix` (.json or .csv), its table; given out once.

        Returns the stem, or stem-2, stem-3, …, cut to what a file system takes; and whether the first one was
        left to somebody else's files.
        """
        there = listing(self.folder)
        passed = False
        for number in count(1):
            tail = "" if number == 1 else f"-{number}"
            name = shortened(stem, NAME_BYTES - len(tail) - len(".json")) + tail
            if name_key(name) in self._used:
                continue
            if self._is_free(name, there, photo, pixels, suffix):
                self._used.add(name_key(name))
                return name, passed
            passed = True
        raise AssertionError

    def _is_free(
        self, name: str, there: dict[str, Path], photo: Path, pixels: str, suffix: str | None
    ) -> bool:
        figure, record, table = (
            there.get(name_key(name + end)) for end in (".png", ".json", suffix or ".json")
        )
        targets = [path for path in (figure, table if suffix else None) if path is not None]
        if any(path in self._inputs or not path.is_file() for path in targets):
            return False
        if any(self.folder / (name + end) in self._inputs for end in (".png", suffix or ".png")):
            return False
        if self._force or not targets:
            return True
        made_of = None if figure is None else pixels_of(figure)
        if figure is not None and made_of is None:
            return False
        if suffix == ".csv" and table is not None and (figure is None or not _is_table(table)):
            return False
        named = None if record is None or suffix is None else photo_of(record)
        if named is not None:
            return os.path.realpath(expanded(named)) == os.path.realpath(photo)
        return made_of == pixels and (suffix != ".json" or table is None)


def _is_table(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(32).startswith(_TABLES)
