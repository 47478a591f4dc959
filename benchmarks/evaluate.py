"""Measure every map by every protocol: `make evaluate`, or `python benchmarks/evaluate.py --help`.

One tidy table comes out, a line per number: network, protocol, setting, method, picture, its companions in a
mosaic, measure, value. It is written as the run goes on, so an interrupted run goes on where it stopped.

The photographs are split in two halves once and for all. What is chosen, such as the scales of `focus`, is
chosen on `choose`; what the book reports comes from `report`.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from controls import CONTROLS
from networks import load_efficientnet_lite0
from numpy.typing import NDArray
from PIL import Image
from rivals import RIVALS, max_sensitivity, road_curve
from tqdm import tqdm

from xaicore import GapClassifier, Prediction, gap_classifier, load_resnet50, mosaic, sample_image
from xaicore.cam import Floats, cam, upsample
from xaicore.evaluation import (
    adcc,
    area_under,
    blurred,
    cascading_randomisation,
    class_probability,
    irof,
    overlap_at_area,
    pointing_hit,
    positive_share,
    rank_correlation,
    removal_curve,
)
from xaicore.focus import agreement, contrast_map
from xaicore.images import SAMPLES, Photo
from xaicore.outlines import object_mask, outlines
from xaicore.results import COLUMNS, RESULTS
from xaicore.secam import paint, superpixel_scores
from xaicore.superpixels import superpixels

INPUT = 224
FRACTIONS = np.array([0, 0.03, 0.08, 0.15, 0.25, 0.4, 0.55, 0.75, 1])
ROAD_FRACTIONS = np.array([0.1, 0.3, 0.5])

# Classes that the four photographs without an ImageNet label do show; the rocket's isn't among the 1,000.
OWN_LABELS = {"chelsea": 285, "coffee": 967, "motorcycle": 665}
NAMES = [*SAMPLES]
CHOOSE = "bull_mastiff beaker strawberry jeep_sepia bottlecap loafer cannon dalmatian leafhopper chelsea"
CHOOSE += " spoonbill rocket"
HALVES = {"choose": CHOOSE.split(), "report": [name for name in NAMES if name not in CHOOSE.split()]}

# setting: pictures a side, side of the input in pixels, how many mosaics
GRIDS = {
    "2×2 at 224": (2, 224, 24),
    "2×2 at 448": (2, 448, 14),
    "3×3 at 224": (3, 224, 10),
    "3×3 at 672": (3, 672, 6),
}

# --- what is explained -----------------------------------------------------------------------------------


def central_square(name: str) -> Photo:
    """The square that the usual preprocessing shows the network, at the photograph's own resolution."""
    photo = sample_image(name)
    side = round(min(photo.shape[:2]) * 224 / 256)
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    return photo[top : top + side, left : left + side]


def resized(photo: Photo, side: int) -> Photo:
    return np.array(Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR))


@dataclass
class Case:
    """A square picture, the class to explain, and what the network says of it at each size, asked once."""

    model: GapClassifier
    photo: Photo
    side: int
    target: int
    name: str
    others: tuple[str, ...] = ()
    known: dict[float, Prediction] = field(default_factory=dict)

    @property
    def picture(self) -> Photo:
        """What the network sees at the usual size, (side, side, 3)."""
        return resized(self.photo, self.side)

    def at(self, scale: float) -> Prediction:
        if scale not in self.known:
            side = round(self.side * scale)
            usual = replace(self.model.preprocessing, resize_size=side, crop_size=side)
            model = replace(self.model, preprocessing=usual)
            self.known[scale] = model.predict(resized(self.photo, side), resize="squash")
        return self.known[scale]

    def fresh(self) -> Case:
        """The same with nothing known, so that an explanation's cost can be measured."""
        return replace(self, known={})

    def of(self, picture: Photo) -> Case:
        """Another picture of the same size and class, such as a masked one."""
        return replace(self, photo=picture, known={})


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
        return [replace(case, target=case.at(1).index(), known={}) for case in cases]

    @cached_property
    def confident(self) -> dict[str, int]:
        """The photographs that the network gets right with a probability of at least one half."""
        found = {}
        for case in self.singles:
            best = case.fresh().at(1).score()
            if best.index == true_class(case.name) and best.probability >= 0.5:
                found[case.name] = best.index
        return found


