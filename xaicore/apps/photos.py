"""Which photographs a command means: files, folders and patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xaicore.apps.writing import expanded, pixels_of
from xaicore.pictures.reading import Photo, read_image

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif",
    ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
)  # fmt: skip


class NoPhotosError(ValueError):
    """A folder or pattern that holds no picture; the message says which files count."""


def find_photos(
    arguments: Sequence[str], *, recursive: bool = False, without: Path | None = None
) -> tuple[list[Path], list[NoPhotosError]]:
    """The photographs that the arguments name, each once, and what was said in vain.

    A path that exists means itself. A folder means the pictures in it, and with `recursive` those in the
    folders below: files whose suffix is one of `SUFFIXES`, in natural order (2 before 10), no hidden ones and
    none of this program's figures. A pattern (`*`, `?`, `[…]`, `**` for folders) means the pictures and, with
    `recursive`, the folders that it matches. Anything else is taken for a file, though there is none.

    Args:
        without: a folder that is passed over unless it is named itself: where the results go.
    """
    found: dict[str, Path] = {}
    failures = []
    for argument in arguments:
        try:
            for path in _meant(argument, recursive, without):
                found.setdefault(os.path.abspath(path), path)
        except NoPhotosError as error:
            failures.append(error)
    return list(found.values()), failures


def _meant(argument: str, recursive: bool, without: Path | None) -> list[Path]:
    path = expanded(argument)
    if path.is_dir():
        inside = _sorted(_pictures(path, recursive, without))
        if not inside:
            more = "" if recursive else " For those in the folders below it say --recursive."
            raise NoPhotosError(f"{argument} holds no picture ({_suffixes()}).{more}")
        return inside
    if os.path.lexists(path) or not glob.has_magic(argument):
        return [path]
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    pictures = [match for match in matches if match.is_file() and is_picture(match)]
    if recursive:
        pictures += [p for match in matches if match.is_dir() for p in _pictures(match, True, without)]
    if not (pictures := _sorted(pictures)):
        raise NoPhotosError(f"{argument} matches no picture ({_suffixes()}).")
    return pictures


def _pictures(folder: Path, recursive: bool, without: Path | None) -> Iterator[Path]:
    passed_over = None if without is None else os.path.realpath(without)
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in files if is_picture(Path(name)))
        folders[:] = [
            name
            for name in folders
            if recursive and name[0] != "." and os.path.realpath(os.path.join(place, name)) != passed_over
        ]


def _sorted(pictures: Iterable[Path]) -> list[Path]:
    return sorted((path for path in pictures if pixels_of(path) is None), key=natural_order)


def read_photo(path: Path) -> Photo:
    """The picture at a path, (H, W, 3) uint8; a name that begins with ~ stands for no home here."""
    return read_image(Path(os.path.abspath(path)))


def in_words(error: Exception) -> str:
    """What an error says; with its type where it is none that was foreseen."""
    words = str(error).strip() or type(error).__name__
    return words if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {words}"


def named(photo: Path, error: Exception) -> str:
    """The error in words that name the photograph."""
    words = in_words(error)
    return words if os.path.abspath(photo) in words else f"{photo}: {words}"


def is_picture(path: Path) -> bool:
    """Whether a file's name says that it is a picture, and not a hidden one."""
    return path.suffix.lower() in SUFFIXES and path.name[0] != "."


def natural_order(path: Path) -> tuple[object, ...]:
    """Sorts as people count: IMG_2 before IMG_10; what is in a folder together; letter case last."""
    parts = [_digits_as_numbers(part) for part in path.parts]
    return (parts[:-1], parts[-1], str(path))


def _digits_as_numbers(text: str) -> list[tuple[int, int, str]]:
    pieces: Iterable[str] = re.split(r"([0-9]+)", text.casefold())
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece]


def _suffixes() -> str:
    return ", ".join(suffix[1:] for suffix in SUFFIXES)
