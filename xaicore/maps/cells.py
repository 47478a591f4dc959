"""Maps on the network's own grid of cells: the class activation map, and its contrast with other classes.

    M_c(x,y) = Σ_k w_k^c f_k(x,y)                            (Zhou et al. 2016, section 2)
    D_c(x,y) = M_c(x,y) − Σ_(j≠c) q_j M_j(x,y),   Σ_j q_j = 1

Both are signed and in units of the class score:  mean(M_c) + b_c = S_c,  and D_c is the map of the score
difference S_c − Σ q_j S_j. One vector added to the weights of every class changes no probability, but adds
the same map to every CAM; the contrast is free of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaicore.networks.prediction import Prediction, Target

Floats = NDArray[np.floating[Any]]
Shares = Mapping[int, float]  # class index → its share q_j among the rivals; they sum to 1

OTHERS, RIVALS = "others", "rivals"
STRONGEST = 10

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


# --- against other classes -----------------------------------------------------------------------------


def rival_shares(
    prediction: Prediction, target: Target | None = None, against: Target = RIVALS, strongest: int = STRONGEST
) -> dict[int, float]:
    """The rivals j of class c and their shares q_j, which sum to 1.

    ==========  ===========================================================================================
    "rivals"    the `strongest` other classes by score, in equal shares: no single one decides. Of the
                settings tried on one half of the sample photographs none did clearly better than ten
    "others"    every other class, by its probability among the others, q_j = p_j / (1 − p_c): the weighted
                contrast of Wang & Wang 2022 (section 3). p_c (1 − p_c) / Z times the map is gradient times
                feature maps behind the softmax
    a class     that one alone: the contrast of Prabhushankar et al. 2020
    ==========  ===========================================================================================

    Three near classes by probability would be Finer-CAM (Zhang et al. 2025).

    Raises:
        ValueError: an unknown class, a class against itself, a network of one logit, `strongest` below 1, or
            "others" where classes are independent.
    """
    c = prediction.index(target)
    others = prediction.scores.astype(np.float64)
    others[c] = -np.inf
    if prediction.one_logit:
        raise ValueError(
            f"There is no rival to {prediction.categories[c]!r}: the network answers by one logit, and what "
            "speaks against the class is the negative part of its map. Choose kind='cam'."
        )
    if against == RIVALS:
        if strongest < 1:
            raise ValueError(f"strongest={strongest}; a contrast needs at least one rival.")
        rivals = np.argsort(-others, kind="stable")[: min(strongest, len(others) - 1)]
        return dict.fromkeys(map(int, rivals), 1 / len(rivals))
    if against == OTHERS:
        if prediction.activation == "sigmoid":
            raise ValueError(
                "The classes of this network don't exclude each other, so that none has a probability among "
                "the others. Choose against='rivals' or one class."
            )
        q = np.exp(others - others.max())
        return {j: float(share) for j, share in enumerate(q / q.sum()) if j != c}
    rival = prediction.index(against)
    if rival == c:
        raise ValueError(
            f"{prediction.categories[c]!r} against itself is zero everywhere. Choose another class."
        )
    return {rival: 1.0}


def contrastive_cam(
    prediction: Prediction, target: Target | None = None, against: Target = RIVALS, strongest: int = STRONGEST
) -> Floats:
    """D_c = M_c − Σ q_j M_j, (h, w): where the picture says `target` rather than what it is set against.

    Its mean plus b_c − Σ q_j b_j is S_c − Σ q_j S_j. Unlike the sign of a single map, its sign is identified:
    adding one vector to every class's weights changes no probability, and cancels here.

    Args:
        target: the class c; by default the top class.
        against, strongest: see :func:`rival_shares`, which also says what is refused.
    """
    shares = rival_shares(prediction, target, against, strongest)
    return contrast_with(prediction, prediction.index(target), shares)


def contrast_with(prediction: Prediction, c: int, shares: Shares) -> Floats:
    """D_c for rivals whose shares are at hand; without any it is M_c."""
    weights = prediction.class_weights[c]
    if shares:
        q = np.fromiter(shares.values(), dtype=np.float64)
        # in this thread alone: see xaicore.maps.drawing
        mean = np.einsum("j,jk->k", q, prediction.class_weights[list(shares)])
        weights = (weights - mean).astype(weights.dtype)
    return class_activation_map(prediction.feature_maps, weights)
