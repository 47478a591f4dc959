"""The outlines of the objects in the sample photographs: sound polygons, and better than chance."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models import ResNet50_Weights

from xaicore.book.outlines import (
    Outline,
    Polygon,
    drawing_agreement,
    object_mask,
    object_outlines,
    record,
    redrawn,
)
from xaicore.maps.cells import cam
from xaicore.maps.drawing import upsample
from xaicore.networks.gap import GapClassifier
from xaicore.pictures.samples import SAMPLES, sample_image

CATEGORIES = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
SECOND = [second for _, second in redrawn()]
EVERY = [*object_outlines(), *SECOND]


def ident(outline: Outline) -> str:
    again = " again" if outline in SECOND else ""
    return f"{outline.photo}: {outline.name}{again}"


def area(polygon: Polygon) -> float:
    """The shoelace formula."""
    x, y = np.array(polygon).T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def crossings(polygon: Polygon) -> int:
    """How many pairs of sides that aren't neighbours meet."""
    p = np.array(polygon)
    q = np.roll(p, -1, axis=0)

    def side(a, b, c):  # the sign of the area of every triangle abc
        (ax, ay), (bx, by), (cx, cy) = a.T, b.T, c.T
        return np.sign((bx - ax)[:, None] * (cy - ay[:, None]) - (by - ay)[:, None] * (cx - ax[:, None]))

    n = len(p)
    apart = np.abs(np.subtract.outer(range(n), range(n)))
    strangers = (apart > 1) & (apart < n - 1)
    straddles = side(p, q, p) * side(p, q, q) < 0
    return int((straddles & straddles.T & strangers).sum()) // 2


def test_a_bow_tie_crosses_itself() -> None:
    assert crossings(((0, 0), (4, 4), (4, 0), (0, 4))) == 1
    assert crossings(((0, 0), (4, 0), (4, 4), (0, 4))) == 0


# --- what is in the file -------------------------------------------------------------------------------


def test_every_sample_has_an_outline_and_there_are_enough() -> None:
    assert {outline.photo for outline in object_outlines()} == set(SAMPLES)
    assert len(object_outlines()) >= 25
    names = [(outline.photo, outline.name) for outline in object_outlines()]
    assert len(set(names)) == len(names)


def test_the_record_says_who_when_and_how() -> None:
    assert {"who", "when", "how", "coordinates", "rules", "precision"} == record().keys()
    assert all(record().values())


def test_labels_are_classes_and_the_photos_own_comes_first() -> None:
    for outline in object_outlines():
        assert set(outline.labels) <= set(CATEGORIES), ident(outline)
    for photo, sample in SAMPLES.items():
        if sample.label is not None:
            assert object_outlines(photo)[0].labels[0] == CATEGORIES[sample.label]


@pytest.mark.parametrize("photo", SAMPLES)
def test_sizes_are_the_photos(photo: str) -> None:
    assert {outline.size for outline in EVERY if outline.photo == photo} == {sample_image(photo).shape[:2]}


@pytest.mark.parametrize("outline", EVERY, ids=ident)
def test_polygons_are_sound(outline: Outline) -> None:
    height, width = outline.size
    for polygon in (*outline.polygons, *outline.holes):
        x, y = np.array(polygon).T
        assert len(polygon) >= 4
        assert crossings(polygon) == 0
        assert x.min() >= -0.5 and x.max() <= width - 0.5
        assert y.min() >= -0.5 and y.max() <= height - 0.5
        assert all(a != b for a, b in pairwise((*polygon, polygon[0])))
    drawn = sum(map(area, outline.polygons)) - sum(map(area, outline.holes))
    assert drawn > 0.0025 * height * width
    # Pixels are counted by their centres, which in the smallest objects leaves some to chance.
    assert outline.mask.sum() == pytest.approx(drawn, rel=0.02, abs=25)
    assert outline.share == outline.mask.sum() / (height * width)


@pytest.mark.parametrize("outline", EVERY, ids=ident)
def test_holes_lie_inside_and_polygons_apart(outline: Outline) -> None:
    one = [Outline("", "", (), outline.size, (p,)).mask for p in outline.polygons]
    assert sum(mask.astype(int) for mask in one).max() == 1
    for hole in outline.holes:
        inside = Outline("", "", (), outline.size, (hole,)).mask
        assert (inside & np.any(one, axis=0)).sum() >= 0.97 * inside.sum()


# --- reading it ----------------------------------------------------------------------------------------


def test_the_mask_of_a_class_joins_its_instances_and_no_others() -> None:
    dog, *mushrooms = object_outlines("dalmatian")
    assert (object_mask("dalmatian") == dog.mask).all()
    assert (object_mask("dalmatian", "bolete") == np.any([m.mask for m in mushrooms], axis=0)).all()
    berries = object_outlines("strawberry")
    assert len(berries) == 9
    assert object_mask("strawberry").sum() == sum(berry.mask.sum() for berry in berries)


