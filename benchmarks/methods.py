"""The methods on trial, all in one form: `method(case, seed)` gives a signed (side, side) map.

`OURS` are the book's own, `OTHERS` the controls and rivals, `VARIANTS` SeCAM with other superpixels, and
`CANDIDATES` what `focus` could have been: one thing is changed at a time from the settings it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter
from skimage.color import rgb2gray

from benchmarks.cases import Case
from benchmarks.controls import CONTROLS
from benchmarks.rivals import RIVALS
from xaicore.maps.cells import Floats, cam
from xaicore.maps.drawing import Alignment, upsample
from xaicore.maps.focus import STRONGEST, agreement, contrast_map
from xaicore.networks.prediction import Prediction
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import paint, superpixel_scores

Method = Callable[[Case, int], Floats]
Size = float | str  # a multiple of the usual input size, or FINER
FINER = "finer grid"  # the usual size, through the dilated network


def plain(case: Case, seed: int = 0) -> Floats:
    return upsample(cam(case.at(1), case.target), (case.side, case.side))


def averaged(case: Case, seed: int = 0, *, of: Method = plain, **cut: Any) -> Floats:
    labels = case.labels(**cut)
    return paint(superpixel_scores(of(case, seed), labels), labels)


def focused(
    case: Case,
    seed: int = 0,
    *,
    contrast: int | str | None = STRONGEST,
    sizes: Sequence[Size] = (1, 2),
    fuse: Callable[[Sequence[Floats]], Floats] = agreement,
    alignment: Alignment = "half_pixel",
) -> Floats:
    """What :func:`xaicore.maps.focus.focus_map` computes, with more settings, of remembered predictions."""
    maps = []
    for size in sizes:
        prediction = case.at(1, finer=True) if size == FINER else case.at(float(size))
        map_ = contrasted(prediction, case.target, contrast)
        maps.append(upsample(map_, (case.side, case.side), alignment))
    return fuse(maps)


def contrasted(prediction: Prediction, c: int, contrast: int | str | None) -> Floats:
    """One map: against so many rivals, by "own shares", "place by place", or not at all."""
    if contrast == "place by place":  # M_c − max_j M_j
        maps = cam(prediction, range(len(prediction.scores)))
        return np.asarray(maps[c] - np.delete(maps, c, axis=0).max(axis=0))
    if contrast == "own shares":
        return contrast_map(prediction, c, "others")
    if contrast is None:
        return cam(prediction, c)
    return contrast_map(prediction, c, "rivals", strongest=int(contrast))


def mean_of(maps: Sequence[Floats]) -> Floats:
    return np.mean(maps, axis=0)


def guided(case: Case, seed: int = 0, *, of: Method) -> Floats:
    """The map led along the photograph's edges by a guided filter (He et al. 2013, eq. 5, 6 and 8).

    In each window of S/14 pixels the map becomes the straight line a·grey + b that fits it best.
    """
    grey, map_ = rgb2gray(case.picture), of(case, seed)

    def smooth(values: Floats) -> Floats:
        return np.asarray(uniform_filter(values, round(case.side / 14) | 1, mode="nearest"))

    a = smooth(grey * map_) - smooth(grey) * smooth(map_)
    a /= smooth(grey**2) - smooth(grey) ** 2 + 1e-3
    b = smooth(map_) - a * smooth(grey)
    return smooth(a) * grey + smooth(b)


def several_cuts(case: Case, seed: int = 0, *, of: Method) -> Floats:
    """Multi-scale superpixels: the mean of the averages over 50, 100 and 200 of them."""
    map_, cuts = of(case, seed), [case.labels(segments=n) for n in (50, 100, 200)]
    return np.mean([paint(superpixel_scores(map_, labels), labels) for labels in cuts], axis=0)


def other(explain: Callable[[Any, Photo, int, int], Floats], case: Case, seed: int = 0) -> Floats:
    """A rival or a control, which takes the picture at the input's size."""
    return explain(case.model, case.picture, case.target, seed)


focus: Method = focused
OURS: dict[str, Method] = {
    "CAM": plain,
    "SeCAM": averaged,
    "contrast": partial(focused, sizes=(1,)),
    "scales": partial(focused, contrast=None),
    "focus": focus,
    "focus, superpixels": partial(averaged, of=focus),
}
OTHERS: dict[str, Method] = {name: partial(other, explain) for name, explain in (CONTROLS | RIVALS).items()}
VARIANTS: dict[str, Method] = {
    **{f"SeCAM, {n} segments": partial(averaged, segments=n) for n in (25, 50, 200, 400)},
    **{f"SeCAM, compactness {c:g}": partial(averaged, segments=100, compactness=c) for c in (1, 30)},
    "SeCAM, Felzenszwalb": partial(averaged, method="felzenszwalb"),
}

CONTRASTS = (None, "own shares", "place by place", 1, 3, 10, 30, 100, 999)
SIZES: tuple[tuple[Size, ...], ...] = ((1,), (2,), (1, 1.5), (1, 2), (1, 1.5, 2), (FINER,), (1, FINER))
SEGMENTERS: tuple[dict[str, Any], ...] = (
    {"segments": 100},
    {"method": "watershed", "segments": 100},
    {"method": "felzenszwalb"},
    {"method": "quickshift"},
)


def _told(sizes: Sequence[Size]) -> str:
    return " and ".join(str(size) for size in sizes)


CANDIDATES: dict[str, Method] = {
    "CAM": plain,
    "CAM, finer grid": partial(focused, contrast=None, sizes=(FINER,)),
    "CAM, guided": partial(guided, of=plain),
    **{f"contrast: {c}": partial(focused, contrast=c) for c in CONTRASTS},
    **{f"contrast: {c}, size 1 alone": partial(focused, contrast=c, sizes=(1,)) for c in CONTRASTS[1:4]},
    **{f"sizes: {_told(sizes)}": partial(focused, sizes=sizes) for sizes in SIZES if sizes != (1, 2)},
    "fusion: mean": partial(focused, fuse=mean_of),
    **{
        f"alignment: {alignment}": partial(focused, alignment=alignment)
        for alignment in ("receptive_field", "corners")
    },
    "drawing: guided": partial(guided, of=focus),
    "drawing: several cuts": partial(several_cuts, of=focus),
    **{f"drawing: {cut.get('method', 'slic')}": partial(averaged, of=focus, **cut) for cut in SEGMENTERS},
}
