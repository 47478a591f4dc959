"""From the grid of cells to the pixels of the input or of the photograph."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats
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
    rows, columns = (np.arange(side, dtype=float) for side in size)
    return _sample(values, rows, columns, size, alignment)


def on_photo(values: Floats, geometry: Geometry, alignment: Alignment = "half_pixel") -> NDArray[np.float64]:
    """Draw maps (..., h, w) onto the photograph: (..., H, W), NaN where the network never saw the photo.

    One bilinear interpolation, straight from the cells to the photo's own pixels; see :func:`upsample`.
    """
    drawn = _sample(values, geometry.positions(0), geometry.positions(1), geometry.input_size, alignment)
    drawn[..., ~geometry.seen()] = np.nan
    return drawn


def _sample(
    values: Floats,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    size: tuple[int, int],
    alignment: Alignment,
) -> NDArray[np.float64]:
    values = np.asarray(values, dtype=float)
    if values.ndim < 2:
        raise ValueError(f"A map has shape (..., h, w), not {values.shape}.")
    vertical = _interpolation_matrix(rows, size[0], values.shape[-2], alignment)
    horizontal = _interpolation_matrix(columns, size[1], values.shape[-1], alignment)
    return np.asarray(vertical @ values @ horizontal.T)


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
