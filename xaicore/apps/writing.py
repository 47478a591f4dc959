"""Writing files so that nothing is lost: whole or not at all, under names that take nobody else's place."""

from __future__ import annotations

import os
import secrets
import struct
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path

NAME_BYTES = 255  # what most file systems take as one name
PART = ".xaicore-{}.part"  # what a file is called while it is written


class FolderError(ValueError):
    """A folder that can't be written to; the message says why and what to do."""


def expanded(text: str) -> Path:
    """The path with a leading `~` or `~user` expanded; one that stands for no home stays as it is."""
    return Path(text if os.path.lexists(text) else os.path.expanduser(text))


def check_folder(folder: Path) -> None:
    """See that files can be written into a folder, which need not be there yet, and leave all as it was.

    Raises:
        FolderError: it is a file, or it can't be made or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"--out {folder} is a file. Name a folder.")
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    probe = folder / PART.format(secrets.token_hex(8))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FolderError(f"Nothing can be written into --out {folder} ({reason}). Name another.") from None
    finally:
        for place in new:
            with suppress(OSError):  # another program may have written there meanwhile
                place.rmdir()


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together, making their folders.

    Each is written whole under a passing name in its own folder, and renamed only when all are written. What
    stood there before stays if that fails or is interrupted, and nothing half written is left. (Should a
    renaming itself fail, those before it are done. A process that is killed outright may leave a hidden file
    of a passing name.)

    Raises:
        OSError: no room, no permission.
    """
    parts: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = parts[path] = path.with_name(PART.format(secrets.token_hex(8)))
            try:
                with part.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())  # a full disk may show no earlier
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise OSError(error.errno, f"can't be written ({reason})", str(path)) from None
        for path, part in parts.items():
            os.replace(part, path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


# --- whose a figure is -----------------------------------------------------------------------------------

_HEADER = 33  # bytes of a PNG's signature and first chunk, after which others may stand
_OF_PIXELS = b"xaicore\0of pixels "  # what a chunk of text begins with that says whose figure it is


def signed(png: bytes, pixels: str) -> bytes:
    """A PNG with a chunk of text that says: this program made it, of the picture with that SHA-256."""
    text = b"tEXt" + _OF_PIXELS + pixels.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return png[:_HEADER] + chunk + png[_HEADER:]


def pixels_of(figure: Path) -> str | None:
    """Of which picture :func:`signed` is this figure, as its pixels' SHA-256; None for another file."""
    try:
        with figure.open("rb") as file:
            start = file.read(_HEADER + 256)
    except OSError:
        return None
    found = start[_HEADER + 8 :]
    if start[:4] != b"\x89PNG" or not found.startswith(_OF_PIXELS):
        return None
    return found[len(_OF_PIXELS) :][:64].decode("ascii", "replace")


# --- names -----------------------------------------------------------------------------------------------


def name_key(name: str) -> str:
    """What two names share that some file system takes for one: letter case and Unicode's forms differ."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def numbered(number: int, name: str) -> str:
    """`name` for 1, else name-2, name-3, … (before the suffix)."""
    stem, suffix = os.path.splitext(name)
    return name if number == 1 else f"{stem}-{number}{suffix}"


def names_like(name: str) -> Iterator[str]:
    """`name`, and then name-2, name-3, … (before the suffix)."""
    return (numbered(number, name) for number in count(1))


def shortened(name: str, room: int = NAME_BYTES) -> str:
    """The name, cut to `room` bytes; one that was cut ends in digits of its checksum, so it is its own."""
    whole = os.fsencode(name)
    if len(whole) <= room:
        return name
    digits = sha256(whole).hexdigest()[:8]
    stem, kept = "", 0
    for letter in name:
        kept += len(os.fsencode(letter))
        if kept > room - len(digits) - 1:
            break
        stem += letter
    return f"{stem}~{digits}"


def listing(folder: Path) -> dict[str, Path]:
    """What is in a folder, by :func:`name_key`; nothing where there is no folder."""
    return {name_key(path.name): path for path in folder.iterdir()} if folder.is_dir() else {}


class Inputs:
    """Files that are read, and therefore never written to, whatever name or link leads to them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files = {identity for path in paths for identity in _identities(path)}

    def __contains__(self, path: object) -> bool:
        return isinstance(path, Path) and not self._files.isdisjoint(_identities(path))


def _identities(path: Path) -> Collection[object]:
    """The place, however it is spelt, and the file there, however many names it has."""
    real = Path(os.path.realpath(path))
    place = (str(real.parent), name_key(real.name))
    try:
        status = path.stat()
    except (OSError, ValueError):
        return [place]
    return [place, (status.st_dev, status.st_ino)]
