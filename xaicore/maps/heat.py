"""From looks to heat: a signed map on the photograph's own pixels that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import OTHERS, RIVALS, Floats, rival_shares
from xaicore.maps.drawing import Alignment, on_photo, seen_on_photo
from xaicore.maps.kinds import Kind, find_kind
from xaicore.networks.looks import Looks, as_looks
from xaicore.networks.prediction import ClassScore, Prediction, Target
from xaicore.pictures.blocks import Size, sums, within
from xaicore.pictures.geometry import Geometry
from xaicore.pictures.reading import Photo

TRIED = 10_000  # pixels: small enough to cost nothing


class Drawing(Protocol):
    """A map that can be drawn at any size up to the photograph's."""

    def means(self, size: Size) -> NDArray[np.float64]:
        """Its mean over what the network saw of each of (h, w) blocks of pixels; NaN for nothing."""

    def counts(self, size: Size) -> NDArray[np.int64]:
        """How many pixels of each block the network saw."""


@dataclass(frozen=True, eq=False, repr=False)
class HeatMap:
    """A signed map on a photograph. NumPy reads it as its `values`, so any function of a map takes it.

    Attributes:
        drawing: draws the map at the size that is asked for; the photograph's own is made only on demand.
        image: the photograph, (H, W, 3).
        name: what kind of map it is, in a figure's words ("CAM"), and `averaged`: what its averages on
            superpixels are called ("SeCAM").
        subject: what it is of ("tabby, not tiger cat").
        unit: what the values are in.
        kind: the name of the kind, "" for a map that was brought along.
        target: the class, with score and probability; None for a map that was brought along.
        rivals: class index → share q_j; empty where there are none.
        cells: the map on the grid of each look before it was drawn, (h, w) each.
        total: S_c − Σ q_j S_j, what mean(cells[0]) + bias comes to; None for a map that adds up to no score.
        bias: b_c − Σ q_j b_j; None for such a map.
    """

    drawing: Drawing = field(repr=False)
    image: Photo
    name: str
    averaged: str
    subject: str
    unit: str
    kind: str = ""
    target: ClassScore | None = None
    rivals: Mapping[int, float] | None = None
    cells: tuple[Floats, ...] = ()
    total: float | None = None
    bias: float | None = None

    @classmethod
    def of(
        cls, values: Floats, image: Photo, name: str, subject: str = "", unit: str = "its own units"
    ) -> HeatMap:
        """A map that another method made, such as Grad-CAM of a network without global average pooling.

        Args:
            values: (H, W) real numbers of any type, or a tensor; one for each pixel of `image`, NaN or masked
                (numpy.ma) where nothing is known.
            image: the photograph, (H, W, 3) uint8.
            name: the method, as a figure should call it. `subject`: what the map is of.

        Raises:
            ValueError: no such photograph; a map of another size than it, or without a single real number.
        """
        if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            got = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
            raise ValueError(
                f"The photograph is an (H, W, 3) uint8 array, not {got}. Read it with xaicore.read_image()."
            )
        drawn = _real(values)
        if drawn.shape != image.shape[:2]:
            raise ValueError(
                f"The map has shape {drawn.shape}, the photograph {image.shape[:2]}. Enlarge the map to the "
                "photograph's pixels first: skimage.transform.resize(map, photo.shape[:2], order=1)."
            )
        if not np.isfinite(drawn).any() or np.isinf(drawn).any():
            raise ValueError("The map holds infinite values, or no number at all.")
        return cls(_Given(drawn), image, name, f"{name} by regions", subject, unit)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The map on each of the photograph's pixels, (H, W), NaN where the network saw nothing."""
        return self.drawing.means(self.size)

    @property
    def size(self) -> Size:
        """The photograph's (H, W)."""
        return self.image.shape[:2]

    def at(self, size: Size) -> NDArray[np.float64]:
        """The map on (h, w) blocks of the photograph's pixels, each with the mean of its own."""
        return self.values if size == self.size else self.drawing.means(size)

    def seen(self, size: Size | None = None) -> NDArray[np.bool_]:
        """Where the network saw any of the photograph: (H, W), or at another size."""
        return self.drawing.counts(self.size if size is None else size) > 0

    @property
    def adds_up(self) -> bool:
        """Whether the map sums to a score, or to a difference of scores."""
        return self.total is not None

    @cached_property
    def peak(self) -> float:
        """Its largest absolute value; of a photograph of more than a million pixels, at that size."""
        return float(np.nanmax(np.abs(self.at(within(self.size)))))

    @property
    def title(self) -> str:
        """What stands over its figure."""
        return f"{self.name}: {self.subject}" if self.subject else self.name

    @property
    def label(self) -> str:
        """What stands under its colour bar."""
        return f"evidence ({self.unit})" if self.adds_up else f"{self.name} ({self.unit})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype) if copy else np.asarray(self.values, dtype=dtype)

    def __repr__(self) -> str:
        height, width = self.size
        return f"{self.title}: {height}×{width} pixels, {self.unit}"


