"""The evaluation's own methods: what the book's functions give, and drawings with known answers."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.cases import FINER, INPUT, Case, central_square
from benchmarks.methods import CANDIDATES, OURS, drawn, guided, in_contrast, several_cuts, variant
from benchmarks.patches import patches
from xaicore import cam, heat_map, secam
from xaicore.evaluation.randomisation import rank_correlation


@pytest.fixture(scope="module")
def case(resnet50):
    return Case(resnet50, central_square("bald_eagle"), INPUT, 22, "bald_eagle")


def test_ours_are_the_functions_of_the_book(case):
    looks = case.model.look(case.picture, (1, 2), "squash")
    expected = heat_map(looks, 22, "focus").values
    close = OURS["focus"](replace(case, photo=case.picture, memory={}), 0)
    np.testing.assert_allclose(close, expected, atol=1e-3)
    averaged = secam(looks.first, 22, labels=patches(case.picture)).map
    np.testing.assert_allclose(OURS["SeCAM"](case, 0), averaged, atol=1e-3)


def test_contrast_place_by_place_is_the_smallest_contrast_with_any_class(case):
    prediction = case.at(1)
    found = in_contrast(prediction, 22, "place by place")
    everyone = [cam(prediction, 22) - cam(prediction, c) for c in range(1000) if c != 22]
    np.testing.assert_allclose(found, np.min(everyone, axis=0), atol=1e-4)


def test_finer_grid_draws_a_like_map(case):
    maps = [drawn(case, kind=variant(None), sizes=sizes) for sizes in ((1,), (FINER,))]
    assert 0.7 < rank_correlation(*maps) < 1


def test_guided_drawing_follows_an_edge_and_keeps_a_constant(case):
    side = 112
    picture = np.zeros((side, side, 3), np.uint8)
    picture[:, 60:] = 255
    halves = replace(case, photo=picture, side=side, memory={})
    ramp = np.broadcast_to(np.clip((np.arange(side) - 40) / 40, 0, 1), (side, side))  # no edge in the map

    led = guided(halves, of=lambda case, seed: np.array(ramp))
    steps = np.abs(np.diff(led[side // 2]))
    assert steps.argmax() == 59 and steps[59] > 5 * np.median(steps[50:70])
    flat = guided(halves, of=lambda case, seed: np.full((side, side), 3.0))
    np.testing.assert_allclose(flat, 3, atol=1e-9)


def test_several_cuts_keep_the_mean(case):
    plain = OURS["CAM"](case, 0)
    assert several_cuts(case, of=OURS["CAM"]).mean() == pytest.approx(plain.mean(), rel=1e-6)


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_gives_a_finite_map(case, name):
    heat = CANDIDATES[name](case, 0)
    assert heat.shape == (INPUT, INPUT) and np.isfinite(heat).all() and np.ptp(heat) > 0
