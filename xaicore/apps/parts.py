"""A table in a folder of Parquet files, which grows and is whole at any moment.

`part-00000.parquet`, `part-00001.parquet`, … hold one row for each photograph and class. Each says in its
schema's metadata, under `xaicore`, what made it (:func:`xaicore.apps.folder.made_by`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import filelock

from xaicore.apps.writing import write_files

if TYPE_CHECKING:  # an extra, which comes where it is needed
    import pyarrow as pa

ROWS = 2000  # of one file: some megabytes
SECONDS = 10.0  # of work that may be lost when the process is killed, as long as photographs take less
LOCK = ".xaicore.lock"
MADE_BY = b"xaicore"


@cache
def schema() -> pa.Schema:
    """The columns of the table."""
    import pyarrow as pa

    whole, real, text = pa.int32(), pa.float64(), pa.string()
    wholes = pa.list_(whole)
    region = {
        "superpixel": whole,
        "score": real,
        "area": real,
        "evidence": real,
        "row": real,
        "column": real,
        "box": wholes,
        "mask": pa.struct({"size": wholes, "counts": text}),
    }
    return pa.schema(
        {
            "photo": text,
            "sha256": text,
            "width": whole,
            "height": whole,
            "rank": whole,
            "index": whole,
            "class": text,
            "probability": real,
            "score": real,
            "adds_up_to": real,
            "bias": real,
            "superpixels": whole,
            "evidence_kept": real,
            "regions": pa.list_(pa.struct(region)),
            "notes": pa.list_(text),
        }
    )


def check_packages() -> None:
    """ImportError, with what to do, if a package is missing that the table needs."""
    try:
        for name in ("pyarrow.parquet", "pycocotools.mask"):
            import_module(name)
    except ImportError as error:
        told = f'A table needs pyarrow and pycocotools: pip install "xaicore[many]" ({error}).'
        raise ImportError(told) from None


class PartsError(ValueError):
    """A folder that can't take the rows; the message says why and what to do."""


@dataclass(frozen=True)
class _Done:
    """What the files know of a photograph."""

    sha256: str
    spelt: str


