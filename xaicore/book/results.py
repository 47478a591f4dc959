"""The measured results that the book reports: tidy tables that `make evaluate` writes.

One row is one number: a network, a protocol and its setting, a method, a picture (with its companions in a
mosaic), a measure, its value. :func:`rows` picks, :func:`interval` and :func:`difference` sum up, with
confidence intervals over pictures.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from xaicore.evaluation.statistics import Interval, bootstrap

RESULTS = Path(__file__).parent / "measured"
COLUMNS = ("network", "protocol", "setting", "method", "picture", "others", "measure", "value")


class Row(NamedTuple):
    """One measured number. `others`: a mosaic's other pictures, joined by "+"; empty for one photograph."""

    network: str
    protocol: str
    setting: str
    method: str
    picture: str
    others: str
    measure: str
    value: float


@cache
def table(name: str = "evaluation", folder: Path | None = None) -> tuple[Row, ...]:
    """All rows of one table: "evaluation", or "choice" (what settings were chosen by, on other pictures).

    Raises:
        FileNotFoundError: no such table; `make evaluate` writes it.
    """
    path = (folder or RESULTS) / f"{name}.csv"
    if not path.exists():
        raise FileNotFoundError(f"No table {path.name}. `make evaluate` measures and writes it.")
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    return tuple(Row._make([*line[:7], float(line[7])]) for line in lines)


def fingerprint(name: str = "evaluation", folder: Path | None = None) -> str:
    """First eight hexadecimal digits of the table's SHA-256, so that a page can say which table it shows."""
    return hashlib.sha256(((folder or RESULTS) / f"{name}.csv").read_bytes()).hexdigest()[:8]


def environment(folder: Path | None = None) -> dict[str, Any]:
    """With what the tables were measured: packages, weights, minutes, the two halves of the photographs."""
    return dict(json.loads(((folder or RESULTS) / "environment.json").read_text(encoding="utf-8")))


def rows(source: Iterable[Row] | None = None, **columns: str) -> list[Row]:
    """The rows with the given values, for instance `rows(method="CAM", measure="deletion")`.

    Raises:
        ValueError: nothing fits; the message says which values the columns have.
    """
    source = table() if source is None else tuple(source)
    found = [row for row in source if all(getattr(row, c) == v for c, v in columns.items())]
    if not found:
        have = {c: sorted({getattr(row, c) for row in source}) for c in columns}
        raise ValueError(f"No result for {columns}. There are: {have}")
    return found


def interval(source: Iterable[Row] | None = None, **columns: str) -> Interval:
    """Mean of the rows with its 95 % interval, from a bootstrap over pictures.

    Raises:
        ValueError: nothing fits, or several measures do, which have no common mean.
    """
    chosen = _of_one_measure(rows(source, **columns))
    return _bootstrap([row.value for row in chosen], chosen)


def difference(a: str, b: str, source: Iterable[Row] | None = None, **columns: str) -> Interval:
    """Mean of (method a − method b) on the pictures, or mosaics, that have both, with its interval.

    Raises:
        ValueError: the two share no picture, or the rows are of several measures.
    """
    rows_b = _of_one_measure(rows(source, method=b, **columns))
    of_b = {(row.setting, row.picture, row.others): row.value for row in rows_b}
    of_a = _of_one_measure(rows(source, method=a, **columns))
    chosen = [row for row in of_a if (row.setting, row.picture, row.others) in of_b]
    if not chosen:
        raise ValueError(f"{a} and {b} were not measured on the same pictures: {columns}")
    values = [row.value - of_b[row.setting, row.picture, row.others] for row in chosen]
    return _bootstrap(values, chosen)


def _of_one_measure(found: list[Row]) -> list[Row]:
    measures = {row.measure for row in found}
    if len(measures) > 1:
        raise ValueError(f"These rows are of several measures: say measure= one of {sorted(measures)}.")
    return found


def _bootstrap(values: list[float], chosen: list[Row]) -> Interval:
    others = [row.others.split("+") for row in chosen] if all(row.others for row in chosen) else None
    return bootstrap(values, [row.picture for row in chosen], others)
