"""Protocols that judge a map: where its evidence lies, what happens when that is removed, how sure we are.

Every protocol is a pure function. A map is a signed (H, W) array; a mask is a (H, W) array of booleans; a
`ScoreFunction` takes pictures (N, H, W, 3) uint8 and gives N numbers, such as the probability of one class.

Two traps are closed here. A map that is constant on regions ties with itself, so "the top 10 % of pixels" is
not defined by it: :func:`top_pixels` always marks exactly the number asked for. And a maximum that many
pixels share is no single point: :func:`pointing_hit` counts the share of them that hit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats
from torch import nn

from xaicore.cam import Floats
from xaicore.images import Photo
from xaicore.models import GapClassifier
from xaicore.predictions import Target, class_index
from xaicore.secam import Mask
from xaicore.superpixels import Labels

Values = NDArray[np.float64]
ScoreFunction = Callable[[NDArray[np.uint8]], Values]

# --- where the evidence lies -----------------------------------------------------------------------------


def positive_share(heat: Floats, mask: Mask) -> float:
    """Σ_(mask) max(0, M) / Σ max(0, M): the share of the positive evidence inside the mask, in [0, 1].

    With an object's outline as mask, this is the energy-based pointing game (Wang et al. 2020, section 4.3);
    with the right cell of an n×n mosaic, the grid pointing game (Böhle et al. 2021, section 4), whose chance
    level is 1/n². A map without positive evidence scores 0.

    Raises:
        ValueError: a mask of another size, or NaN in the map.
    """
    heat, mask = _pair(heat, mask)
    positive = np.maximum(heat, 0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else 0.0


def pointing_hit(heat: Floats, mask: Mask, tolerance: float = 15) -> float:
    """Does the map's maximum lie on the object or within `tolerance` pixels of it? In [0, 1].

    The pointing game of Zhang et al. 2018 (section 4.1). Where k pixels share the maximum, the share of those
    k that hit: the chance that a hit would come of breaking the tie at random. (Counting a hit as soon as one
    of them does would favour maps with plateaus.)

    Raises:
        ValueError: an empty mask, a mask of another size, or NaN in the map.
    """
    heat, mask = _pair(heat, mask)
    if not mask.any():
        raise ValueError("The mask is empty: there is no object to point at.")
    near = ndimage.distance_transform_edt(~mask) <= tolerance
    return float(near[heat == heat.max()].mean())


def top_pixels(heat: Floats, count: int, seed: int = 0) -> Mask:
    """Mask of exactly `count` pixels with the highest values; ties fall in an order drawn from `seed`.

    Raises:
        ValueError: a count below 0 or above the number of pixels, or NaN in the map.
    """
    heat, _ = _pair(heat, None)
    if not 0 <= count <= heat.size:
        raise ValueError(f"count={count}; the map has {heat.size} pixels.")
    mask = np.zeros(heat.size, bool)
    mask[ranking(heat, seed)[:count]] = True
    return mask.reshape(heat.shape)


def ranking(heat: Floats, seed: int = 0) -> NDArray[np.intp]:
    """Flat indices of the pixels, highest value first; ties fall in an order drawn from `seed`."""
    shuffle = np.random.default_rng(seed).permutation(heat.size)
    return np.asarray(shuffle[np.argsort(-np.ravel(heat)[shuffle], kind="stable")])


def overlap_at_area(heat: Floats, mask: Mask, seed: int = 0) -> float:
    """Intersection over union of the mask and as many of the map's highest pixels, in [0, 1].

    Both have the same area A, so maps are compared at a matched area, and IoU = |∩| / (2A − |∩|).

    Raises:
        ValueError: an empty mask, a mask of another size, or NaN in the map.
    """
    heat, mask = _pair(heat, mask)
    area = int(mask.sum())
    if not area:
        raise ValueError("The mask is empty: there is no object to overlap with.")
    both = int((top_pixels(heat, area, seed) & mask).sum())
    return both / (2 * area - both)


def _pair(heat: Floats, mask: Mask | None) -> tuple[Floats, Mask]:
    heat = np.asarray(heat)
    mask = np.ones(heat.shape, bool) if mask is None else np.asarray(mask, bool)
    if heat.ndim != 2 or heat.shape != mask.shape:
        raise ValueError(f"The map has shape {heat.shape}, the mask {mask.shape}. Give (H, W) twice.")
    if np.isnan(heat).any():
        raise ValueError("The map holds NaN (pixels that the network never saw). Judge only what it saw.")
    return heat, mask


# --- what happens when it is removed ---------------------------------------------------------------------


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
    heat, _ = _pair(heat, None)
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


# --- what is kept when only the map's part of the picture is shown ---------------------------------------


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


# --- does the map depend on what the network learned? ----------------------------------------------------


def cascading_randomisation(
    network: nn.Module, layers: Sequence[str], seed: int = 0
) -> Iterator[tuple[str, nn.Module]]:
    """Copies of the network whose first 1, 2, … named layers have lost their training.

    The model parameter randomisation test of Adebayo et al. 2018 (section 3). Name the layers from the head
    downwards: each is drawn anew, together with all those before it, by its own `reset_parameters`. Compare
    the maps with :func:`rank_correlation`, which keeps the sign.

    Raises:
        ValueError: a name that isn't one of the network's modules, or a module without parameters.
    """
    network = copy.deepcopy(network)
    known = dict(network.named_modules())
    for name in layers:
        if name not in known:
            raise ValueError(f"No module is called {name!r}; see dict(network.named_modules()).")
        if not list(known[name].parameters()):
            raise ValueError(f"{name!r} has no parameters to draw anew.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in layers:
            for module in known[name].modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
            yield name, copy.deepcopy(network)


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's ρ of two maps, in [−1, 1], signed: an inverted map is −1. NaN if one of them is constant."""
    a, b = np.ravel(a), np.ravel(b)
    if a.shape != b.shape:
        raise ValueError(f"The maps have {a.size} and {b.size} pixels; compare maps of one size.")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


