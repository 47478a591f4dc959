"""The one pipeline: settings and what a network saw go in, an explanation comes out.

    settings = Settings(kind="focus", segmenter="felzenszwalb")
    explanation = explain(settings.look(model, "photo.jpg"), settings)

The command line, the form, the chapters and the benchmarks all go through it; `xaicore.show` makes
figures, words, tables, records and code of an explanation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaicore.controls import Control
from xaicore.maps.drawing import Alignment
from xaicore.maps.heat import HeatMap, heat_map
from xaicore.maps.kinds import KINDS, find_kind
from xaicore.networks.looks import Looks, as_looks
from xaicore.networks.prediction import Prediction, Target
from xaicore.pictures.blocks import Size, within
from xaicore.pictures.geometry import Resize
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import RegionMap, Regions, Statistic, average
from xaicore.regions.labels import LabelMap, Labels
from xaicore.regions.segmenters import PIXELS, SEGMENTERS, SEGMENTS, cut, find_segmenter

if TYPE_CHECKING:  # it imports torch, and the command line's help comes from here
    from xaicore.networks.gap import GapClassifier

Sign = Literal["signed", "positive"]

# --- settings --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """How a photograph is explained; with the photograph and the weights it is all that makes a figure again.

    :func:`controls` lists the values that each may take.

    Attributes:
        target: the class, by name or index; None for the class with the highest score.
        kind: a kind of map; see :mod:`xaicore.maps.kinds`.
        against: "rivals", "others" or a class, for a kind that takes rivals; None for the kind's own choice.
        segmenter: what cuts the photograph into superpixels; None for the map itself, without regions.
        segments: how many superpixels to ask for, of a segmenter that can be asked.
        pixels: of the picture that is cut; see :func:`xaicore.regions.segmenters.cut`.
        statistic: see :func:`xaicore.regions.averages.superpixel_scores`.
        top, threshold: which regions are kept; one of the two, None for the other; see
            :func:`xaicore.regions.averages.select`.
        alignment: see :func:`xaicore.maps.drawing.upsample`.
        sign: "signed", or "positive" to show no evidence against the class. `opacity`: in [0, 1].
        resize: how the photograph becomes the network's input; see :func:`xaicore.pictures.geometry.fit`.

    Raises:
        ValueError: a value that there is not, or not exactly one of `top` and `threshold`.
    """

    target: Target | None = None
    kind: str = "cam"
    against: Target | None = None
    segmenter: str | None = "slic"
    segments: int = SEGMENTS
    pixels: int = PIXELS
    statistic: Statistic = "mean"
    top: int | None = 5
    threshold: float | None = None
    alignment: Alignment = "half_pixel"
    sign: Sign = "signed"
    opacity: float = 0.8
    resize: Resize = "full"

    def __post_init__(self) -> None:
        for control in controls():  # a whole number that came as 3.0 or from NumPy becomes 3
            object.__setattr__(self, control.name, control.check(getattr(self, control.name)))
        for name in ("target", "against"):
            if isinstance(value := getattr(self, name), np.integer):
                object.__setattr__(self, name, int(value))
        if (self.top is None) == (self.threshold is None):
            raise ValueError("Give either top= (how many regions) or threshold= (share of the best score).")
        if self.against is not None and find_kind(self.kind).against is None:
            raise ValueError(
                f"kind={self.kind!r} is a map of one class alone, without against=. Choose kind='contrast'."
            )

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Settings:
        """The settings that a record holds; ValueError that names those this version doesn't know."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(record) - known):
            raise ValueError(
                f"No setting is called {', '.join(unknown)}; there are {', '.join(sorted(known))}."
            )
        return cls(**record)

    def as_record(self) -> dict[str, Any]:
        """The settings as a record holds them, by name."""
        return asdict(self)

    def look(self, model: GapClassifier, image: Any) -> Looks:
        """What the network sees of the photograph at the input sizes that the kind of map needs."""
        return model.look(image, find_kind(self.kind).scales, self.resize)

    def cut(self, image: Photo) -> LabelMap:
        """The superpixels asked for; one that is everything where no segmenter is chosen."""
        if self.segmenter is None:
            return LabelMap.of(np.zeros(image.shape[:2], dtype=np.uint8))
        counted = find_segmenter(self.segmenter).counted
        return cut(image, self.segments if counted else None, self.segmenter, pixels=self.pixels)


