"""What the form saves: the figure, the table, the uploaded photographs, and code that runs beside them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from xaicore.apps.writing import (
    NAME_BYTES,
    expanded,
    listing,
    name_key,
    names_like,
    numbered,
    shortened,
    write_files,
)
from xaicore.explanation import Explanation
from xaicore.pictures.samples import SAMPLES
from xaicore.pictures.sources import Picture, picture, quoted
from xaicore.show.explained import draw, render, table
from xaicore.show.records import Recipe, snippet

FIGURE, DRAWING, CODE, REGIONS = "figure.png", "figure.svg", "explain.py", "regions.csv"
_ROOM = NAME_BYTES - len("-1000")


class Photographs:
    """Photographs for the form, each so that saved code finds it again.

    What came by upload, by camera or as an array has a name of its own as long as the form is open, which is
    none of the saved files' either: letter case and Unicode's forms apart. What lies in a file is named by
    its whole path.
    """

    def __init__(self) -> None:
        self._names = {name_key(name): "" for name in (FIGURE, DRAWING, CODE, REGIONS)}

    def of(self, source: Any) -> Picture:
        """A picture from all that :func:`xaicore.pictures.sources.picture` takes, and from one."""
        if isinstance(source, (str, Path)) and source not in SAMPLES and "://" not in str(source):
            return picture(os.path.abspath(expanded(str(source))))
        found = picture(source)
        if found.original is None and not isinstance(source, (str, Path, Picture)):
            file = io.BytesIO()
            Image.fromarray(found.image).save(file, "PNG")
            name = f"{found.name}.png"
            code = f"xaicore.read_image({quoted(name)})"
            found = Picture(found.image, name, code, file.getvalue())
        return found if found.original is None else _renamed(found, self._unused(found.name, found.original))

    def _unused(self, name: str, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        stem, suffix = os.path.splitext("photo.jpg" if name in (".", "..") else name.replace("\0", ""))
        suffix = shortened(suffix, 20)
        fits = shortened(stem, _ROOM - len(os.fsencode(suffix))) + suffix
        free = next(one for one in names_like(fits) if self._names.get(name_key(one), digest) == digest)
        self._names[name_key(free)] = digest
        return free


def _renamed(photo: Picture, name: str, place: str = "") -> Picture:
    """The same under another name; its code reads the file of that name, in the folder `place` if any."""
    code = photo.code.replace(f"({quoted(photo.name)})", f"({place}{quoted(name)})")
    return replace(photo, name=name, code=code)


def save(
    folder: Path,
    explanations: Sequence[Explanation],
    recipes: Sequence[Recipe],
    titles: Callable[[Sequence[str]], list[str]],
) -> list[Path]:
    """Write figure.png, figure.svg, regions.csv, explain.py and the uploads into a folder; returns the paths.

    Nothing that is there is replaced: where one of the names is taken by another file, all of them get the
    number 2, or 3, … What is there already just so is not written again.

    Args:
        recipes: one for each explanation. `titles`: from the photographs' names to what stands over them.

    Raises:
        OSError: the folder can't be made or written to, or there is no room; then nothing is written.
    """
    there = listing(folder)
    for number in count(1):
        new = partial(numbered, number)
        files = _texts(explanations, recipes, titles, new)
        names = [new(FIGURE), new(DRAWING), *files]
        taken = {name: there[name_key(name)] for name in names if name_key(name) in there}
        if taken and not all(_is(taken.get(name), data) for name, data in files.items()):
            continue
        shown = titles([new(r.picture.name) if r.picture.original else r.picture.name for r in recipes])
        files = {
            new(FIGURE): render(draw(explanations, shown), "png", 200),
            new(DRAWING): render(draw(explanations, shown), "svg"),
            **files,
        }
        if not taken:
            write_files({folder / name: data for name, data in files.items()})
        if not taken or all(_is(taken.get(name), data) for name, data in files.items()):
            return [folder / name for name in files]
    raise AssertionError


def _is(path: Path | None, data: bytes) -> bool:
    return path is not None and path.is_file() and path.read_bytes() == data


def _texts(
    explanations: Sequence[Explanation],
    recipes: Sequence[Recipe],
    titles: Callable[[Sequence[str]], list[str]],
    new: Callable[[str], str],
) -> dict[str, bytes]:
    """All files but the figures: the code, the table, the uploads."""
    uploads: dict[str, bytes] = {}
    here = []
    for recipe in recipes:
        photo = recipe.picture
        if photo.original is not None:
            photo = _renamed(photo, new(photo.name), "folder / ")
            uploads[photo.name] = recipe.picture.original or b""
        here.append(replace(recipe, picture=photo))
    code = snippet(here, titles([recipe.picture.name for recipe in here]))
    head, settings, rest = code.partition("\nsettings = Settings(")
    if uploads:
        head += (
            "\nfrom pathlib import Path\n\nfolder = Path(__file__).parent  # the uploads lie beside this code"
        )
    files = {new(CODE): (head + settings + rest).encode("utf-8", "backslashreplace")}
    if explanations[0].averages is not None:
        files[new(REGIONS)] = table(explanations).encode()
    return files | uploads