# --- how sure we are -------------------------------------------------------------------------------------


class Interval(NamedTuple):
    """A mean with its bootstrap confidence interval; `pictures`: how many were drawn from, `n`: values."""

    mean: float
    low: float
    high: float
    pictures: int
    n: int


def bootstrap(
    values: Sequence[float] | Values,
    pictures: Sequence[str],
    others: Sequence[Sequence[str]] | None = None,
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Mean and percentile interval (Efron 1979) from drawing *pictures*, not values, with replacement.

    Values that come from the same picture are not independent, so a picture is drawn with all of its values.
    A mosaic holds several: the value of (target picture t, the others D) counts in each draw with weight
    n_t · mean_(d∈D) n_d, where n_i says how often picture i was drawn (the pigeonhole bootstrap of Owen 2007
    for two crossed factors, with the others' weights averaged, as their effects add up).

    For a difference of two methods give the differences, paired by picture.

    Raises:
        ValueError: no values, or lists of different lengths.
    """
    values = np.asarray(values, float)
    lengths = {len(values), len(pictures), len(values if others is None else others)}
    if lengths == {0} or len(lengths) > 1:
        raise ValueError("Give one picture (and one list of others) for each value, and at least one value.")
    names = sorted({*pictures} | {d for row in others or () for d in row})
    place = {name: i for i, name in enumerate(names)}
    target = np.array([place[name] for name in pictures])
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    weights = drawn[:, target].astype(float)
    if others is not None:
        share = np.zeros((len(names), len(values)))
        for j, row in enumerate(others):
            for name in row:
                share[place[name], j] += 1 / len(row)
        weights *= drawn @ share
    totals = weights.sum(axis=1)
    means = (weights[totals > 0] @ values) / totals[totals > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(names), len(values))
