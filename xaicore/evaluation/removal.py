"""What happens to the score when what a map marks is removed, or kept alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from xaicore.evaluation.localisation import check_pair, ranking
from xaicore.evaluation.statistics import Values
from xaicore.maps.cells import Floats
from xaicore.networks.gap import GapClassifier
from xaicore.networks.names import Target, class_index
from xaicore.pictures.reading import Photo
from xaicore.regions.labels import Labels

ScoreFunction = Callable[[NDArray[np.uint8]], Values]


def class_probability(
    model: GapClassifier, target: Target, batch_size: int = 16, score: bool = False
) -> ScoreFunction:
    """A function from pictures (N, h', w', 3) uint8, cut to the input's size, to p_c (or the score S_c)."""
    c = class_index(target, model.categories)

    def evaluate(pictures: NDArray[np.uint8]) -> Values:
        rows = []
        for start in range(0, len(pictures), batch_size):
            batch = torch.stack(
                [model.preprocessing.normalise(p) for p in pictures[start : start + batch_size]]
            )
            scores = model.forward(batch)[1].astype(np.float64)
            if score:
                rows.append(scores[:, c])
            else:
                shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
                rows.append(shifted[:, c] / shifted.sum(axis=1))
        return np.concatenate(rows)

    return evaluate


def blurred(image: Photo, sigma: float = 10) -> Photo:
    """The picture without detail, by a Gaussian blur of `sigma` pixels: the usual start of insertion."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), (sigma, sigma, 0))
    return np.asarray(smooth.round(), np.uint8)


def removal_curve(
    score: ScoreFunction,
    image: Photo,
    heat: Floats,
    baseline: Photo,
    fractions: Sequence[float] | Values,
    *,
    insertion: bool = False,
    seed: int = 0,
) -> Values:
    """The score while the highest pixels are replaced by the baseline's, or put into it: one per fraction.

    Deletion and insertion of Petsiuk et al. 2018 (RISE, section 4.2). At each fraction exactly that share of
    the pixels is changed, whatever the map: two maps are compared at the same removed area, and a tie falls
    in an order drawn from `seed`.

    Args:
        fractions: shares of the pixels, in [0, 1], each rounded to whole pixels.
        insertion: start from the baseline and put the highest pixels in, instead of taking them out.

    Raises:
        ValueError: sizes that don't fit, NaN in the map, or a fraction outside [0, 1].
    """
    heat, _ = check_pair(heat, None)
    if image.shape != baseline.shape or image.shape[:2] != heat.shape:
        raise ValueError(f"Picture {image.shape}, baseline {baseline.shape}, map {heat.shape} don't fit.")
    if np.min(fractions) < 0 or np.max(fractions) > 1:
        raise ValueError("fractions= are shares of the pixels, in [0, 1].")
    old, new = (baseline, image) if insertion else (image, baseline)
    order = ranking(heat, seed)
    pictures = np.repeat(old[None], len(fractions), axis=0).reshape(len(fractions), -1, 3)
    for picture, fraction in zip(pictures, fractions, strict=True):
        chosen = order[: round(float(fraction) * heat.size)]
        picture[chosen] = new.reshape(-1, 3)[chosen]
    return score(pictures.reshape(len(fractions), *image.shape))


def area_under(curve: Values, fractions: Sequence[float] | Values) -> float:
    """Area under a curve over `fractions`, by the trapezoidal rule, divided by their range: a mean height."""
    x, y = np.asarray(fractions, float), np.asarray(curve, float)
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / (x[-1] - x[0]))


def irof(score: ScoreFunction, image: Photo, heat: Floats, labels: Labels) -> float:
    """Iterative removal of features (Rieger & Hansen 2020): mean fall of the score, superpixel by superpixel.

    Superpixels, ordered by their mean of the map, turn into the picture's mean colour one after another.
    Returns the area over the curve, 1 − mean_i( score_i / score_0 ); higher is better. It sees the map only
    through its superpixel means, so on its own segments it can't tell CAM from SeCAM.
    """
    index = np.arange(labels.max() + 1)
    order = np.argsort(-ndimage.mean(heat, labels, index), kind="stable")
    rank = np.empty(len(index), int)
    rank[order] = np.arange(len(index))
    mean_colour = image.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    steps = range(len(index) + 1)
    pictures = np.stack([np.where((rank[labels] < i)[..., None], mean_colour, image) for i in steps])
    scores = score(pictures)
    return float(1 - np.mean(scores[1:] / scores[0]))


class KeptScores(NamedTuple):
    """Shares in [0, 1]. `drop`: lower is better; `increase`, 0 or 1: higher is better (as a mean over
    pictures); `complexity`: lower is better; `coherency` and `adcc`: higher is better.
    """

    drop: float
    increase: float
    complexity: float
    coherency: float
    adcc: float


def adcc(
    score: ScoreFunction, explain: Callable[[Photo], Floats], image: Photo, heat: Floats | None = None
) -> KeptScores:
    """Average drop, increase in confidence, and ADCC, from one picture that is multiplied by its own map.

    With E = min-max of max(0, M), Y = p_c(x) and O = p_c(x ⊙ E)::

        drop = max(0, Y − O) / Y                       (Chattopadhay et al. 2018, section 4.1)
        increase = 1 if O > Y else 0
        complexity = mean(E)
        coherency = (1 + Pearson(E(x), E(x ⊙ E))) / 2
        ADCC = 3 / (1/coherency + 1/(1 − complexity) + 1/(1 − drop))        (Poppi et al. 2021, section 3)

    Args:
        explain: from a picture to its map of the same class. `heat`: the picture's own map, if at hand.
    """
    shown = _unit(explain(image) if heat is None else heat)
    masked = (image * shown[..., None]).round().astype(np.uint8)
    before, after = score(np.stack([image, masked]))
    again = _unit(explain(masked))
    drop = float(max(0.0, before - after) / before)
    complexity = float(shown.mean())
    varied = shown.std() > 0 and again.std() > 0
    correlation = np.corrcoef(shown.ravel(), again.ravel())[0, 1] if varied else 0.0
    coherency = float((1 + correlation) / 2)
    parts = (coherency, 1 - complexity, 1 - drop)
    harmonic = 3 / sum(1 / part for part in parts) if min(parts) > 0 else 0.0
    return KeptScores(drop, float(after > before), complexity, coherency, harmonic)


def _unit(heat: Floats) -> Values:
    positive = np.maximum(np.asarray(heat, float), 0)
    spread = positive.max() - positive.min()
    return np.asarray((positive - positive.min()) / spread if spread > 0 else np.zeros_like(positive))
