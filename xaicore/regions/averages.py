"""Averages of any heat map over regions; of a class activation map over superpixels they are SeCAM.

The idea of SeCAM is that of Nguyen et al. 2022 (IEICE E105-D(8)) and Cao et al. 2023 (arXiv 2307.04137). Only
their abstracts could be read for this book, so the definition here is the book's own::

    SeCAM_c(s) = (1/|s|) Σ_{(x,y)∈s} M_c(x,y)      with M_c drawn at the photograph's resolution

One number per region instead of a soft blob: regions can be ranked, listed and cut out.
"""

from __future__ import annotations

import csv
import html
import io
import warnings
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats
from xaicore.maps.drawing import Alignment
from xaicore.maps.heat import HeatMap, heat_map, is_constant
from xaicore.networks.looks import Looks
from xaicore.networks.prediction import ClassScore, Prediction, Target
from xaicore.pictures.blocks import Size
from xaicore.pictures.reading import Photo
from xaicore.regions.labels import LabelMap, Labels
from xaicore.regions.segmenters import cut

Statistic = Literal["mean", "max", "median"]
Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]
# in SciPy's ndimage, which is imported where it counts: the command line's help can't wait for it
_SORTED = {"max": "maximum", "median": "median"}


def superpixel_scores(heat: Floats | HeatMap, labels: Labels, statistic: Statistic = "mean") -> Scores:
    """Mean (or max, or median) of an (H, W) map in each superpixel: (n,) scores, in the map's units.

    They stand in the order of the labels, np.unique(labels): where those are not 0, 1, …, n−1, score i is not
    that of label i, but :func:`paint` finds it.

    Pixels that are NaN (never seen by the network) don't count; a superpixel of nothing else scores NaN. What
    is masked in `labels` (numpy.ma) belongs to no superpixel.

    Raises:
        ValueError: another statistic, or a label map of another size than the map or without whole numbers.
    """
    values = np.asarray(heat)
    cut = LabelMap.of(labels, values.shape)
    if cut.index.shape != values.shape:  # one that was cut at a smaller size
        cut = LabelMap.of(cut.labels)
    return _scores(values, (~np.isnan(values)).astype(int), cut, statistic)


def _scores(values: NDArray[Any], counts: NDArray[Any], cut: LabelMap, statistic: Statistic) -> Scores:
    """From values and how many pixels each stands for, both of the size of `cut.index`."""
    if statistic not in get_args(Statistic):
        raise ValueError(f"statistic={statistic!r}; choose one of {', '.join(get_args(Statistic))}.")
    areas = cut.sums(counts)
    present = np.flatnonzero(areas)
    scores = np.full(len(cut), np.nan)
    if statistic == "mean":
        scores[present] = cut.sums(counts, values)[present] / areas[present]
    elif len(present):
        from scipy import ndimage

        counted = (counts > 0) & (cut.index >= 0)
        measure = getattr(ndimage, _SORTED[statistic])
        scores[present] = measure(values[counted], cut.index[counted], present)
    return scores


def paint(scores: Scores, labels: Labels) -> NDArray[np.float64]:
    """The map that is constant on each superpixel: (H, W), NaN where `labels` is masked.

    Args:
        scores: (n,), in the order of np.unique(labels), as from :func:`superpixel_scores`.

    Raises:
        ValueError: not one score for each label.
    """
    cut = LabelMap.of(labels)
    if len(scores) != len(cut):
        raise ValueError(
            f"{len(scores)} scores for {len(cut)} labels: give one for each, in the order of "
            "np.unique(labels)."
        )
    return cut.each(np.asarray(scores), np.nan)


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


# --- regions as a table ----------------------------------------------------------------------------------


class Region(NamedTuple):
    """One superpixel, by its label. `score`: its average of the map, in the map's units. `area`: share of the
    photo's pixels that the network saw. `evidence`: share of all positive evidence Σ_s |s|·max(0, score_s),
    in [0, 1]; None for averages that add up to no score. `row`, `column`: its centre of mass, in pixels of
    the photograph.
    """

    superpixel: int
    score: float
    area: float
    evidence: float | None
    row: float
    column: float