def test_what_is_not_outlined_is_an_error_that_says_what_is() -> None:
    with pytest.raises(KeyError, match=r"'unicorn'.*bull_mastiff"):
        object_outlines("unicorn")
    with pytest.raises(KeyError, match=r"'tabby'.*dalmatian.*bolete"):
        object_mask("dalmatian", "tabby")


@given(height=st.integers(2, 40), width=st.integers(2, 40), data=st.data())
def test_the_area_of_a_rectangle_with_whole_corners_is_not_biased(height: int, width: int, data) -> None:
    top, left = data.draw(st.integers(0, height - 2)), data.draw(st.integers(0, width - 2))
    bottom, right = data.draw(st.integers(top + 1, height - 1)), data.draw(st.integers(left + 1, width - 1))
    square = ((left, top), (right, top), (right, bottom), (left, bottom))
    assert Outline("", "", (), (height, width), (square,)).mask.sum() == area(square)


@given(height=st.integers(2, 40), width=st.integers(2, 40), data=st.data())
def test_the_mask_of_a_rectangle_of_whole_pixels_is_that_rectangle(height: int, width: int, data) -> None:
    """x runs to the right and y down, and a pixel's centre has whole coordinates."""
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    x0, x1, y0, y1 = left - 0.5, right - 0.5, top - 0.5, bottom - 0.5
    square = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    expected = np.zeros((height, width), bool)
    expected[top:bottom, left:right] = True
    assert (Outline("", "", (), (height, width), (square,)).mask == expected).all()
    assert not Outline("", "", (), (height, width), (square,), holes=(square,)).mask.any()


# --- how well two drawings agree -----------------------------------------------------------------------


@settings(max_examples=30)
@given(radius=st.integers(8, 25), shift=st.integers(0, 5))
def test_agreement_of_shifted_discs_is_known(radius: int, shift: int) -> None:
    y, x = np.mgrid[-40:41, -40:41]
    a, b = (x**2 + y**2 <= radius**2), ((x - shift) ** 2 + y**2 <= radius**2)
    overlap, distance = drawing_agreement(a, b)
    # The lens that two discs of one radius share.
    lens = 2 * radius**2 * math.acos(shift / (2 * radius)) - shift / 2 * math.sqrt(4 * radius**2 - shift**2)
    assert overlap == pytest.approx(lens / (2 * math.pi * radius**2 - lens), abs=0.03)
    # All round the circle a point is |shift · cos| away from the other one, whose mean is 2/π.
    assert distance == pytest.approx(2 / math.pi * shift, abs=0.35)
    assert drawing_agreement(b, a) == pytest.approx((overlap, distance))
    if shift == 0:
        assert (overlap, distance) == (1, 0)


def test_agreement_refuses_what_has_no_edge() -> None:
    full, empty = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    some = np.eye(4, dtype=bool)
    for a, b in ((some, empty), (some, full), (some, np.ones((4, 5), bool))):
        with pytest.raises(ValueError, match="mask"):
            drawing_agreement(a, b)


def test_the_second_drawings_agree_with_the_first() -> None:
    """The thin frame of a chair is the worst in overlap, though its edges are as near as the others'."""
    found = {second.photo: drawing_agreement(first.mask, second.mask) for first, second in redrawn()}
    assert len(found) == 5
    for first, second in redrawn():
        assert first.polygons != second.polygons, "a copy, not a second drawing"
    assert min(overlap for overlap, _ in found.values()) > 0.85
    assert min(overlap for photo, (overlap, _) in found.items() if photo != "folding_chair") > 0.94
    assert max(distance for _, distance in found.values()) < 1.5


# --- against the network, which has never seen them ------------------------------------------------------


def test_cam_finds_the_outlined_objects_better_than_chance(resnet50: GapClassifier) -> None:
    """A map spread evenly has, inside the outline, the outline's share of the area. The outline turned upside
    down has that share too, and is as near to the middle: it shows what place alone would give.
    """
    photos = list(SAMPLES)[::3]  # a third of them, for the time it takes
    above_share = above_turned = 0
    for photo in photos:
        mask = object_mask(photo)
        prediction = resnet50.predict(sample_image(photo), resize="squash")
        evidence = np.maximum(upsample(cam(prediction, object_outlines(photo)[0].labels[0]), mask.shape), 0)
        inside = evidence[mask].sum() / evidence.sum()
        above_share += inside > mask.mean()
        above_turned += inside > evidence[mask[::-1, ::-1]].sum() / evidence.sum()
    assert above_share >= 7, f"{above_share} of {len(photos)}"
    assert above_turned >= 6, f"{above_turned} of {len(photos)}"
