"""Blocks: a large picture's pixels, counted in the cells of a smaller grid laid over it.

Row i of H belongs to row (2i + 1)·h // 2H of h, and columns likewise: the cell under the pixel's centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
MILLION = 1_000_000
LEAST = 8  # pixels of a side that a picture keeps when it is made smaller


def within(size: Size, pixels: int = MILLION) -> Size:
    """(h, w) in proportion to `size`, of about `pixels` in all; `size` itself if it has no more."""
    height, width = size
    factor = (pixels / (height * width)) ** 0.5
    if factor >= 1:
        return size
    if min(height, width) * factor < LEAST:  # a thin strip keeps its short side, or so much of it
        least = min(height, width, LEAST)
        long = max(1, min(max(height, width), pixels // least))
        return (least, long) if height < width else (long, least)
    return round(height * factor), round(width * factor)


def cell_of(side: int, cells: int) -> NDArray[np.intp]:
    """Which of `cells` each of `side` pixels belongs to, or each of them is nearest to if there are more."""
    return np.asarray((2 * np.arange(side) + 1) * cells // (2 * side))


def nearest(values: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """An (H, W) array at another size, (h, w): each pixel is the old one under its centre."""
    if values.shape == tuple(size):
        return values
    rows, columns = (cell_of(n, m) for n, m in zip(size, values.shape, strict=True))
    return np.asanyarray(values[np.ix_(rows, columns)])


def sums(values: NDArray[Any], cells: int) -> NDArray[Any]:
    """The sum of an array's rows in each of `cells` blocks of them: (side, …) → (cells, …), cells ≤ side."""
    if len(values) == cells:
        return values
    starts = np.searchsorted(cell_of(len(values), cells), np.arange(cells))
    return np.asarray(np.add.reduceat(values, starts, axis=0, dtype=_summed(values.dtype)))


def _summed(dtype: np.dtype[Any]) -> type:
    return np.float64 if dtype.kind == "f" else np.int64