def mosaics(lab: Lab, setting: str) -> list[list[Case]]:
    """Mosaics of distinct, confidently classified photographs: for each, one case a cell."""
    n, side, count = GRIDS[setting]
    labels = lab.confident
    if len(labels) < n * n:
        raise SystemExit(
            f"{setting} needs {n * n} confident photographs; the half {lab.half!r} has {len(labels)}."
        )
    random = np.random.default_rng(n)
    found = []
    for _ in range(count):
        names = [str(name) for name in random.permutation([*labels])[: n * n]]
        photo = mosaic([central_square(name) for name in names], n, INPUT)
        known: dict[float, Prediction] = {}  # one mosaic is one picture, whichever class is asked for
        found.append(
            [
                Case(lab.model, photo, side, labels[name], name, tuple(o for o in names if o != name), known)
                for name in names
            ]
        )
    return found


def cell_mask(case: Case, position: int) -> NDArray[np.bool_]:
    n = round((len(case.others) + 1) ** 0.5)
    centre = (np.arange(case.side) + 0.5) * n / case.side
    row, column = divmod(position, n)
    return np.asarray((centre.astype(int) == row)[:, None] & (centre.astype(int) == column)[None])


def outline_mask(name: str, side: int = INPUT) -> NDArray[np.bool_]:
    """The outline of the photograph's objects, cut and resized as the photograph is."""
    mask = object_mask(name)
    square = round(min(mask.shape) * 224 / 256)
    top, left = ((length - square) // 2 for length in mask.shape)
    cut = mask[top : top + square, left : left + square]
    return resized((cut * 255).astype(np.uint8), side) > 127


# --- the methods -----------------------------------------------------------------------------------------

Method = Callable[[Case, int], Floats]


def plain(case: Case, seed: int = 0) -> Floats:
    return upsample(cam(case.at(1), case.target), (case.side, case.side))


def focused(
    case: Case, seed: int = 0, *, contrast: str | None = "rivals", scales: tuple[float, ...]
) -> Floats:
    size = (case.side, case.side)
    return agreement([upsample(contrast_map(case.at(s), case.target, contrast), size) for s in scales])


def averaged(case: Case, seed: int = 0, *, of: Method = plain, **cut: object) -> Floats:
    heat = of(case, seed)
    labels = superpixels(case.picture, **({"segments": 100} if "method" not in cut else {}) | cut)  # type: ignore[arg-type]
    return paint(superpixel_scores(heat, labels), labels)


def other(explain: Callable[[GapClassifier, Photo, int, int], Floats], case: Case, seed: int = 0) -> Floats:
    """A rival or a control, which takes the picture at the input's size."""
    return explain(case.model, case.picture, case.target, seed)


SCALES = (1, 2)
focus = partial(focused, scales=SCALES)
OURS: dict[str, Method] = {
    "CAM": plain,
    "SeCAM": averaged,
    "contrast": partial(focused, scales=(1,)),
    "scales": partial(focused, contrast=None, scales=SCALES),
    "focus": focus,
    "focus, superpixels": partial(averaged, of=focus),
}
CHEAP = ("Grad-CAM", "Grad-CAM++", "HiResCAM", "LayerCAM", "Eigen-CAM")
OTHERS = {name: partial(other, explain) for name, explain in (CONTROLS | RIVALS).items()}
VARIANTS: dict[str, Method] = {
    **{f"SeCAM, {n} segments": partial(averaged, segments=n) for n in (25, 50, 200, 400)},
    **{f"SeCAM, compactness {c:g}": partial(averaged, compactness=c) for c in (1, 30)},
    "SeCAM, Felzenszwalb": partial(averaged, method="felzenszwalb"),
}
CANDIDATES: dict[str, Method] = {
    f"{contrast or 'no contrast'}, scales {scales}": partial(focused, contrast=contrast, scales=scales)
    for contrast in (None, "others", "rivals")
    for scales in ((1,), (1, 1.5), (1, 2))
}

# --- the protocols: each yields units of work ------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """One method on one case: `run()` gives {measure: value}."""

    protocol: str
    setting: str
    method: str
    case: Case
    run: Callable[[], dict[str, float]]

    @property
    def key(self) -> tuple[str, ...]:
        return (self.protocol, self.setting, self.method, self.case.name, "+".join(self.case.others))


def grid(lab: Lab, methods: dict[str, Method], setting: str, limit: int | None) -> Iterator[Unit]:
    """The grid pointing game. `limit`: so many mosaics, and of each the first cell alone."""
    for cells in mosaics(lab, setting)[:limit]:
        for position, case in enumerate(cells[: 1 if limit else None]):
            mask = cell_mask(case, position)
            for name, method in methods.items():

                def run(
                    case: Case = case, method: Method = method, mask: NDArray[np.bool_] = mask
                ) -> dict[str, float]:
                    return {"positive share": positive_share(method(case, 0), mask)}

                yield Unit("grid pointing game", setting, name, case, run)


def single(lab: Lab, methods: dict[str, Method], limit: int | None, kept: bool) -> Iterator[Unit]:
    """Cost, outlines, deletion, insertion and, if `kept`, average drop, increase and ADCC, of one map."""
    for case in lab.singles[:limit]:
        for name, method in methods.items():
            yield Unit("single photographs", "224", name, case, partial(judge, case, method, kept))


def judge(case: Case, method: Method, kept: bool) -> dict[str, float]:
    case = case.fresh()
    forward = min(seconds(lambda: case.model.forward(batch_of(case)))[0] for _ in range(3))
    with counted() as passes:
        taken, heat = seconds(lambda: method(case, 0))
    found = {"passes": passes[0], "time in passes": taken / forward, "seconds": taken}
    if any(case.model.categories[case.target] in outline.labels for outline in outlines(case.name)):
        mask = outline_mask(case.name)
        found["outline: positive share"] = positive_share(heat, mask)
        found["outline: pointing hit"] = pointing_hit(heat, mask, tolerance=INPUT * 15 / 500)
        found["outline: overlap at matched area"] = overlap_at_area(heat, mask)
        found["outline: area"] = float(mask.mean())
    score = class_probability(case.model, case.target)
    picture, blur = case.picture, blurred(case.picture)
    gone = removal_curve(score, picture, heat, blur, FRACTIONS)
    put = removal_curve(score, picture, heat, blur, FRACTIONS, insertion=True)
    found["deletion"], found["insertion"] = area_under(gone, FRACTIONS), area_under(put, FRACTIONS)
    if kept:
        shares = adcc(score, lambda masked: method(case.of(masked), 0), picture, heat)
        found |= {"average drop": shares.drop, "increase": shares.increase, "ADCC": shares.adcc}
        found["complexity"], found["coherency"] = shares.complexity, shares.coherency
    return found


def road(lab: Lab, methods: dict[str, Method], limit: int | None) -> Iterator[Unit]:
    """ROAD as grad-cam combines it: half of (least relevant first − most relevant first), mean score each."""
    for case in lab.singles[:limit]:
        for name, method in methods.items():

            def run(case: Case = case, method: Method = method) -> dict[str, float]:
                score, heat = class_probability(case.model, case.target), method(case, 0)
                curves = [
                    road_curve(score, case.picture, heat, ROAD_FRACTIONS, most_important_first=first)
                    for first in (True, False)
                ]
                return {"ROAD": float(np.mean(curves[1] - curves[0]) / 2)}

            yield Unit("ROAD", "224", name, case, run)


def removal_of_features(lab: Lab, methods: dict[str, Method], limit: int | None) -> Iterator[Unit]:
    """IROF on the superpixels that SeCAM averages over: it can't tell a map from its own averages."""
    for case in lab.singles[:limit]:
        for name, method in methods.items():

            def run(case: Case = case, method: Method = method) -> dict[str, float]:
                labels = superpixels(case.picture, 100)
                score = class_probability(case.model, case.target)
                return {"IROF": irof(score, case.picture, method(case, 0), labels)}

            yield Unit("IROF", "100 segments", name, case, run)


def sensitivity(lab: Lab, methods: dict[str, Method], limit: int | None) -> Iterator[Unit]:
    for case in lab.singles[:limit]:
        for name, method in methods.items():

            def run(case: Case = case, method: Method = method) -> dict[str, float]:
                def explain(model: GapClassifier, picture: Photo, c: int, seed: int) -> Floats:
                    return method(case.of(picture), seed)

                return {"max-sensitivity": max_sensitivity(explain, case.model, case.picture, case.target)}

            yield Unit("max-sensitivity", "224", name, case, run)


def randomisation(lab: Lab, methods: dict[str, Method], limit: int | None) -> Iterator[Unit]:
    """How like the trained network's map the map of a network with untrained top layers is, signed."""
    layers = ["fc", "layer4", "layer3", "layer2", "layer1", "conv1"]

    @cache
    def untrained(depth: int) -> GapClassifier:
        *_, (_, network) = cascading_randomisation(lab.model.network, layers[: depth + 1])
        return gap_classifier(network, preprocessing=lab.model.preprocessing, categories=lab.model.categories)

    for depth, layer in enumerate(layers):
        for case in lab.singles[:limit]:
            for name, method in methods.items():

                def run(case: Case = case, method: Method = method, depth: int = depth) -> dict[str, float]:
                    spoilt = replace(case, model=untrained(depth), known={})
                    return {"rank correlation": rank_correlation(method(case, 0), method(spoilt, 0))}

                yield Unit("randomisation", layer, name, case, run)


def stability(lab: Lab, methods: dict[str, Method], limit: int | None) -> Iterator[Unit]:
    """Rank correlation of two runs of the same method that differ in the seed alone."""
    for case in lab.singles[:limit]:
        for name, method in methods.items():

            def run(case: Case = case, method: Method = method) -> dict[str, float]:
                return {
                    "rank correlation": rank_correlation(method(case.fresh(), 1), method(case.fresh(), 2))
                }

            yield Unit("two seeds", "224", name, case, run)


# --- measuring -------------------------------------------------------------------------------------------


def batch_of(case: Case) -> torch.Tensor:
    return case.model.preprocessing.normalise(case.picture)[None]


def seconds(work: Callable[[], Floats]) -> tuple[float, Floats]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many pictures go into any network inside the `with` block: a list of one number."""
    passes = [0]

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Conv2d) and module.in_channels == 3:  # each network's first layer
            passes[0] += len(inputs[0])

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    try:
        yield passes
    finally:
        hook.remove()


def plan(model: GapClassifier, quick: bool) -> Iterator[Unit]:
    """The whole evaluation of ResNet50, what matters most first."""
    lab = Lab(model, "report")
    localisers = OURS | {name: OTHERS[name] for name in CONTROLS}
    few = {name: OURS[name] for name in ("CAM", "SeCAM", "focus")}
    cheap = {name: OTHERS[name] for name in CHEAP}
    if quick:
        yield from grid(lab, few, "2×2 at 224", 2)
        yield from single(lab, few, 2, kept=True)
        yield from removal_of_features(lab, {name: few[name] for name in ("CAM", "SeCAM")}, 1)
        yield from stability(lab, few, 1)
        return
    for setting, (_, side, _) in GRIDS.items():  # the controls, once a cell, would take hours on large inputs
        yield from grid(lab, localisers if side == INPUT else OURS, setting, None)
    yield from single(lab, OURS | {name: OTHERS[name] for name in CONTROLS} | cheap, None, kept=True)
    for setting in ("2×2 at 224", "2×2 at 448"):
        yield from grid(lab, cheap, setting, GRIDS[setting][2])
    yield from grid(lab, VARIANTS, "2×2 at 224", None)
    yield from single(lab, VARIANTS, 6, kept=False)
    yield from removal_of_features(lab, few | {"random map": OTHERS["random map"]}, 4)
    some = ("random map", "centred blob", "Grad-CAM++", "LayerCAM")
    yield from road(lab, OURS | {name: OTHERS[name] for name in some}, 4)
    yield from randomisation(lab, {n: OURS[n] for n in ("CAM", "SeCAM", "contrast", "focus")}, 6)
    yield from sensitivity(lab, few | {"Grad-CAM": OTHERS["Grad-CAM"]}, 6)
    yield from stability(lab, few, 3)


def plan_costly(model: GapClassifier) -> Iterator[Unit]:
    """The rivals that take hundreds of passes, on few photographs."""
    lab = Lab(model, "report")
    sampled = ("LIME", "KernelSHAP", "occlusion", "integrated gradients", "XRAI")
    yield from single(lab, {name: OTHERS[name] for name in sampled}, 4, kept=False)
    yield from stability(lab, {"LIME": OTHERS["LIME"]}, 2)
    yield from single(lab, {"Score-CAM": OTHERS["Score-CAM"]}, 2, kept=False)
    yield from grid(lab, {name: OTHERS[name] for name in sampled[:3]}, "2×2 at 224", 2)


def plan_choice(model: GapClassifier) -> Iterator[Unit]:
    """What the settings of `focus` were chosen by, on the other half of the photographs."""
    lab = Lab(model, "choose")
    for setting in ("2×2 at 224", "2×2 at 448", "3×3 at 672"):
        yield from grid(lab, CANDIDATES, setting, None)
    yield from single(lab, CANDIDATES, None, kept=False)


def plan_second_network(model: GapClassifier) -> Iterator[Unit]:
    few = {name: OURS[name] for name in ("CAM", "SeCAM", "contrast", "scales", "focus", "focus, superpixels")}
    lab = Lab(model, "report")
    for setting, (n, *_) in GRIDS.items():
        if len(lab.confident) >= n * n:
            yield from grid(lab, few, setting, None)
    yield from single(lab, few, None, kept=False)


# --- the run ---------------------------------------------------------------------------------------------


def run(network: str, units: Iterator[Unit], file: Path, stop_after: float | None = None) -> None:
    """Work off the units that the file doesn't hold yet, and append each as soon as it is done."""
    done = set()
    if file.exists():
        with file.open(newline="") as old:
            done = {tuple(row[c] for c in COLUMNS[:6]) for row in csv.DictReader(old)}
    todo: dict[tuple[str, ...], Unit] = {}
    for unit in units:
        if (network, *unit.key) not in done:
            todo.setdefault(unit.key, unit)  # mosaics that differ in the target's place alone count once
    start = time.perf_counter()
    with file.open("a", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        if not done:
            writer.writerow(COLUMNS)
        for unit in tqdm(todo.values(), desc=network, unit="unit", smoothing=0.05, disable=None):
            if stop_after and time.perf_counter() - start > stop_after:
                print(f"Stopped after {stop_after / 60:.0f} minutes; run again to go on.", file=sys.stderr)
                return
            for measure, value in unit.run().items():
                writer.writerow([network, *unit.key, measure, f"{value:.6g}"])
            out.flush()


def environment(models: dict[str, GapClassifier]) -> dict[str, object]:
    names = (
        "torch torchvision numpy scipy scikit-image grad-cam captum lime saliency efficientnet-lite-pytorch"
    )
    return {
        "finished": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in names.split()},
        "weights": {name: str(model.provenance) for name, model in models.items()},
        "halves": HALVES,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="folder of the tables (default: the book's)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few pictures and methods, to see that it works"
    )
    parser.add_argument("--choose", action="store_true", help="only what the settings were chosen by")
    parser.add_argument("--minutes", type=float, help="stop after so many; run again to go on")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    limit = args.minutes and args.minutes * 60
    models = {"ResNet50": load_resnet50()}
    run(
        "ResNet50",
        plan_choice(models["ResNet50"]) if not args.quick else iter(()),
        args.out / "choice.csv",
        limit,
    )
    table = args.out / "evaluation.csv"
    if not args.choose:
        run("ResNet50", plan(models["ResNet50"], args.quick), table, limit)
    if not (args.choose or args.quick):
        models["EfficientNet-Lite0"] = load_efficientnet_lite0()
        units = plan_second_network(models["EfficientNet-Lite0"])
        run("EfficientNet-Lite0", units, table, limit)
        run("ResNet50", plan_costly(models["ResNet50"]), table, limit)
    if not (args.choose or args.quick):  # a part of the run must not replace the record of the whole
        text = json.dumps(environment(models), indent=1, ensure_ascii=False)
        (args.out / "environment.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
