"""Focus: a sharper map of the same network, by contrast with the other classes and agreement between scales.

CAM asks what speaks for a class. Two changes make the map tell more closely *where*:

*Contrast.* One vector added to the weights of every class changes no probability, but adds the same map to
every CAM. The contrast with what the network would say instead is free of it::

    D_c = M_c − Σ_(j≠c) q_j M_j,     Σ q_j = 1

It is the CAM of the score difference S_c − Σ q_j S_j. With q_j = p_j / (1 − p_c) it is the weighted contrast
of Wang & Wang 2022 (section 3): p_c (1 − p_c) / Z times it is gradient times feature maps behind the softmax.
With q_j = 1/10 for the ten strongest other classes no single rival decides; of the settings tried on one half
of the sample photographs none did clearly better, so it is the default. With one class it is the contrast of
Prabhushankar et al. 2020, with three near ones by probability Finer-CAM (Zhang et al. 2025).

*Scales.* The network sees the picture at several sizes. Only what all of them agree on stays: where the signs
agree, the geometric mean; elsewhere zero. (Fusing maps of several sizes is common: see Zhou et al. 2023.)

Neither is part of SeCAM as published; :func:`xaicore.regions.averages.secam` leaves both out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats, class_activation_map
from xaicore.maps.drawing import Alignment, on_photo
from xaicore.networks.gap import GapClassifier
from xaicore.networks.prediction import Prediction, Target
from xaicore.pictures.geometry import Resize
from xaicore.pictures.reading import read_image
from xaicore.regions.averages import SeCAM, secam, superpixel_scores
from xaicore.regions.segmenters import Method

OTHERS, RIVALS = "others", "rivals"
STRONGEST = 10


def contrast_weights(
    prediction: Prediction,
    target: Target | None = None,
    contrast: Target | None = RIVALS,
    strongest: int = STRONGEST,
) -> Floats:
    """The (K,) weights whose CAM is the contrast.

    Args:
        target: the class c; by default the top class.
        contrast: "rivals" for the other classes with the highest scores, in equal shares; "others" for every
            other class by its probability among the others; a class name or index for w^c − w^j; None for w^c
            alone, the plain CAM.
        strongest: how many rivals; all others where the network has fewer.

    Raises:
        ValueError: an unknown class, a contrast of the target with itself, or no rivals.
    """
    if strongest < 1:
        raise ValueError(
            f"strongest={strongest}; a contrast needs at least one rival. contrast=None has none."
        )
    weights, c = prediction.class_weights, prediction.index(target)
    if contrast is None:
        return np.asarray(weights[c])
    others = prediction.scores.astype(np.float64)
    others[c] = -np.inf
    if contrast == RIVALS:
        rivals = np.argsort(-others, kind="stable")[: min(strongest, len(others) - 1)]
        return np.asarray(weights[c] - weights[rivals].mean(axis=0))
    if contrast != OTHERS:
        rival = prediction.index(contrast)
        if rival == c:
            raise ValueError(f"contrast={contrast!r} is the class itself: its map would be zero everywhere.")
        return np.asarray(weights[c] - weights[rival])
    q = np.exp(others - others.max())
    return np.asarray(weights[c] - (q / q.sum()) @ weights, dtype=np.float32)


def contrast_map(
    prediction: Prediction,
    target: Target | None = None,
    contrast: Target | None = RIVALS,
    strongest: int = STRONGEST,
) -> Floats:
    """The (h, w) map of a class in contrast with others, signed; see :func:`contrast_weights`.

    Its mean, plus the biases in the same contrast, is the difference of the scores: completeness holds.
    """
    weights = contrast_weights(prediction, target, contrast, strongest)
    return class_activation_map(prediction.feature_maps, weights)


def agreement(maps: Sequence[Floats]) -> NDArray[np.float64]:
    """What several signed maps agree on: ±(Π |M_i|)^(1/n) where all have one sign, else 0; NaN stays NaN.

    Raises:
        ValueError: no maps, or maps of different sizes.
    """
    if len({np.shape(m) for m in maps}) != 1:
        raise ValueError("Give at least one map, and all of one size.")
    stack = np.stack([np.asarray(m, dtype=np.float64) for m in maps])
    agreed = (stack > 0).all(axis=0) | (stack < 0).all(axis=0) | np.isnan(stack).any(axis=0)
    size = np.prod(np.abs(stack) ** (1 / len(stack)), axis=0)
    return np.asarray(np.where(agreed, np.sign(stack[0]) * size, 0.0))


def at_scale(model: GapClassifier, scale: float) -> GapClassifier:
    """The same network, fed with the same part of the photograph at `scale` times the usual size.

    A whole scale keeps the cells of both maps on the same pixels; a larger input costs its square in time.
    Raises ValueError for a scale outside (0, 8].
    """
    if not 0 < scale <= 8:
        raise ValueError(f"scale={scale}; choose more than 0 and at most 8.")
    usual = model.preprocessing
    sizes = {k: round(getattr(usual, k) * scale) for k in ("resize_size", "crop_size")}
    return replace(model, preprocessing=replace(usual, **sizes))


def focus_map(
    model: GapClassifier,
    image: Any,
    target: Target | None = None,
    *,
    contrast: Target | None = RIVALS,
    scales: Sequence[float] = (1, 2),
    resize: Resize = "crop",
    alignment: Alignment = "half_pixel",
) -> tuple[NDArray[np.float64], Prediction]:
    """The focused map on the photograph's pixels, (H, W), and the prediction at the first scale.

    One forward pass for each scale. Signed; NaN where the network saw nothing. With `contrast=None,
    scales=(1,)` it is the plain CAM.

    Args:
        image: anything that :func:`xaicore.pictures.reading.read_image` takes.
        target: by default the top class at the first scale.
        contrast: see :func:`contrast_weights`; each scale has rivals of its own.
        scales: sizes of the input, as multiples of the model's own.

    Raises:
        ValueError: no scales, a scale out of range, or an unknown class or alignment.
    """
    if not len(scales):
        raise ValueError("scales=() leaves nothing to look at; (1,) is the usual size alone.")
    photo = read_image(image)
    predictions = [at_scale(model, scale).predict(photo, resize) for scale in scales]
    c = predictions[0].index(target)
    maps = [on_photo(contrast_map(p, c, contrast), p.geometry, alignment) for p in predictions]
    return agreement(maps), predictions[0]


def focus(
    model: GapClassifier,
    image: Any,
    target: Target | None = None,
    *,
    contrast: Target | None = RIVALS,
    scales: Sequence[float] = (1, 2),
    segments: int | None = None,
    method: Method = "slic",
    labels: NDArray[Any] | None = None,
    resize: Resize = "crop",
    alignment: Alignment = "half_pixel",
) -> SeCAM:
    """The focused map and its averages over superpixels, as a :class:`xaicore.regions.averages.SeCAM`.

    The arguments are those of :func:`focus_map` and of :func:`xaicore.regions.averages.secam`.
    """
    options: dict[str, Any] = {"contrast": contrast, "scales": scales, "resize": resize}
    heat, prediction = focus_map(model, image, target, alignment=alignment, **options)
    plain = secam(prediction, target, segments=segments, method=method, labels=labels)
    return replace(plain, heat=heat, scores=superpixel_scores(heat, plain.labels))
