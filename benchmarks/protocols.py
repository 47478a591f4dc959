"""The protocols: each yields units of work, one method on one picture.

A unit is known by its key, the first columns of the results, and `run()` gives {measure: value}.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeVar

import numpy as np
import torch

from benchmarks.cases import GRIDS, INPUT, Case, Lab, cell_mask, mosaics, outline_mask
from benchmarks.methods import Method
from benchmarks.rivals import max_sensitivity, road_curve
from xaicore import GapClassifier, gap_classifier
from xaicore.book.outlines import object_outlines
from xaicore.evaluation.localisation import overlap_at_area, pointing_hit, positive_share
from xaicore.evaluation.randomisation import cascading_randomisation, rank_correlation
from xaicore.evaluation.removal import adcc, area_under, blurred, irof, removal_curve
from xaicore.maps.cells import Floats
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import Mask

Measured = dict[str, float]
Result = TypeVar("Result")
FRACTIONS = np.array([0, 0.03, 0.08, 0.15, 0.25, 0.4, 0.55, 0.75, 1])
ROAD_FRACTIONS = np.array([0.1, 0.3, 0.5])
LAYERS = ("fc", "layer4", "layer3", "layer2", "layer1", "conv1")  # of ResNet50, from the head downwards


@dataclass(frozen=True)
class Unit:
    """One method on one case."""

    protocol: str
    setting: str
    method: str
    case: Case
    run: Callable[[], Measured]

    @property
    def key(self) -> tuple[str, ...]:
        return (self.protocol, self.setting, self.method, self.case.name, "+".join(self.case.others))

    @property
    def pictures(self) -> tuple[str, ...]:
        """What the units that share a case's memory have in common."""
        return (self.protocol, self.setting, *sorted((self.case.name, *self.case.others)))


# --- where the evidence lies -----------------------------------------------------------------------------


def grid(
    lab: Lab, methods: dict[str, Method], setting: str, limit: int | None = None, first_only: bool = False
) -> Iterator[Unit]:
    """The grid pointing game on the first `limit` mosaics, in all of their cells or the first alone."""
    for _, cells in zip(range(limit or GRIDS[setting][2]), mosaics(lab, setting), strict=False):
        for position, case in enumerate(cells[: 1 if first_only else None]):
            mask = cell_mask(case, position)
            for name, method in methods.items():
                run = partial(share_in, case, method, mask)
                yield Unit("grid pointing game", setting, name, case, run)


def share_in(case: Case, method: Method, mask: Mask) -> Measured:
    return {"positive share": positive_share(method(case, 0), mask)}


# --- one photograph: cost, outlines, removal, and what is kept -------------------------------------------


def single(
    lab: Lab, methods: dict[str, Method], limit: int | None = None, *, kept: bool = False
) -> Iterator[Unit]:
    """`kept`: average drop, increase and ADCC too."""
    for case in lab.singles[:limit]:
        for name, method in methods.items():
            run = partial(judge, case, method, kept=kept)
            yield Unit("single photographs", "224", name, case, run)


def judge(case: Case, method: Method, *, kept: bool = False) -> Measured:
    case = case.fresh()
    forward = min(seconds(lambda: case.model.forward(batch_of(case)))[0] for _ in range(3))
    with counted() as passes:
        taken, heat = seconds(lambda: method(case, 0))
    found = {"passes": passes[0], "time in passes": taken / forward}
    if any(case.model.categories[case.target] in outline.labels for outline in object_outlines(case.name)):
        mask = outline_mask(case.name)
        found["outline: positive share"] = positive_share(heat, mask)
        found["outline: pointing hit"] = pointing_hit(heat, mask, tolerance=INPUT * 15 / 500)
        found["outline: overlap at matched area"] = overlap_at_area(heat, mask)
        found["outline: area"] = float(mask.mean())
    score, picture, blur = case.probability(), case.picture, blurred(case.picture)
    gone = removal_curve(score, picture, heat, blur, FRACTIONS)
    put = removal_curve(score, picture, heat, blur, FRACTIONS, insertion=True)
    found["deletion"], found["insertion"] = area_under(gone, FRACTIONS), area_under(put, FRACTIONS)
    if kept:
        shares = adcc(score, lambda masked: method(case.of(masked), 0), picture, heat)
        found |= {"average drop": shares.drop, "increase": shares.increase, "ADCC": shares.adcc}
        found["complexity"], found["coherency"] = shares.complexity, shares.coherency
    return found


