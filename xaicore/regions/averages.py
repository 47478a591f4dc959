"""SeCAM: the class activation map averaged over superpixels.

The idea is that of Nguyen et al. 2022 (IEICE E105-D(8)) and Cao et al. 2023 (arXiv 2307.04137). Only their
abstracts could be read for this book, so the definition here is the book's own::

    SeCAM_c(s) = (1/|s|) Σ_{(x,y)∈s} M_c(x,y)      with M_c drawn at the photograph's resolution

One number per region instead of a soft blob: regions can be ranked, listed and cut out.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xaicore.maps.cells import Floats
from xaicore.maps.drawing import Alignment, heat_map
from xaicore.networks.prediction import ClassScore, Prediction, Target
from xaicore.pictures.reading import Photo
from xaicore.regions.segmenters import Labels, Method, check_labels, superpixels

Statistic = Literal["mean", "max", "median"]
Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]
_STATISTICS: dict[str, Callable[..., Any]] = {
    "mean": ndimage.mean,
    "max": ndimage.maximum,
    "median": ndimage.median,
}


def superpixel_scores(heat: Floats, labels: Labels, statistic: Statistic = "mean") -> Scores:
    """Mean (or max, or median) of an (H, W) map in each superpixel: (n,) scores, in the map's units.

    Pixels that are NaN (never seen by the network) don't count; a superpixel of nothing else scores NaN.

    Raises:
        ValueError: another statistic, or a label map of another size than the map.
    """
    if statistic not in _STATISTICS:
        raise ValueError(f"statistic={statistic!r}; choose one of {', '.join(get_args(Statistic))}.")
    labels = check_labels(labels, np.shape(heat))
    seen = ~np.isnan(heat)
    index = np.arange(labels.max() + 1)
    scores = np.full(len(index), np.nan)
    present = np.unique(labels[seen])
    if len(present):
        scores[present] = _STATISTICS[statistic](np.asarray(heat)[seen], labels[seen], present)
    return scores


def paint(scores: Scores, labels: Labels) -> NDArray[np.float64]:
    """The map that is constant on each superpixel: (H, W), `scores[labels]`."""
    return np.asarray(scores[labels])


def select(scores: Scores, *, top: int | None = None, threshold: float | None = None) -> NDArray[np.intp]:
    """Choose superpixels, best first: the `top` highest scores, or all from `threshold` · (highest score) up.

    Only superpixels with a positive score are ever chosen: the others hold no evidence for the class.

    Raises:
        ValueError: not exactly one of `top` (≥ 1) and `threshold` (in (0, 1]).
    """
    if (top is None) == (threshold is None):
        raise ValueError("Give either top= (how many regions) or threshold= (share of the highest score).")
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    order = order[np.nan_to_num(scores[order], nan=-np.inf) > 0]
    if top is not None:
        if top < 1:
            raise ValueError(f"top={top}; choose at least 1 region.")
        return order[:top]
    assert threshold is not None
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold}; it is a share of the highest score, in (0, 1].")
    return order[scores[order] >= threshold * scores[order[0]]] if len(order) else order


class Region(NamedTuple):
    """One superpixel. `score`: SeCAM_c(s), in units of the class score. `area`: share of the photo's pixels
    that the network saw. `evidence`: share of all positive evidence Σ_s |s|·max(0, SeCAM_c(s)), in [0, 1].
    `row`, `column`: its centre of mass, in pixels of the photograph.
    """

    superpixel: int
    score: float
    area: float
    evidence: float
    row: float
    column: float


class Regions(tuple[Region, ...]):
    """Regions, best first; shows as a table in a notebook and in a terminal."""

    @property
    def area(self) -> float:
        """Share of the seen photograph that the regions cover together, in [0, 1]."""
        return sum(region.area for region in self)

    @property
    def evidence(self) -> float:
        """Share of all positive evidence that the regions hold together, in [0, 1]."""
        return sum(region.evidence for region in self)

    @property
    def superpixels(self) -> list[int]:
        """Their numbers in the label map."""
        return [region.superpixel for region in self]

    def to_csv(self) -> str:
        """The table as comma-separated values with a header line."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([Region._fields, *self])
        return file.getvalue()

    def _rows(self) -> list[list[str]]:
        rows = [[str(r.superpixel), f"{r.score:.2f}", f"{r.area:.1%}", f"{r.evidence:.1%}"] for r in self]
        return [*rows, ["together", "", f"{self.area:.1%}", f"{self.evidence:.1%}"]]

    def __repr__(self) -> str:
        head = ["superpixel", "score", "area", "evidence"]
        return "\n".join("  ".join(f"{cell:>10}" for cell in row) for row in [head, *self._rows()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{n}</th>" for n in ("superpixel", "score", "area", "evidence"))
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


@dataclass(frozen=True, repr=False)
class SeCAM:
    """SeCAM of one class on one photograph.

    Attributes:
        image: the photograph (H, W, 3). `target`: the class, with score and probability.
        heat: the CAM on the photograph (H, W), signed, NaN where the network saw nothing.
        labels: the superpixels (H, W), 0 … n−1. `scores`: SeCAM_c(s), (n,).
    """

    image: Photo
    target: ClassScore
    heat: NDArray[np.float64]
    labels: Labels
    scores: Scores

    @property
    def map(self) -> NDArray[np.float64]:
        """SeCAM as a picture: (H, W), constant on each superpixel, NaN where the network saw nothing."""
        return np.where(np.isnan(self.heat), np.nan, paint(self.scores, self.labels))

    def regions(self, *, top: int | None = None, threshold: float | None = None) -> Regions:
        """The chosen superpixels as a table, best first; see :func:`select`."""
        chosen = select(self.scores, top=top, threshold=threshold)
        seen = ~np.isnan(self.heat)
        areas = np.bincount(self.labels[seen], minlength=len(self.scores))
        positive = areas * np.maximum(np.nan_to_num(self.scores), 0)
        total = positive.sum()
        centres = ndimage.center_of_mass(np.ones_like(self.heat), self.labels, chosen) if len(chosen) else []
        return Regions(
            Region(
                superpixel=int(s),
                score=float(self.scores[s]),
                area=float(areas[s] / seen.sum()),
                evidence=float(positive[s] / total),
                row=float(row),
                column=float(column),
            )
            for s, (row, column) in zip(chosen, centres, strict=True)
        )

    def mask(self, regions: Regions) -> Mask:
        """(H, W) mask of the regions' pixels that the network saw."""
        return np.asarray(np.isin(self.labels, regions.superpixels) & ~np.isnan(self.heat))

    def __repr__(self) -> str:
        return f"SeCAM for '{self.target.name}': {len(self.scores)} superpixels\n{self.regions(top=5)!r}"

    def _repr_html_(self) -> str:
        return (
            f"<p>SeCAM for '{html.escape(self.target.name)}': {len(self.scores)} superpixels</p>"
            + self.regions(top=5)._repr_html_()
        )


def secam(
    prediction: Prediction,
    target: Target | None = None,
    *,
    segments: int | None = None,
    method: Method = "slic",
    labels: NDArray[Any] | None = None,
    statistic: Statistic = "mean",
    alignment: Alignment = "half_pixel",
    **options: Any,
) -> SeCAM:
    """SeCAM of one class (by default the top class): CAM at image resolution, averaged over superpixels.

    Args:
        segments, method, options: how to cut the photograph; see
            :func:`xaicore.regions.segmenters.superpixels`.
        labels: your own (H, W) label map instead.
        statistic: "mean" is SeCAM; "max" and "median" are there for comparison.
        alignment: where the CAM's cells lie; see :func:`xaicore.maps.drawing.upsample`.

    Raises:
        ValueError: an unknown class, method, statistic or alignment, or a label map of another size.
    """
    if labels is None:
        labels = superpixels(prediction.image, segments, method, **options)
    elif segments is not None or method != "slic" or options:
        raise ValueError("labels= is a finished label map; drop segments=, method= and their options.")
    labels = check_labels(labels, prediction.image.shape[:2])
    heat = heat_map(prediction, target, alignment)
    return SeCAM(
        prediction.image, prediction.score(target), heat, labels, superpixel_scores(heat, labels, statistic)
    )


def within_variance(heat: Floats, labels: Labels) -> float:
    """Σ_s |s|·Var_s(M) / Σ_s |s|: what averaging removes.  Var(CAM) = Var(SeCAM) + within_variance."""
    labels = check_labels(labels, np.shape(heat))
    seen = ~np.isnan(heat)
    spread = np.asarray(heat)[seen] - superpixel_scores(heat, labels)[labels[seen]]
    return float(np.mean(spread**2))
