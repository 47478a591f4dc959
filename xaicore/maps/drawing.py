"""From the grid of cells to the pixels of the input or of the photograph."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats
from xaicore.pictures.blocks import Size, sums
from xaicore.pictures.geometry import Geometry

Alignment = Literal["half_pixel", "receptive_field", "corners"]


def upsample(
    values: Floats, size: tuple[int, int], alignment: Alignment = "half_pixel"
) -> NDArray[np.float64]:
    """Bilinear upsampling of (..., h, w) to `size` = (H, W) pixels of the network's input.

    `alignment` says where the centre of cell i lies, for cells of s = H/h pixels:

    ===============  ================  ===============================================================
    half_pixel       s·i + (s − 1)/2   cells tile the picture; keeps the mean if s is whole
                                       (align_corners=False of PyTorch, OpenCV's INTER_LINEAR)
    receptive_field  s·i               the middle of the pixels that feed cell i, in a network whose
                                       layers all pad symmetrically, such as ResNet50
    corners          i·(H−1)/(h−1)     first and last cell sit on the border (align_corners=True)
    ===============  ================  ===============================================================

    Outside the outermost centres the nearest cell's value goes on. half_pixel is the default because it
    alone keeps the mean, and no other localised better on real photographs (both measured in chapter 3).
    Raises ValueError for another alignment or a map that isn't at least two-dimensional.
    """
    values = _checked(values)
    rows, columns = (
        _interpolation_matrix(np.arange(side, dtype=float), side, cells, alignment)
        for side, cells in zip(size, values.shape[-2:], strict=True)
    )
    return _product(values, rows, columns)


def on_photo(
    values: Floats, geometry: Geometry, alignment: Alignment = "half_pixel", size: Size | None = None
) -> NDArray[np.float64]:
    """Draw maps (..., h, w) onto the photograph: (..., H, W), NaN where the network never saw the photo.

    One bilinear interpolation, straight from the cells to the photo's own pixels; see :func:`upsample`.

    Args:
        size: draw (H', W') blocks of the photo's pixels, each as the mean of those that the network saw. This
            is exact and needs no array of the photo's size: interpolation is a product of rows and columns,
            and so are the blocks' means.
    """
    values = _checked(values)
    shares = []
    for axis in (0, 1):
        inside = geometry.inside(axis)
        taps = _interpolation_matrix(
            geometry.positions(axis), geometry.input_size[axis], values.shape[axis - 2], alignment
        )
        taps[~inside] = 0
        cells = geometry.photo_size[axis] if size is None else size[axis]
        seen = sums(inside.astype(np.int64), cells)
        with np.errstate(invalid="ignore"):
            shares.append(sums(taps, cells) / np.where(seen, seen, np.nan)[:, None])
    return _product(values, *shares)


def seen_on_photo(geometry: Geometry, size: Size) -> NDArray[np.int64]:
    """How many pixels of each of (H', W') blocks of the photograph the network saw."""
    rows, columns = (sums(geometry.inside(axis).astype(np.int64), size[axis]) for axis in (0, 1))
    return np.outer(rows, columns)


def _checked(values: Floats) -> Floats:
    values = np.asarray(values, dtype=float)
    if values.ndim < 2:
        raise ValueError(f"A map has shape (..., h, w), not {values.shape}.")
    return values


def _product(values: Floats, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """rows @ values @ columnsᵀ in this thread alone.

    A product of BLAS's own threads leaves them waiting at full speed for the next one, and the network's
    next pass takes twice as long.
    """
    tall = np.einsum("yi,...ij->...yj", rows, values)
    return np.asarray(np.einsum("...yj,xj->...yx", tall, columns))


def _interpolation_matrix(
    positions: NDArray[np.float64], pixels: int, cells: int, alignment: Alignment
) -> NDArray[np.float64]:
    """(positions, cells) weights: each row holds the shares of the two cells nearest to a pixel position."""
    if alignment == "half_pixel":
        coordinate = (positions + 0.5) * cells / pixels - 0.5
    elif alignment == "receptive_field":
        coordinate = positions * cells / pixels
    elif alignment == "corners":
        coordinate = positions * (cells - 1) / max(pixels - 1, 1)
    else:
        raise ValueError(f"alignment={alignment!r}; choose one of {', '.join(get_args(Alignment))}.")
    distance = np.abs(np.clip(coordinate, 0, cells - 1)[:, None] - np.arange(cells))
    return np.asarray(np.maximum(0.0, 1.0 - distance))