def is_constant(values: Floats) -> bool:
    """Whether a map has one value, but for rounding, wherever it has any."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return high - low <= float(np.finfo(np.float32).eps) * max(abs(low), abs(high))


@dataclass(frozen=True, eq=False)
class _Given:
    """A map that was brought along, pixel by pixel."""

    values: NDArray[np.float64]

    def means(self, size: Size) -> NDArray[np.float64]:
        if size == self.values.shape:
            return self.values
        counts = self.counts(size)
        return _both(np.nan_to_num(self.values), size) / np.where(counts, counts, np.nan)

    def counts(self, size: Size) -> NDArray[np.int64]:
        return _both((~np.isnan(self.values)).astype(np.int64), size)


def _both(values: NDArray[Any], size: Size) -> NDArray[Any]:
    """The sums over (h, w) blocks."""
    return sums(sums(values, size[0]).T, size[1]).T


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A kind of map, from the cells of its looks. Means over blocks are exact but for a kind that fuses."""

    kind: Kind
    cells: tuple[Floats, ...]
    geometries: tuple[Geometry, ...]
    alignment: Alignment

    def means(self, size: Size) -> NDArray[np.float64]:
        looks = zip(self.cells, self.geometries, strict=True)
        drawn = [on_photo(m, geometry, self.alignment, size) for m, geometry in looks]
        return _fused(self.kind, drawn) if self.kind.fuse else drawn[0]

    def counts(self, size: Size) -> NDArray[np.int64]:
        counts = seen_on_photo(self.geometries[0], size)
        for geometry in self.geometries[1:]:
            counts = np.minimum(counts, seen_on_photo(geometry, size))
        return counts


def heat_map(
    looks: Looks | Prediction,
    target: Target | None = None,
    kind: str = "cam",
    against: Target | None = None,
    *,
    alignment: Alignment = "half_pixel",
) -> HeatMap:
    """The map of one class on the photograph's own pixels.

    Args:
        looks: what the network saw: `model.predict(photo)` for one input size, or
            `model.look(photo, scales=(1, 2))` for several.
        target: the class, by name or index; by default the top class of the first look that the kind takes.
        kind: a name in :data:`xaicore.maps.kinds.KINDS`: "cam", "contrast", "focus" or one of yours.
        against: what a kind with rivals is set against: "rivals", "others" or a class; see
            :func:`xaicore.maps.cells.rival_shares`. Each look has rivals of its own.
        alignment: where the cells lie; see :func:`xaicore.maps.drawing.upsample`.

    Raises:
        ValueError: an unknown kind, class or alignment; a class against itself; `against` for a kind that
            takes no rivals; no look at an input size that the kind takes; a kind whose function gives no map.
    """
    what, seen = find_kind(kind), as_looks(looks)
    if against is not None and what.against is None:
        raise ValueError(f"kind={kind!r} is a map of one class, without against=. Choose kind='contrast'.")
    used = _needed(what, seen)
    c = used[0].index(target)
    against = what.against if against is None else against
    shares = [{} if against is None else rival_shares(look, c, against) for look in used]
    cells = tuple(_checked(what, look, what.cells(look, c, q)) for look, q in zip(used, shares, strict=True))
    drawing = _Drawn(what, cells, tuple(look.geometry for look in used), alignment)
    drawing.means(within(used[0].image.shape[:2], TRIED))  # refuses what can't be drawn, here and now
    rivals = shares[0]
    return HeatMap(
        drawing=drawing,
        image=used[0].image,
        name=what.title,
        averaged=what.averaged,
        subject=_subject(used[0], c, against, rivals),
        unit=what.unit,
        kind=what.name,
        target=used[0].score(c),
        rivals=rivals,
        cells=cells,
        total=_in_contrast(used[0].scores, c, rivals) if what.adds_up else None,
        bias=_in_contrast(used[0].bias, c, rivals) if what.adds_up else None,
    )