def road(lab: Lab, methods: dict[str, Method], limit: int | None = None) -> Iterator[Unit]:
    """ROAD as grad-cam combines it: half of (least relevant first − most relevant first), mean score each."""

    def run(case: Case, method: Method) -> Measured:
        score, heat = case.probability(), method(case, 0)
        most, least = (
            road_curve(score, case.picture, heat, ROAD_FRACTIONS, most_important_first=first)
            for first in (True, False)
        )
        return {"ROAD": float(np.mean(least - most) / 2)}

    for case in lab.singles[:limit]:
        for name, method in methods.items():
            yield Unit("ROAD", "224", name, case, partial(run, case, method))


def removal_of_features(lab: Lab, methods: dict[str, Method], limit: int | None = None) -> Iterator[Unit]:
    """IROF on the superpixels that SeCAM averages over: it can't tell a map from its own averages."""

    def run(case: Case, method: Method) -> Measured:
        return {"IROF": irof(case.probability(), case.picture, method(case, 0), case.labels())}

    for case in lab.singles[:limit]:
        for name, method in methods.items():
            yield Unit("IROF", "100 segments", name, case, partial(run, case, method))


# --- does it jump, and does it depend on what was learned? -----------------------------------------------


def sensitivity(lab: Lab, methods: dict[str, Method], limit: int | None = None) -> Iterator[Unit]:
    def run(case: Case, method: Method) -> Measured:
        def explain(model: GapClassifier, picture: Photo, c: int, seed: int) -> Floats:
            return method(case.of(picture), seed)

        return {"max-sensitivity": max_sensitivity(explain, case.model, case.picture, case.target)}

    for case in lab.singles[:limit]:
        for name, method in methods.items():
            yield Unit("max-sensitivity", "224", name, case, partial(run, case, method))


def randomisation(lab: Lab, methods: dict[str, Method], limit: int | None = None) -> Iterator[Unit]:
    """How like the trained network's map the map of a network with untrained top layers is, signed."""

    @cache
    def untrained(depth: int) -> GapClassifier:
        *_, (_, network) = cascading_randomisation(lab.model.network, LAYERS[: depth + 1])
        return gap_classifier(network, preprocessing=lab.model.preprocessing, categories=lab.model.categories)

    @cache
    def spoilt(depth: int, number: int) -> Case:  # one for all methods, so that they share what it says
        return replace(lab.singles[number], model=untrained(depth), memory={}, scores={})

    def run(number: int, method: Method, depth: int) -> Measured:
        trained, random = method(lab.singles[number], 0), method(spoilt(depth, number), 0)
        return {"rank correlation": rank_correlation(trained, random)}

    for depth, layer in enumerate(LAYERS):
        for number, case in enumerate(lab.singles[:limit]):
            for name, method in methods.items():
                yield Unit("randomisation", layer, name, case, partial(run, number, method, depth))


def stability(lab: Lab, methods: dict[str, Method], limit: int | None = None) -> Iterator[Unit]:
    """Rank correlation of two runs of the same method that differ in the seed alone."""

    def run(case: Case, method: Method) -> Measured:
        return {"rank correlation": rank_correlation(method(case.fresh(), 1), method(case.fresh(), 2))}

    for case in lab.singles[:limit]:
        for name, method in methods.items():
            yield Unit("two seeds", "224", name, case, partial(run, case, method))


# --- costs -----------------------------------------------------------------------------------------------


def batch_of(case: Case) -> torch.Tensor:
    return case.model.preprocessing.normalise(case.picture)[None]


def seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Time of the processor, which other programs hardly disturb; of the wall clock where a GPU works."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    result = work()
    return clock() - start, result


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
