"""The class activation map (Zhou et al. 2016, section 2):  M_c(x,y) = Σ_k w_k^c f_k(x,y).

The raw map is signed and in units of the class score:  mean(M_c) + b_c = S_c.  Views that drop sign or size
are separate functions, applied last.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaicore.images import Geometry
from xaicore.predictions import Prediction, Target

Floats = NDArray[np.floating[Any]]
Alignment = Literal["half_pixel", "receptive_field", "corners"]

# --- the equation --------------------------------------------------------------------------------------


def class_activation_map(feature_maps: Floats, class_weights: Floats) -> Floats:
    """M_c(x,y) = Σ_k w_k^c f_k(x,y), for any number of classes and pictures, in one matrix product.

    Args:
        feature_maps: f, (..., K, h, w); leading axes are a batch.
        class_weights: w of one class (K,) or of several (C, K).

    Returns:
        (..., h, w) for one class, (..., C, h, w) for several; signed, in units of the score.

    Raises:
        ValueError: shapes that don't fit, or NaN among the values.
    """
    f, w = np.asarray(feature_maps), np.asarray(class_weights)
    if f.ndim < 3 or w.ndim not in (1, 2) or f.shape[-3] != w.shape[-1]:
        raise ValueError(
            f"feature_maps {f.shape} and class_weights {w.shape} don't fit: give (..., K, h, w) and (K,) or "
            "(C, K) with the same K."
        )
    if not (np.isfinite(f).all() and np.isfinite(w).all()):
        raise ValueError(
            "feature_maps or class_weights hold NaN or infinite values. Check the network's input."
        )
    *batch, channels, height, width = f.shape
    maps = w @ f.reshape(*batch, channels, height * width)
    return np.asarray(maps.reshape(*batch, *w.shape[:-1], height, width))


def cam(prediction: Prediction, target: Target | Sequence[Target] | None = None) -> Floats:
    """The raw signed map M_c of one class, (h, w), or of several, (C, h, w); by default of the top class."""
    if isinstance(target, (list, tuple, range, np.ndarray)):
        wanted: Any = [prediction.index(c) for c in target]
    else:
        wanted = prediction.index(target)  # type: ignore[arg-type]
    return class_activation_map(prediction.feature_maps, prediction.class_weights[wanted])


def contrastive_cam(prediction: Prediction, target: Target, rival: Target) -> Floats:
    """M_a − M_b, the map of the score difference S_a − S_b: where the picture says `target`, not `rival`.

    Its mean plus b_a − b_b is S_a − S_b. Unlike the sign of a single map, its sign is identified: adding one
    vector to every class's weights changes no probability, and cancels here.
    """
    a, b = prediction.index(target), prediction.index(rival)
    weights = prediction.class_weights
    return class_activation_map(prediction.feature_maps, weights[a] - weights[b])


# --- from the grid of cells to pixels ------------------------------------------------------------------


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


def heat_map(
    prediction: Prediction, target: Target | None = None, alignment: Alignment = "half_pixel"
) -> NDArray[np.float64]:
    """The CAM of one class on the photograph's own pixels: (H, W), signed, NaN where nothing was seen."""
    return on_photo(cam(prediction, target), prediction.geometry, alignment)


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


# --- views: what a picture needs, and what it costs ----------------------------------------------------


def relu(values: Floats) -> Floats:
    """max(0, M): only evidence for the class. Hides all evidence against it; warns if nothing is left."""
    positive = np.where(np.isnan(values), np.nan, np.maximum(values, 0))
    if not np.nansum(positive) > 0:
        _warn("The map has no positive value: there is nothing to show for this class.")
    return positive


def min_max(values: Floats) -> Floats:
    """(M − min M) / (max M − min M), in [0, 1]. Hides sign and size: noise looks as strong as a dog.

    A constant map has nothing to rescale: 0.5 everywhere, and a warning.
    """
    low, high = np.nanmin(values), np.nanmax(values)
    if not high > low:
        _warn("The map is constant: min-max rescaling has nothing to show.")
        return np.where(np.isnan(values), np.nan, 0.5)
    return np.asarray((values - low) / (high - low))


def symmetric(values: Floats) -> Floats:
    """M / max|M|, in [−1, 1]: keeps sign and zero, hides size. A map of zeros stays zero, with a warning."""
    limit = np.nanmax(np.abs(values))
    if not limit > 0:
        _warn("The map is zero everywhere.")
        return np.asarray(values * 0.0)
    return np.asarray(values / limit)


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)