class Regions(tuple[Region, ...]):
    """Regions, best first; shows as a table in a notebook and in a terminal.

    `adds_up`: whether their scores add up to one of the network's, so that there is evidence to share.
    """

    adds_up: bool = True

    @property
    def area(self) -> float:
        """Share of the seen photograph that the regions cover together, in [0, 1]."""
        return sum(region.area for region in self)

    @property
    def evidence(self) -> float | None:
        """Share of all positive evidence that the regions hold together, in [0, 1]; None as for each."""
        return sum(region.evidence or 0.0 for region in self) if self.adds_up else None

    @property
    def superpixels(self) -> list[int]:
        """Their labels: `labels == number` is the region's pixels."""
        return [region.superpixel for region in self]

    def to_csv(self) -> str:
        """The table as comma-separated values with a header line."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([Region._fields, *self])
        return file.getvalue()

    def _rows(self) -> list[list[str]]:
        """Head, regions, and their sum; without a column for evidence where there is none."""
        rows = [["superpixel", "score", "area", "evidence"]]
        for r in self:
            rows.append([str(r.superpixel), f"{r.score:.2f}", f"{r.area:.1%}", _percent(r.evidence)])
        rows.append(["together", "", f"{self.area:.1%}", _percent(self.evidence)])
        return rows if self.evidence is not None else [row[:3] for row in rows]

    def __repr__(self) -> str:
        return "\n".join("  ".join(f"{cell:>10}" for cell in row) for row in self._rows())

    def _repr_html_(self) -> str:
        names, *rows = self._rows()
        head = "".join(f"<th>{n}</th>" for n in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


# --- a map, averaged -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class RegionMap:
    """A heat map and its averages over regions; made by :func:`average`.

    Attributes:
        heat: the map, signed, NaN where the network saw nothing.
        cut: the regions.
        scores: the average of each, (n,), in the order of `cut.ids`.
        statistic: what was taken for the average.
    """

    heat: HeatMap
    cut: LabelMap
    scores: Scores
    statistic: Statistic = "mean"

    @property
    def image(self) -> Photo:
        """The photograph, (H, W, 3)."""
        return self.heat.image

    @property
    def labels(self) -> Labels:
        """The label map, (H, W)."""
        return self.cut.labels

    @property
    def target(self) -> ClassScore | None:
        """The class, with score and probability; None for a map that was brought along."""
        return self.heat.target

    @property
    def adds_up(self) -> bool:
        """Whether Σ score × area is the map's mean, and that a score: only for means of such a map.

        Every pixel has to be in a region. The sum is exact where drawing keeps the mean: with half_pixel, by
        whole factors.
        """
        return self.heat.adds_up and self.statistic == "mean" and self.cut.everywhere

    @property
    def name(self) -> str:
        """What it is called: "SeCAM" only where it is the mean of a map that sums to a score."""
        if self.statistic == "mean":
            return self.heat.averaged
        return f"{self.heat.name} by regions ({self.statistic})"

    @property
    def title(self) -> str:
        """What stands over its figure."""
        return f"{self.name}: {self.heat.subject}" if self.heat.subject else self.name

    @property
    def map(self) -> NDArray[np.float64]:
        """The averages as a picture, (H, W): constant on each region, NaN where none is or nothing seen."""
        return self.at(self.cut.size)

    def at(self, size: Size) -> NDArray[np.float64]:
        """:attr:`map` at another size, (h, w)."""
        values = self.cut.each(self.scores, np.nan, size)
        values[~self.heat.seen(size)] = np.nan
        return values

    def regions(self, *, top: int | None = None, threshold: float | None = None) -> Regions:
        """The chosen regions as a table, best first; see :func:`select`."""
        chosen = select(self.scores, top=top, threshold=threshold)
        seen = self.heat.drawing.counts(self.cut.index.shape)
        areas = self.cut.sums(seen)
        positive = areas * np.maximum(np.nan_to_num(self.scores), 0)
        total = positive.sum()
        rows, columns = self.cut.centres()
        found = Regions(
            Region(
                superpixel=int(self.cut.ids[s]),
                score=float(self.scores[s]),
                area=float(areas[s] / seen.sum()),
                evidence=float(positive[s] / total) if self.adds_up else None,
                row=float(rows[s]),
                column=float(columns[s]),
            )
            for s in chosen
        )
        found.adds_up = self.adds_up
        return found

    def mask(self, regions: Regions, size: Size | None = None) -> Mask:
        """(H, W) mask of the regions' pixels that the network saw, or at another size."""
        wanted = set(regions.superpixels)
        kept = np.array([int(i) in wanted for i in self.cut.ids])
        return np.asarray(self.cut.each(kept, False, size) & self.heat.seen(size), dtype=bool)

    def __repr__(self) -> str:
        return f"{self._told()}\n{self.regions(top=5)!r}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._told())}</p>" + self.regions(top=5)._repr_html_()

    def _told(self) -> str:
        subject = f" for '{self.heat.subject}'" if self.heat.subject else ""
        return f"{self.name}{subject}: {len(self.scores)} superpixels"


