"""What the evaluation explains: halves, mosaics, masks, and what is asked of the network only once."""

import importlib
import sys
from collections import Counter

import numpy as np
import pytest

from benchmarks.cases import (
    GRIDS,
    HALVES,
    INPUT,
    NEITHER,
    Case,
    Lab,
    cell_mask,
    central_square,
    mosaics,
    outline_mask,
)
from xaicore.book.outlines import object_outlines
from xaicore.evaluation.removal import class_probability
from xaicore.pictures.samples import SAMPLES


@pytest.fixture(scope="module")
def lab(resnet50):
    return Lab(resnet50, "report")


@pytest.fixture
def eagle(resnet50):
    return Case(resnet50, central_square("bald_eagle"), INPUT, 22, "bald_eagle")


def test_the_halves_hold_every_photograph_once():
    told = "name a new sample photograph in NEITHER of benchmarks/cases.py"
    everyone = Counter(HALVES["choose"] + HALVES["report"] + list(NEITHER))
    assert everyone == Counter(dict.fromkeys(SAMPLES, 1)), told


def test_a_new_sample_photograph_changes_no_half(monkeypatch):
    before = {half: list(names) for half, names in HALVES.items()}
    monkeypatch.setitem(SAMPLES, "newcomer", SAMPLES["goose"])
    monkeypatch.delitem(sys.modules, "benchmarks.cases")
    assert before == importlib.import_module("benchmarks.cases").HALVES


@pytest.mark.parametrize("setting", ["2×2 at 224", "3×3 at 224"])
def test_mosaics_are_distinct_and_hold_each_photograph_where_its_mask_is(lab, setting):
    n, side, count = GRIDS[setting]
    found = list(mosaics(lab, setting))
    assert len(found) == count
    keys = [(case.name, case.others) for cells in found for case in cells]
    assert len(set(keys)) == len(keys) == count * n * n
    for position, case in enumerate(found[0]):
        rows, columns = np.nonzero(cell_mask(case, position))
        assert len(rows) == pytest.approx(side**2 / n**2, rel=0.03)
        cell = case.picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(float)
        alone = Case(case.model, central_square(case.name), cell.shape[0], case.target, case.name).picture
        difference = [np.abs(cell.mean(axis=(0, 1)) - alone.mean(axis=(0, 1))).max()]
        assert max(difference) < 3, case.name  # grey levels


def test_confident_photographs_are_right_and_sure(lab):
    for name, target in lab.confident.items():
        best = next(case for case in lab.singles if case.name == name).at(1).score()
        assert best.index == target and best.probability >= 0.5


def test_the_same_picture_is_asked_for_once(eagle, monkeypatch):
    asked = []
    forward = type(eagle.model).forward

    def counting(model, batch):
        asked.append(len(batch))
        return forward(model, batch)

    monkeypatch.setattr(type(eagle.model), "forward", counting)
    pictures = np.stack([eagle.picture, 255 - eagle.picture, eagle.picture])
    score = eagle.probability()
    first, again = score(pictures), score(pictures[::-1])
    assert sum(asked) <= 3  # not five, and none the second time
    np.testing.assert_array_equal(first, again[::-1])
    direct = class_probability(eagle.model, eagle.target)(pictures)
    np.testing.assert_allclose(first, direct, atol=1e-5)


def test_a_fresh_case_asks_again_and_another_picture_remembers_nothing(eagle):
    eagle.probability()(eagle.picture[None])
    prediction = eagle.at(1)
    assert eagle.at(1) is prediction
    assert eagle.fresh().at(1) is not prediction
    assert not eagle.of(255 - eagle.picture).scores


def test_outlines_are_cut_as_the_photograph_is():
    """A white object on black, put through the same cutting, is the mask."""
    (one, *_) = [o for o in object_outlines("bald_eagle") if "bald eagle" in o.labels]
    assert outline_mask("bald_eagle").shape == (INPUT, INPUT)
    mask = one.mask
    side = round(min(mask.shape) * 224 / 256)
    top, left = ((length - side) // 2 for length in mask.shape)
    share = mask[top : top + side, left : left + side].mean()
    assert outline_mask("bald_eagle").mean() == pytest.approx(share, abs=0.01)
