"""Masks of regions as COCO's run lengths, at the photograph's size and without an array of that size.

A label map may have fewer pixels than the photograph: each is then a block of the photograph's. So a mask's
runs at full size follow from the blocks' edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaicore.pictures.blocks import Size, cell_of
from xaicore.regions.labels import LabelMap

Box = tuple[int, int, int, int]
Bools = NDArray[np.bool_]


class Shape(NamedTuple):
    """Where a region is, in the photograph's pixels. `box`: x, y of its upper left pixel, width, height.
    `size`: the photograph's (H, W). `counts`: COCO's compressed run lengths, which
    `pycocotools.mask.decode({"size": size, "counts": counts})` makes an (H, W) mask of.
    """

    box: Box
    size: Size
    counts: str


class _Pieces(NamedTuple):
    """Rows or columns of the photograph that are alike: of one block, and all seen or all not."""

    cells: NDArray[np.intp]  # which block each piece is of
    seen: Bools
    starts: NDArray[np.intp]  # where each begins, (n + 1,), and where the last ends
    of: NDArray[np.intp]  # the piece of each row or column


def shapes(cut: LabelMap, places: Sequence[int], seen: tuple[Bools, Bools]) -> list[Shape]:
    """Where regions are that the network saw; each has to have a pixel that it saw.

    Args:
        places: the regions, as `cut.index` counts them.
        seen: which rows (H,) and which columns (W,) of the photograph the network saw.
    """
    rows, columns = (
        _pieces(side, cells, some) for side, cells, some in zip(cut.size, cut.index.shape, seen, strict=True)
    )
    index = np.where(np.outer(rows.seen, columns.seen), cut.index[np.ix_(rows.cells, columns.cells)], -1)
    return [_shape(index == place, rows, columns, cut.size) for place in places]


def _pieces(side: int, cells: int, seen: Bools) -> _Pieces:
    cell = cell_of(side, cells)
    new = np.concatenate([[True], (cell[1:] != cell[:-1]) | (seen[1:] != seen[:-1])])
    starts = np.flatnonzero(new)
    return _Pieces(cell[starts], seen[starts], np.append(starts, side), np.cumsum(new) - 1)


def _shape(mask: Bools, rows: _Pieces, columns: _Pieces, size: Size) -> Shape:
    across, down = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    left, right = (int(n) for n in columns.starts[[across[0], across[-1] + 1]])
    top, bottom = (int(n) for n in rows.starts[[down[0], down[-1] + 1]])
    counts = _run_lengths(mask, rows, columns, size, (left, right))
    return Shape((left, top, right - left, bottom - top), size, _compressed(counts, size))


def _run_lengths(mask: Bools, rows: _Pieces, columns: _Pieces, size: Size, within: tuple[int, int]) -> Any:
    """Lengths of runs of 0, 1, 0, …, column by column, of the mask at the photograph's size."""
    height, width = size
    left, right = within[0], min(within[1] + 1, width)  # beside these columns nothing changes
    full = mask.T[columns.of[left:right]]  # (columns, pieces of rows)
    before = np.concatenate([full[:1, -1] & False, full[:-1, -1]])  # the last pixel of the column before
    changes = np.concatenate([(full[:, 0] != before)[:, None], full[:, 1:] != full[:, :-1]], axis=1)
    at, piece = np.nonzero(changes)
    places = (at + left) * height + rows.starts[piece]
    return np.diff(np.concatenate([[0], places, [height * width]]))


def _compressed(counts: Any, size: Size) -> str:
    from pycocotools.mask import frPyObjects

    found: bytes = frPyObjects({"size": list(size), "counts": counts.tolist()}, *size)["counts"]
    return found.decode("ascii")