def _real(values: Any) -> NDArray[np.float64]:
    """Any array or tensor of real numbers as float64, NaN where it is masked."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()  # NumPy knows no bfloat16
    found = np.asanyarray(values)
    if found.dtype.kind not in "biuf":
        raise ValueError(f"A map holds real numbers, not {found.dtype}. Take its size, np.abs(map), or part.")
    return np.asarray(np.ma.filled(found.astype(np.float64), np.nan))


def _needed(what: Kind, seen: Looks) -> tuple[Prediction, ...]:
    """The looks that the kind takes: those at its sizes, or, if it fuses whatever there is, all of them."""
    if what.fuse is not None and len(what.scales) == 1:
        return seen.predictions
    by_scale = dict(zip(seen.scales, seen.predictions, strict=True))
    if what.scales == (1,):  # a map of one look is one of whichever size there is
        return (by_scale.get(1, seen.first),)
    if missing := ", ".join(f"{scale:g}" for scale in what.scales if scale not in by_scale):
        raise ValueError(
            f"kind={what.name!r} needs the network's looks at other input sizes, and there is none at "
            f"{missing} times the usual. Look again: model.look(photo, scales={what.scales})."
        )
    return tuple(by_scale[scale] for scale in what.scales)


def _checked(what: Kind, look: Prediction, cells: Floats) -> Floats:
    found, size = np.asarray(cells), look.feature_maps.shape[-2:]
    if found.shape != size or found.dtype.kind not in "biuf" or not np.isfinite(found).all():
        raise ValueError(
            f"The kind {what.name!r} gave a map of shape {found.shape}, {found.dtype}; it has to give one "
            f"finite number for each of the {size} cells."
        )
    return found if found.dtype.kind == "f" else found.astype(np.float64)


def _fused(what: Kind, drawn: Sequence[Floats]) -> NDArray[np.float64]:
    """What the kind's fuse= makes of the maps of all looks; nothing may be missing that all of them saw."""
    assert what.fuse is not None
    found, size = np.asarray(what.fuse(drawn)), drawn[0].shape
    seen = ~np.any([np.isnan(m) for m in drawn], axis=0)
    if found.shape != size or found.dtype.kind not in "biuf" or not np.isfinite(found[seen]).all():
        raise ValueError(
            f"The fuse= of the kind {what.name!r} gave a map of shape {found.shape}, {found.dtype}; it "
            f"has to give one of shape {size}, with a finite number wherever all looks saw the photograph."
        )
    return found.astype(np.float64, copy=False)


def _in_contrast(values: Floats, c: int, rivals: Mapping[int, float]) -> float:
    """v_c − Σ q_j v_j."""
    return float(values[c]) - sum(share * float(values[j]) for j, share in rivals.items())


def _subject(prediction: Prediction, c: int, against: Target | None, rivals: Mapping[int, float]) -> str:
    name = prediction.categories[c]
    if against is None:
        return name
    if against == OTHERS:
        return f"{name}, not the other classes"
    if against == RIVALS and len(rivals) > 1:
        return f"{name}, not its {len(rivals)} strongest rivals"
    return f"{name}, not {prediction.categories[next(iter(rivals))]}"