class Parts:
    """The table in a folder, open for more rows; as a context it writes the last ones when it ends.

    Args:
        folder: made if it isn't there.
        made_by: what the rows are made with. `versions` in it may differ from file to file, nothing else.

    Raises:
        PartsError: the folder holds other files, or rows that were made otherwise, or another process writes
            into it.
    """

    def __init__(self, folder: Path, made_by: Mapping[str, Any]) -> None:
        self.folder = folder
        self._made_by = {**made_by, "directory": spelt(Path.cwd())}
        self._lock = filelock.FileLock(folder / LOCK)
        self._current: list[pa.Table] = []
        self._number = 0
        self._dirty = False
        self._written = time.monotonic()
        self._done: dict[str, _Done] = {}

    def __enter__(self) -> Parts:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            raise PartsError(f"Another process writes into {self.folder}. Wait for it to end.") from None
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.write()
        finally:
            self._lock.release()

    def left(self, photos: Sequence[Path]) -> list[Path]:
        """The photographs that have no rows yet, in the same order.

        One that was explained from another folder, or under another spelling, counts as done if its file's
        checksum is the same. One whose file has changed since is left to do, and its old rows are deleted;
        those of one that can't be read now stay.
        """
        content = {(done.spelt, done.sha256) for done in self._done.values()}
        spellings = {spelling for spelling, _ in content}
        known = [p for p in photos if _place(p) in self._done or spelt(p) in spellings]
        with ThreadPoolExecutor() as pool:
            sums = dict(zip(known, pool.map(_digest, known), strict=True))

        def is_done(photo: Path) -> bool:
            there = self._done.get(_place(photo))
            return (spelt(photo), sums[photo]) in content if there is None else there.sha256 == sums[photo]

        done = {photo for photo in known if is_done(photo)}
        # without a checksum it can't be read now, and says nothing of what was found then
        changed = {_place(photo) for photo in known if photo not in done and sums[photo]}
        self._drop(changed & self._done.keys())
        return [photo for photo in photos if photo not in done]

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take the rows of one or more photographs, and write what has come together if it is time."""
        if not (taken := list(rows)):
            return
        import pyarrow as pa

        self._current.append(pa.Table.from_pylist(taken, schema()))
        self._dirty = True
        full = sum(len(table) for table in self._current) >= ROWS
        if full or time.monotonic() - self._written >= SECONDS:
            self.write()
        if full:
            self._current, self._number = [], self._number + 1

    def write(self) -> None:
        """Write the file that grows, as far as it is."""
        if self._dirty:
            import pyarrow as pa

            self._store(self._number, pa.concat_tables(self._current), self._made_by)
            self._dirty = False
        self._written = time.monotonic()

    def _store(self, number: int, table: pa.Table, made_by: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {MADE_BY: json.dumps(made_by, ensure_ascii=False)}
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd")
        write_files({self._path(number): sink.getvalue().to_pybytes()})

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}.parquet"

    def _files(self) -> dict[int, Path]:
        """The parts by number; PartsError for anything else that isn't hidden."""
        found = {}
        for path in sorted(self.folder.iterdir()):
            digits = path.name.removeprefix("part-").removesuffix(".parquet")
            if path.name[0] == ".":
                continue
            if not digits.isdecimal() or path != self._path(int(digits)):
                raise PartsError(
                    f"{self.folder} holds {path.name}, and the table needs a folder of its own. Name another."
                )
            found[int(digits)] = path
        return found

    def _read(self) -> None:
        import pyarrow.parquet as pq

        last: dict[str, Any] = {}
        for number, path in self._files().items():
            last = self._read_made_by(path)
            self._number = number
            columns = pq.read_table(path, columns=["photo", "sha256"]).to_pydict()
            for photo, sha256 in zip(columns["photo"], columns["sha256"], strict=True):
                self._done[os.path.join(last["directory"], photo)] = _Done(sha256, photo)
        self._done = {os.path.normpath(place): done for place, done in self._done.items()}
        if not last:
            return
        table = pq.read_table(self._path(self._number))
        if last == self._made_by and len(table) < ROWS:  # it grows on
            self._current = [table.replace_schema_metadata(None)]
        else:
            self._number += 1

    def _read_made_by(self, path: Path) -> dict[str, Any]:
        import pyarrow.parquet as pq

        try:
            metadata = pq.read_schema(path).metadata or {}
            found: dict[str, Any] = json.loads(metadata[MADE_BY])
        except (OSError, ValueError, KeyError):
            raise PartsError(f"{path} is no part of a table of this program. Name another folder.") from None
        told = _differences(found, self._made_by)
        if told:
            raise PartsError(
                f"{self.folder} holds rows that were made otherwise: {told}. Name another folder, or ask for "
                "the same."
            )
        return found

    def _drop(self, places: set[str]) -> None:
        """Delete the rows of some photographs."""
        if not places:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        for number, path in self._files().items():
            made_by = self._read_made_by(path)
            table = pq.read_table(path)
            keep = [
                os.path.normpath(os.path.join(made_by["directory"], photo)) not in places
                for photo in table["photo"].to_pylist()
            ]
            if all(keep):
                continue
            kept = table.filter(pa.array(keep)).replace_schema_metadata(None)
            self._store(number, kept, made_by)
            if number == self._number and self._current:
                self._current = [kept]
        for place in places:
            self._done.pop(place, None)


def _differences(old: Any, new: Any, name: str = "") -> str:
    """What differs, in words: "settings top 5, and now 3"; versions and directories don't count."""
    if isinstance(old, dict) and isinstance(new, dict) and name not in ("versions", "directory"):
        pairs = {key: (old.get(key), new.get(key)) for key in [*old, *(k for k in new if k not in old)]}
        told = [_differences(*pair, key) for key, pair in pairs.items()]
        return ", ".join(f"{name} {part}".strip() for part in told if part)
    return "" if old == new or name in ("versions", "directory") else f"{name} {old!r}, and now {new!r}"


def spelt(path: Path) -> str:
    """The path as text; bytes that are no text in it become \\udcxx."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _place(photo: Path) -> str:
    return spelt(Path(os.path.abspath(photo)))


def _digest(photo: Path) -> str:
    try:
        with photo.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
