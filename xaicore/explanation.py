"""From a prediction and a few settings to an explanation, and on to a figure, a sentence and code.

:class:`Settings` and a prediction go into :func:`explain`, an :class:`Explanation` comes out;
:func:`draw`, :func:`describe`, :func:`table` and :func:`snippet` make a figure, words, a table and code of
it. Nothing here runs the network.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats, cam, contrastive_cam
from xaicore.maps.drawing import Alignment, on_photo
from xaicore.maps.views import relu
from xaicore.networks.prediction import ClassScore, Prediction, Target
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import Regions, SeCAM, Statistic, superpixel_scores
from xaicore.regions.segmenters import Labels, Method, superpixels

View = Literal["cam", "secam"]
Sign = Literal["signed", "positive"]
COUNTED = ("slic", "watershed")  # the segmenters that can be asked for a number of segments


@dataclass(frozen=True)
class Settings:
    """How a prediction is explained; nothing in it needs the network again.

    Attributes:
        method: "cam", or "secam" for its mean over superpixels.
        segmenter, segments: see :func:`xaicore.regions.segmenters.superpixels`; `segments` counts for slic
            and watershed only. `statistic`: see :func:`xaicore.regions.averages.superpixel_scores`.
        top, threshold: which regions are kept; one of the two, None for the other; see
            :func:`xaicore.regions.averages.select`.
        alignment: see :func:`xaicore.maps.drawing.upsample`.
        sign: "signed", or "positive" to drop all evidence against the class. `opacity`: in [0, 1].
    """

    method: View = "secam"
    segmenter: Method = "slic"
    segments: int = 100
    statistic: Statistic = "mean"
    top: int | None = 5
    threshold: float | None = None
    alignment: Alignment = "half_pixel"
    sign: Sign = "signed"
    opacity: float = 0.8


@dataclass(frozen=True, repr=False)
class Explanation:
    """What :func:`explain` found.

    Attributes:
        target: the class with score and probability. With a rival: the difference of the two scores, and the
            probability of the class among those two alone.
        contrast: whether there is a rival.
        cells: the map before drawing, (h, w), signed; mean(cells) + bias = target.score.
        result: CAM, superpixels and their scores (for method "cam": one superpixel, unused).
        map: what is drawn, (H, W), in units of the score, NaN where the network saw nothing.
        regions: the chosen superpixels; None for method "cam".
    """

    prediction: Prediction
    settings: Settings
    target: ClassScore
    contrast: bool
    bias: float
    cells: Floats
    result: SeCAM
    map: NDArray[np.float64]
    regions: Regions | None

    def __repr__(self) -> str:
        return f"{self.target.name}: score {self.target.score:.2f}\n{self.regions or ''}".strip()


def cut(image: Photo, settings: Settings) -> Labels:
    """The superpixels that the settings ask for, (H, W)."""
    return superpixels(
        image, settings.segments if settings.segmenter in COUNTED else None, settings.segmenter
    )


def explain(
    prediction: Prediction,
    settings: Settings | None = None,
    target: Target | None = None,
    rival: Target | None = None,
    labels: Labels | None = None,
) -> Explanation:
    """CAM or SeCAM of one class, or of its difference to a rival class, as the settings ask.

    Args:
        target: by default the class with the highest score. `rival`: None for the map of `target` alone.
        labels: superpixels that :func:`cut` made before; by default they are made here.

    Raises:
        ValueError: an unknown class or setting, `rival` the same as `target`, or not exactly one of `top` and
            `threshold`.
    """
    settings = settings or Settings()
    for name, choices in (("method", View), ("sign", Sign)):
        if (value := getattr(settings, name)) not in get_args(choices):
            raise ValueError(f"{name}={value!r}; choose one of {', '.join(get_args(choices))}.")
    c = prediction.index(target)
    score, bias, cells = prediction.score(c), float(prediction.bias[c]), cam(prediction, c)
    if rival is not None:
        other = prediction.score(rival)
        if other.index == c:
            raise ValueError(f"The rival class is the class itself, {score.name!r}. Choose another one.")
        difference = score.score - other.score
        share = score.probability / max(score.probability + other.probability, 1e-300)
        score = ClassScore(c, f"{score.name}, not {other.name}", difference, share)
        bias, cells = bias - float(prediction.bias[other.index]), contrastive_cam(prediction, c, other.index)
    heat = on_photo(cells, prediction.geometry, settings.alignment)
    if settings.method == "cam":
        labels = np.zeros(heat.shape, dtype=np.intp)
    elif labels is None:
        labels = cut(prediction.image, settings)
    result = SeCAM(prediction.image, score, heat, labels, superpixel_scores(heat, labels, settings.statistic))
    regions = None
    if settings.method == "secam":
        regions = result.regions(top=settings.top, threshold=settings.threshold)
    values = result.map if settings.method == "secam" else heat
    if settings.sign == "positive":
        with warnings.catch_warnings():  # an empty picture says it already
            warnings.simplefilter("ignore", UserWarning)
            values = np.asarray(relu(values), dtype=float)
    return Explanation(prediction, settings, score, rival is not None, bias, cells, result, values, regions)
