"""What is explained: photographs and mosaics of them, their two halves, and what the network says of each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.networks import BATCH, finer_grid
from benchmarks.patches import patches
from xaicore import GapClassifier, Prediction, mosaic, sample_image
from xaicore.book.outlines import object_mask
from xaicore.evaluation.removal import ScoreFunction, class_probability
from xaicore.evaluation.statistics import Values
from xaicore.networks.looks import Looks
from xaicore.pictures.geometry import Geometry
from xaicore.pictures.reading import Photo
from xaicore.pictures.samples import SAMPLES
from xaicore.regions.labels import Labels

INPUT = 224
FINER = "finer grid"  # the usual size, through the dilated network
Size = float | str  # a multiple of the usual input size, or FINER

# Classes that the four photographs without an ImageNet label do show; the rocket's isn't among the 1,000.
OWN_LABELS = {"chelsea": 285, "coffee": 967, "motorcycle": 665}

# Chosen once and for all: settings are chosen on `choose`, and what the book reports comes from `report`. A
# photograph that joins the samples later goes into NEITHER, so that the results there are stay what they are.
CHOOSE = "bull_mastiff beaker strawberry jeep_sepia bottlecap loafer cannon dalmatian leafhopper chelsea"
CHOOSE += " spoonbill rocket"
REPORT = "folding_chair buckeye thatch jeep_blue yurt drum prayer_rug goose bald_eagle dung_beetle coffee"
REPORT += " motorcycle"
HALVES = {"choose": CHOOSE.split(), "report": REPORT.split()}
NEITHER: tuple[str, ...] = ()

# setting: pictures a side, side of the input in pixels, how many mosaics
GRIDS = {
    "2×2 at 224": (2, 224, 24),
    "2×2 at 448": (2, 448, 14),
    "3×3 at 224": (3, 224, 10),
    "3×3 at 672": (3, 672, 6),
}


def central_square(name: str) -> Photo:
    """The square that the usual preprocessing shows the network, at the photograph's own resolution."""
    photo = sample_image(name)
    return photo[_square(photo.shape[:2])]


def outline_mask(name: str, side: int = INPUT) -> NDArray[np.bool_]:
    """The outline of the photograph's objects, cut and resized as the photograph is."""
    mask = object_mask(name)
    return resized((mask[_square(mask.shape)] * 255).astype(np.uint8), side) > 127


def _square(size: tuple[int, ...]) -> tuple[slice, slice]:
    side = round(min(size) * 224 / 256)
    top, left = ((length - side) // 2 for length in size)
    return slice(top, top + side), slice(left, left + side)


def resized(photo: Photo, side: int) -> Photo:
    return np.array(Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR))