def controls() -> tuple[Control, ...]:
    """The settings with a fixed choice or range, as the command line and the form offer them.

    The two classes, `target` and `against`, are not among them: which there are depends on the network.
    """
    kinds = {kind.name: kind.title for kind in KINDS.values()}
    cuts: dict[Any, str] = {name: name for name in SEGMENTERS} | {None: "none: the map itself"}
    signs = {"signed": "for and against", "positive": "only for"}
    return (
        Control("kind", "Map", "cam", "the kind of map", kinds),
        Control("segmenter", "Superpixels", "slic", "what cuts the photograph into regions", cuts),
        Control("segments", "Segments", SEGMENTS, "how many superpixels to ask for", None, 1, 5000, 5),
        Control("pixels", "Cut at", PIXELS, "pixels of the picture that is cut", None, 100, 100_000_000, 100),
        Control("statistic", "Statistic", "mean", "what is taken for a region's score", _same(Statistic)),
        Control("top", "How many", 5, "how many of the best to keep", None, 1, 1000, 1, optional=True),
        Control(
            "threshold",
            "Threshold",
            None,
            "instead: keep all regions from this share of the best score up",
            None,
            0.01,
            1.0,
            0.01,
            optional=True,
        ),
        Control("alignment", "Alignment", "half_pixel", "where the map's cells lie", _same(Alignment)),
        Control("sign", "Show", "signed", "evidence for and against the class, or only for it", signs),
        Control("opacity", "Opacity", 0.8, "of full colour", None, 0.0, 1.0, 0.05),
        Control("resize", "Input", "full", "how the photo becomes the network's input", _same(Resize)),
    )


def _same(words: Any) -> dict[Any, str]:
    return {word: word for word in get_args(words)}


# --- from settings to an explanation ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What :func:`explain` found.

    Attributes:
        looks: what the network saw. `settings`: as they were used; the class and the resizing are filled in.
        heat: the map, which says what it is.
        averages: the map averaged over superpixels, and `regions`: those that are kept; None without a
            segmenter.
    """

    looks: Looks
    settings: Settings
    heat: HeatMap
    averages: RegionMap | None
    regions: Regions | None

    @property
    def map(self) -> NDArray[np.float64]:
        """What is drawn, (H, W), in the map's units, NaN where the network saw nothing."""
        return self.at(self.heat.size)

    @property
    def peak(self) -> float:
        """The largest value of the map, or of its averages, in the map's units; negative if all are."""
        if self.averages is not None:
            return float(np.nanmax(self.averages.scores))
        return float(np.nanmax(self.heat.at(within(self.heat.size))))

    def at(self, size: Size) -> NDArray[np.float64]:
        """:attr:`map` at another size, (h, w)."""
        values = (self.heat if self.averages is None else self.averages).at(size)
        return values if self.settings.sign == "signed" else np.maximum(values, 0)

    @property
    def prediction(self) -> Prediction:
        """What the network said: at the first input size."""
        return self.looks.first

    @property
    def title(self) -> str:
        """What stands over the figure."""
        return self.heat.title if self.averages is None else self.averages.title

    def __repr__(self) -> str:
        return f"{self.title}\n{self.regions or ''}".strip()


def explain(
    looks: Looks | Prediction,
    settings: Settings | None = None,
    *,
    labels: Labels | LabelMap | None = None,
    **changes: Any,
) -> Explanation:
    """The map of one class, and its averages over superpixels, as the settings ask. Runs no network.

    Args:
        looks: `settings.look(model, photo)`; a prediction will do for a kind that needs one look.
        labels: superpixels that :meth:`Settings.cut` made before; by default they are made here. A record
            notes their checksum, and of others no figure is made again.
        changes: settings by name, in place of those in `settings`.

    Raises:
        ValueError: an unknown setting, class or rival, or looks that the kind of map can't do with.
    """
    seen = as_looks(looks)
    if unknown := sorted(set(changes) - {field.name for field in fields(Settings)}):
        raise ValueError(f"No setting is called {', '.join(unknown)}.")
    chosen = replace(settings or Settings(), **changes)
    chosen = replace(chosen, target=seen.first.index(chosen.target), resize=seen.first.resize)
    if seen.scales[0] != find_kind(chosen.kind).scales[0]:
        raise ValueError(f"These looks begin at scale {seen.scales[0]:g}. Use settings.look(model, photo).")
    if labels is not None and chosen.segmenter is None:
        raise ValueError("labels= are superpixels, and segmenter=None asks for none. Drop one of the two.")
    heat = heat_map(seen, chosen.target, chosen.kind, chosen.against, alignment=chosen.alignment)
    averages = regions = None
    if chosen.segmenter is not None:
        averages = average(heat, chosen.cut(heat.image) if labels is None else labels, chosen.statistic)
        regions = averages.regions(top=chosen.top, threshold=chosen.threshold)
    return Explanation(seen, chosen, heat, averages, regions)
