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

from benchmarks.cases import FINER, Case, Size
from benchmarks.controls import CONTROLS
from benchmarks.rivals import RIVALS
from xaicore.maps.cells import STRONGEST, Floats, Shares, cam, contrastive_cam
from xaicore.maps.drawing import Alignment
from xaicore.maps.focus import agreement
from xaicore.maps.heat import HeatMap, heat_map
from xaicore.maps.kinds import KINDS, Fuse, map_kind
from xaicore.networks.prediction import Prediction
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import average
from xaicore.regions.segmenters import PIXELS

Method = Callable[[Case, int], Floats]


def drawn(
    case: Case,
    seed: int = 0,
    *,
    kind: str = "cam",
    sizes: Sequence[Size] = (1,),
    alignment: Alignment = "half_pixel",
) -> Floats:
    """A registered kind of map, from remembered looks."""
    return heat_map(case.look(sizes), case.target, kind, alignment=alignment).values


def averaged(case: Case, seed: int = 0, *, of: Method = drawn, **cut: Any) -> Floats:
    heat = HeatMap.of(of(case, seed), case.picture, "the method on trial")
    return average(heat, case.labels(**cut)).map


def in_contrast(prediction: Prediction, c: int, contrast: int | str | None) -> Floats:
    """One map: against so many rivals, by "own shares", "place by place", or not at all."""
    if contrast == "place by place":  # M_c − max_j M_j
        maps = cam(prediction, range(len(prediction.scores)))
        return np.asarray(maps[c] - np.delete(maps, c, axis=0).max(axis=0))
    if contrast == "own shares":
        return contrastive_cam(prediction, c, "others")
    if contrast is None:
        return cam(prediction, c)
    return contrastive_cam(prediction, c, strongest=int(contrast))


def variant(contrast: int | str | None, fuse: Fuse = agreement, called: str = "agreement") -> str:
    """A kind of map like focus, in another contrast or fused otherwise; registered when first asked for."""
    name = f"contrast {contrast}, {called}"
    if name not in KINDS:

        @map_kind(name, scales=(1,), fuse=fuse)
        def cells(prediction: Prediction, c: int, shares: Shares) -> Floats:
            """A candidate for focus."""
            return in_contrast(prediction, c, contrast)

    return name


def mean_of(maps: Sequence[Floats]) -> Floats:
    return np.asarray(np.mean(maps, axis=0))


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
    return np.asarray(smooth(a) * grey + smooth(b))


def several_cuts(case: Case, seed: int = 0, *, of: Method) -> Floats:
    """Multi-scale superpixels: the mean of the averages over 50, 100 and 200 of them."""
    return mean_of([averaged(case, seed, of=of, segments=n) for n in (50, 100, 200)])


def other(explain: Callable[[Any, Photo, int, int], Floats], case: Case, seed: int = 0) -> Floats:
    """A rival or a control, which takes the picture at the input's size."""
    return explain(case.model, case.picture, case.target, seed)


focus: Method = partial(drawn, kind="focus", sizes=KINDS["focus"].scales)
OURS: dict[str, Method] = {
    "CAM": drawn,
    "SeCAM": averaged,
    "contrast": partial(drawn, kind="contrast"),
    "scales": partial(drawn, kind=variant(None), sizes=KINDS["focus"].scales),
    "focus": focus,
    "focus, superpixels": partial(averaged, of=focus),
}
OTHERS: dict[str, Method] = {name: partial(other, explain) for name, explain in (CONTROLS | RIVALS).items()}
VARIANTS: dict[str, Method] = {
    **{f"SeCAM, {n} segments": partial(averaged, segments=n) for n in (25, 50, 200, 400)},
    **{f"SeCAM, compactness {c:g}": partial(averaged, segments=100, compactness=c) for c in (1, 30)},
    "SeCAM, Felzenszwalb": partial(averaged, segmenter="felzenszwalb"),
    f"SeCAM, cut at {PIXELS:,} pixels": partial(averaged, pixels=PIXELS),
}

CONTRASTS = (None, "own shares", "place by place", 1, 3, 10, 30, 100, 999)
SIZES: tuple[tuple[Size, ...], ...] = ((1,), (2,), (1, 1.5), (1, 2), (1, 1.5, 2), (FINER,), (1, FINER))
SEGMENTERS: tuple[dict[str, Any], ...] = (
    {"segments": 100},
    {"segmenter": "watershed", "segments": 100},
    {"segmenter": "felzenszwalb"},
    {"segmenter": "quickshift"},
)


def _told(sizes: Sequence[Size]) -> str:
    return " and ".join(str(size) for size in sizes)


def candidate(contrast: int | str | None = STRONGEST, sizes: Sequence[Size] = (1, 2), **more: Any) -> Method:
    """Focus with one thing changed."""
    return partial(drawn, kind=variant(contrast), sizes=sizes, **more)


CANDIDATES: dict[str, Method] = {
    "CAM": drawn,
    "CAM, finer grid": candidate(None, (FINER,)),
    "CAM, guided": partial(guided, of=drawn),
    **{f"contrast: {c}": candidate(c) for c in CONTRASTS},
    **{f"contrast: {c}, size 1 alone": candidate(c, (1,)) for c in CONTRASTS[1:4]},
    **{f"sizes: {_told(sizes)}": candidate(sizes=sizes) for sizes in SIZES if sizes != (1, 2)},
    "fusion: mean": partial(drawn, kind=variant(STRONGEST, mean_of, "mean"), sizes=(1, 2)),
    **{f"alignment: {way}": candidate(alignment=way) for way in ("receptive_field", "corners")},
    "drawing: guided": partial(guided, of=focus),
    "drawing: several cuts": partial(several_cuts, of=focus),
    **{f"drawing: {cut.get('segmenter', 'slic')}": partial(averaged, of=focus, **cut) for cut in SEGMENTERS},
}
