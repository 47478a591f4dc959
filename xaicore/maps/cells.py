"""The class activation map (Zhou et al. 2016, section 2):  M_c(x,y) = Σ_k w_k^c f_k(x,y).

The raw map is signed and in units of the class score:  mean(M_c) + b_c = S_c.  Views that drop sign or size
are separate functions, applied last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaicore.networks.prediction import Prediction, Target

Floats = NDArray[np.floating[Any]]


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