def average(heat: HeatMap, labels: NDArray[Any] | LabelMap, statistic: Statistic = "mean") -> RegionMap:
    """The averages of any heat map over regions: score_s = (1/|s|) Σ_{(x,y)∈s} M(x,y).

    Args:
        heat: from :func:`xaicore.maps.heat.heat_map`, or :meth:`xaicore.maps.heat.HeatMap.of` for a map that
            you bring.
        labels: (H, W) whole numbers, from :func:`xaicore.regions.segmenters.superpixels` or your own, or what
            :func:`xaicore.regions.segmenters.cut` gives, which needs no array of the photograph's size. The
            table, the mask and the record call each region by its label; what is masked (numpy.ma) is in no
            region.
        statistic: "mean"; "max" and "median" are there for comparison, and add up to nothing.

    Warns:
        UserWarning: the map is the same everywhere, so that no region is better than another.

    Raises:
        TypeError: a bare array for a map; it doesn't say of which photograph it is.
        ValueError: another statistic, or a label map of another size than the map or without whole numbers.
    """
    if not isinstance(heat, HeatMap):
        raise TypeError("average() takes a HeatMap; wrap your own: HeatMap.of(values, photo, 'Grad-CAM').")
    cut = LabelMap.of(labels, heat.size)
    if statistic != "mean":  # those of blocks' means are not those of the pixels
        cut = LabelMap.of(cut.labels)
    size: Size = cut.index.shape
    values = heat.at(size)
    if len(cut) > 1 and is_constant(values):
        warnings.warn(
            f"{heat.name} has the same value everywhere: it says nothing about places, and the order of the "
            "regions means nothing. Look at a larger input, so that the network has more cells.",
            UserWarning,
            stacklevel=2,
        )
    return RegionMap(heat, cut, _scores(values, heat.drawing.counts(size), cut, statistic), statistic)


def secam(
    looks: Looks | Prediction,
    target: Target | None = None,
    *,
    segments: int | None = None,
    segmenter: str = "slic",
    labels: NDArray[Any] | LabelMap | None = None,
    statistic: Statistic = "mean",
    alignment: Alignment = "half_pixel",
    **options: Any,
) -> RegionMap:
    """SeCAM of one class (by default the top class): CAM at image resolution, averaged over superpixels.

    It is `average(heat_map(looks, target), cut(photo))`: see :func:`xaicore.regions.segmenters.cut`.

    Args:
        segments, segmenter, options: how to cut the photograph; see
            :func:`xaicore.regions.segmenters.superpixels`.
        labels: your own (H, W) label map instead; see :func:`average`.
        statistic: "mean" is SeCAM; "max" and "median" are there for comparison.
        alignment: where the CAM's cells lie; see :func:`xaicore.maps.drawing.upsample`.

    Raises:
        ValueError: an unknown class, segmenter, statistic or alignment, or a label map of another size.
    """
    heat = heat_map(looks, target, alignment=alignment)
    regions: NDArray[Any] | LabelMap
    if labels is None:
        regions = cut(heat.image, segments, segmenter, **options)
    elif segments is not None or segmenter != "slic" or options:
        raise ValueError("labels= is a finished label map; drop segments=, segmenter= and their options.")
    else:
        regions = labels
    return average(heat, regions, statistic)


def within_variance(heat: Floats | HeatMap, labels: Labels) -> float:
    """Σ_s |s|·Var_s(M) / Σ_s |s|: what averaging removes.  Var(CAM) = Var(SeCAM) + within_variance."""
    values = np.asarray(heat)
    spread = values - paint(superpixel_scores(values, labels), labels)
    return float(np.mean(spread[~np.isnan(spread)] ** 2))