@dataclass
class Case:
    """A square picture and the class to explain. What the network says of it is asked once and remembered.

    The cases of one mosaic share their memory: it is one picture, whichever class is asked for.
    """

    model: GapClassifier
    photo: Photo
    side: int
    target: int
    name: str
    others: tuple[str, ...] = ()
    memory: dict[Hashable, Any] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)

    @property
    def picture(self) -> Photo:
        """What the network sees at the usual size, (side, side, 3)."""
        return resized(self.photo, self.side)

    def remembered(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]

    def at(self, scale: float, finer: bool = False) -> Prediction:
        """The prediction at `scale` times the usual size; `finer`: with the dilated network."""
        return self.remembered(("at", scale, finer), lambda: self._predict(scale, finer))  # type: ignore[no-any-return]

    def look(self, sizes: Sequence[Size] = (1,)) -> Looks:
        """What the network sees at several sizes, as looks at the one picture of the usual size."""
        seen = (self.at(1, finer=True) if size == FINER else self.at(float(size)) for size in sizes)
        return Looks(tuple(map(self._of_picture, seen)), tuple(1 if s == FINER else float(s) for s in sizes))

    def _of_picture(self, prediction: Prediction) -> Prediction:
        """The same cells, drawn onto the picture: at another size the network saw the photograph anew."""
        size, seen = (self.side, self.side), prediction.geometry.input_size
        scale = (seen[0] / self.side, seen[1] / self.side)
        return replace(prediction, image=self.picture, geometry=Geometry(size, seen, scale, (0, 0)))

    def _predict(self, scale: float, finer: bool) -> Prediction:
        side = round(self.side * scale)
        preprocessing = replace(self.model.preprocessing, resize_size=side, crop_size=side)
        model = finer_grid(self.model) if finer else self.model
        return replace(model, preprocessing=preprocessing).predict(resized(self.photo, side), "squash")

    def labels(self, **cut: Any) -> Labels:
        """Superpixels of the picture; 100 by SLIC unless `cut` says otherwise."""
        cut = cut if "segmenter" not in cut else {"segments": None, **cut}
        return self.remembered(  # type: ignore[no-any-return]
            ("labels", *sorted(cut.items())), lambda: patches(self.picture, **cut)
        )

    def probability(self) -> ScoreFunction:
        """From pictures to the probability of the target; the same picture is asked for once."""
        ask = class_probability(self.model, self.target, BATCH)

        def score(pictures: NDArray[np.uint8]) -> Values:
            keys = [hash(picture.tobytes()) for picture in pictures]
            new = [i for i, key in enumerate(keys) if key not in self.scores]
            if new:
                found = ask(pictures[new])
                self.scores |= {keys[i]: float(p) for i, p in zip(new, found, strict=True)}
            return np.array([self.scores[key] for key in keys])

        return score

    def fresh(self) -> Case:
        """The same with no explanation prepared, so that an explanation's cost can be measured."""
        return replace(self, memory={})

    def of(self, picture: Photo) -> Case:
        """Another picture of the same size and class, such as a masked one."""
        return replace(self, photo=picture, memory={}, scores={})


def true_class(name: str) -> int | None:
    label = SAMPLES[name].label
    return OWN_LABELS.get(name) if label is None else label


@dataclass(eq=False)
class Lab:
    """A network and the half of the photographs that it is tried on."""

    model: GapClassifier
    half: str

    @cached_property
    def singles(self) -> list[Case]:
        """Each photograph of the half, with the class that the network gives it."""
        cases = [Case(self.model, central_square(name), INPUT, 0, name) for name in HALVES[self.half]]
        return [replace(case, target=case.at(1).index(), memory={}) for case in cases]

    @cached_property
    def confident(self) -> dict[str, int]:
        """The photographs that the network gets right with a probability of at least one half."""
        found = {}
        for case in self.singles:
            best = case.fresh().at(1).score()
            if best.index == true_class(case.name) and best.probability >= 0.5:
                found[case.name] = best.index
        return found


def mosaics(lab: Lab, setting: str) -> Iterator[list[Case]]:
    """Mosaics of distinct, confidently classified photographs, no two alike: for each, one case a cell."""
    n, side, count = GRIDS[setting]
    labels = lab.confident
    if len(labels) < n * n:
        raise ValueError(
            f"{setting} needs {n * n} confident photographs; the half {lab.half!r} has {len(labels)}."
        )
    random = np.random.default_rng(n)
    taken: set[tuple[str, tuple[str, ...]]] = set()
    while count:
        names = [str(name) for name in random.permutation([*labels])[: n * n]]
        # a target and the others in their order: what a row of the results is known by
        cells = [(name, tuple(other for other in names if other != name)) for name in names]
        if not taken.isdisjoint(cells):
            continue
        taken.update(cells)
        count -= 1
        photo = mosaic([central_square(name) for name in names], n, INPUT)
        memory: dict[Hashable, Any] = {}
        yield [Case(lab.model, photo, side, labels[name], name, others, memory) for name, others in cells]


def cell_mask(case: Case, position: int) -> NDArray[np.bool_]:
    n = round((len(case.others) + 1) ** 0.5)
    centre = (np.arange(case.side) + 0.5) * n / case.side
    row, column = divmod(position, n)
    return np.asarray((centre.astype(int) == row)[:, None] & (centre.astype(int) == column)[None])
