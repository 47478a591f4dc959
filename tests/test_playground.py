"""The playground: what it carries and how exactly, and every control in a real browser against xaicore."""

import base64
import dataclasses
import io
import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

import nbformat
import numpy as np
import playground_page
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_samples import book
from PIL import Image
from playground_page import agrees, expected, page, seen
from scipy.ndimage import binary_dilation
from test_browser import DESKTOP, PHONE, VIEWS, barriers
from test_browser import browser as browser  # the fixture
from test_notebooks import RULES

from xaicore import sample_image, secam, superpixels
from xaicore.maps.cells import class_activation_map
from xaicore.pictures.geometry import fit
from xaicore.playground.page import START, as_seen, playground
from xaicore.playground.quantise import dequantise, error_bound, quantise
from xaicore.show.painting import cut_out, overlay

ROOT = Path(__file__).resolve().parents[1]

# --- eight bits ----------------------------------------------------------------------------------------

values = st.one_of(st.just(0.0), st.floats(1e-12, 1e6), st.floats(-1e6, -1e-12))
rows = arrays(np.float64, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=values)


@given(rows, st.sampled_from([8, 16]))
def test_a_code_is_off_by_half_a_step_at_most(exact, bits):
    coded = quantise(exact, bits)
    assert coded.codes.dtype.itemsize * 8 == bits
    half = coded.scale.astype(float).reshape(-1, *[1] * (exact.ndim - 1)) / 2
    assert (np.abs(dequantise(coded) - exact) <= half * (1 + 1e-6)).all()


@given(rows)
def test_without_negative_values_zero_stays_zero(exact):
    coded = quantise(np.abs(exact))
    assert (coded.offset == 0).all()
    assert (dequantise(coded)[exact == 0] == 0).all()


@st.composite
def networks(draw):
    """Feature maps (K, h, w), with or without a sign, and class weights (C, K)."""
    K, C, h, w = (draw(st.integers(1, n)) for n in (12, 3, 3, 3))
    signed = draw(st.booleans())
    f = draw(arrays(np.float32, (K, h, w), elements=st.floats(-3 if signed else 0, 30, width=32)))
    return f, draw(arrays(np.float32, (C, K), elements=st.floats(-2, 2, width=32)))


@given(networks())
@settings(max_examples=200)
def test_the_error_stays_within_the_bound(network):
    f, w = network
    exact = class_activation_map(f.astype(float), w.astype(float))
    rounded = class_activation_map(dequantise(quantise(f)), dequantise(quantise(w, 16)))
    bound = error_bound(f, w)
    assert bound.shape == exact.shape
    assert (np.abs(rounded - exact) <= bound * (1 + 1e-6) + 1e-9).all()
    off = np.abs(rounded.mean(axis=(1, 2)) - exact.mean(axis=(1, 2)))
    assert (off <= bound.mean(axis=(1, 2)) * (1 + 1e-6) + 1e-9).all()


def test_the_bound_can_be_reached():
    """A value halfway between two codes, a weight of 1 that has no error: the bound is the error."""
    f = np.array([[[255.0, 0.5]]])
    w = np.array([[1.0]])
    rounded = class_activation_map(dequantise(quantise(f)), dequantise(quantise(w, 16)))
    error = np.abs(rounded - class_activation_map(f, w))[0, 0]
    assert error[1] == pytest.approx(0.5)
    assert error_bound(f, w)[0, 0, 1] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("bad", [np.ones(3), np.array([[np.nan, 1]]), np.array([[np.inf, 1]])])
def test_what_cannot_be_coded(bad):
    with pytest.raises(ValueError, match="finite"):
        quantise(bad)


def test_other_bad_arrays():
    with pytest.raises(ValueError, match="8 or 16"):
        quantise(np.ones((2, 2)), bits=4)
    with pytest.raises(ValueError, match="don't fit"):
        error_bound(np.ones((3, 2, 2)), np.ones((1, 4)))


def test_real_photographs_lose_little(resnet50, chelsea):
    """The bound is useful: below 2% of the map's largest value, and the real error far below it."""
    f, c = chelsea.feature_maps, [chelsea.index()]
    w = chelsea.class_weights[c]
    exact = class_activation_map(f.astype(float), w.astype(float))
    rounded = class_activation_map(dequantise(quantise(f)), dequantise(quantise(w, 16)))
    bound = error_bound(f, w).max()
    assert np.abs(rounded - exact).max() < bound < 0.02 * np.abs(exact).max()


# --- what the page carries -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(once_per_run, resnet50):
    return once_per_run("playground", lambda folder: playground_page.make(folder, resnet50))


@pytest.fixture(scope="module")
def play(folder):
    return pickle.loads((folder / "play.pickle").read_bytes())


@pytest.mark.parametrize("resize", ["crop", "squash", "full"])
@pytest.mark.parametrize("size", [(300, 451), (512, 512), (451, 300), (683, 1024)])
def test_the_picture_is_the_part_that_the_network_saw(chelsea, resize, size):
    rng = np.random.default_rng(0)
    photo = np.array(Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).resize(size[::-1], 3))
    picture, geometry = fit(photo, resize)
    h, w = (side // 32 for side in picture.shape[:2])
    f = np.zeros((2048, h, w), np.float32)
    one = dataclasses.replace(chelsea, image=photo, input_image=picture, geometry=geometry, feature_maps=f)
    view = as_seen(one)
    assert view.image.shape[0] % h == 0 and view.image.shape[1] % w == 0
    assert view.geometry.seen().all()
    small = np.array(Image.fromarray(view.image).resize(picture.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(small.astype(int) - picture).mean() < 4


def test_a_padded_photograph_is_refused(resnet50):
    padded = resnet50.predict(sample_image("chelsea"), resize="pad")
    with pytest.raises(ValueError, match='resize="crop"'):
        playground(padded)


def test_each_photograph_is_small(play):
    for photo in json.loads(play.data)["photos"]:
        assert len(json.dumps(photo)) <= 400_000
    assert len(play.another()._repr_html_()) < 100_000  # the data are there once


def test_the_top_classes_and_absent_ones_are_offered(play):
    for one in play.predictions:
        assert {row.index for row in one.top(10)} <= set(play.classes)
    zebra = play.predictions[0].index("zebra")
    assert zebra in play.classes
    assert all(one.score(zebra).probability < 1e-3 for one in play.predictions)


def test_html_is_the_same_each_time(resnet50):
    one = resnet50.predict(sample_image("coffee"))
    first, second = (playground(one, segments=(25,), top=3) for _ in range(2))
    assert first._repr_html_() == second._repr_html_()
    assert first.another(mode="secam")._repr_html_() == second.another(mode="secam")._repr_html_()


def test_in_colab_each_output_carries_the_data(play, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert play.data in play.another()._repr_html_()


def test_what_a_terminal_shows(play):
    assert "3 photographs (dog and cat, bald eagle, strawberry)" in repr(play)


def test_without_scripts_there_is_a_picture_with_a_caption(play):
    for one in (play, play.another(mode="secam", view="cutout", photo=1, choose="top")):
        static = BeautifulSoup(one._repr_html_(), "html.parser").select_one(".xai-play-static")
        assert len(static.img["alt"]) > 20
        assert "run this cell" in static.p.text
    c, rival = (row.index for row in play.predictions[0].top(2))
    contrast = play.another(target=c, rival=rival)._repr_html_()
    assert " minus " in BeautifulSoup(contrast, "html.parser").select_one(".xai-play-static img")["alt"]


@pytest.mark.parametrize(
    "state, says",
    [
        ({"colour": 1}, "No control"),
        ({"photo": "moon"}, "choose one of dog and cat"),
        ({"photo": 3}, "photo=3"),
        ({"target": "moon"}, "No class"),
        ({"target": "corkscrew"}, "not offered"),
        ({"rival": "corkscrew"}, "not offered"),
        ({"mode": "lime"}, "cam, secam"),
        ({"segments": 7}, "25, 50, 100"),
        ({"keep": 0}, "from 1 to 2048"),
        ({"opacity": 200}, "from 10 to 100"),
        ({"off": (5000,)}, "0 to 2047"),
    ],
)
def test_a_state_that_the_controls_do_not_have(play, state, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        play.another(**state)


def test_bad_arguments(chelsea):
    with pytest.raises(ValueError, match="one prediction"):
        playground([])
    with pytest.raises(ValueError, match="one prediction"):
        playground(["chelsea.png"])
    with pytest.raises(ValueError, match="different names"):
        playground([chelsea, chelsea], names=["cat", "cat"])
    with pytest.raises(ValueError, match="different numbers"):
        playground(chelsea, segments=())
    with pytest.raises(ValueError, match="top=0"):
        playground(chelsea, top=0)
    other = dataclasses.replace(chelsea, class_weights=chelsea.class_weights * 2)
    with pytest.raises(ValueError, match="different networks"):
        playground([chelsea, other])


# --- in the browser ------------------------------------------------------------------------------------


class Window:
    """A page with playgrounds in a window of its own, without network, and a note of what goes wrong."""

    def __init__(self, browser, file, theme="light", size=DESKTOP, touch=False, address="", **options):
        self.complaints = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, has_touch=touch, **options
        )
        self.context.set_default_timeout(10_000)
        self.context.route(re.compile(r"^(?!file:|data:|blob:)"), lambda route: route.abort())
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        self.page.on(
            "request",
            lambda r: re.match("file:|data:|blob:", r.url) or self.complaints.append(r.url),
        )
        self.page.goto(file.as_uri() + address)
        if options.get("java_script_enabled", True):
            for root in self.page.locator(".xai-play").all():
                root.locator(".xp-body").wait_for()
            self.page.wait_for_function(
                "[...document.querySelectorAll('.xai-play')].every(root => root.playground.result)"
            )

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_):
        self.context.close()
        if kind is None:
            assert self.complaints == []


@pytest.fixture
def window(browser, folder):
    def opened(name="one", **options):
        return Window(browser, folder / f"{name}.html", **options)

    return opened


def root_of(page, nth=0):
    return page.locator(".xai-play").nth(nth)


def part(page, name, nth=0):
    return root_of(page, nth).locator(f"[data-part={name}]")


def state_of(page, nth=0):
    return seen(page, nth)["state"]


class Hand:
    """Uses controls in one way: by mouse, by keyboard, or by touch."""

    def __init__(self, page, way):
        self.page, self.way = page, way

    def press(self, target):
        """A button, a summary, an option of a list."""
        if self.way == "mouse":
            target.click()
        elif self.way == "touch":
            target.tap()
        else:
            target.focus()
            assert target.evaluate("node => node === document.activeElement")
            self.page.keyboard.press("Enter")

    def radio(self, group, value):
        if self.way == "keyboard":
            group.locator("input:checked").focus()
            for _ in range(group.locator("input").count()):
                if group.locator("input:checked").get_attribute("value") == str(value):
                    return
                self.page.keyboard.press("ArrowRight")
            raise AssertionError(f"the arrow keys never reach {value}")
        label = group.locator(f"label:has(input[value='{value}'])")
        label.click() if self.way == "mouse" else label.tap()

    def box(self, target):
        if self.way == "keyboard":
            target.focus()
            self.page.keyboard.press("Space")
        elif self.way == "mouse":
            target.click()
        else:
            target.tap()

    def slide(self, target, share):
        """Bring a slider near a share of its length."""
        if self.way == "keyboard":
            target.focus()
            self.page.keyboard.press("Home")
            low, high, step = (float(target.get_attribute(a) or 1) for a in ("min", "max", "step"))
            for _ in range(round(share * (high - low) / step)):
                self.page.keyboard.press("ArrowRight")
            return
        target.scroll_into_view_if_needed()
        size = target.bounding_box()
        place = {"x": 8 + share * (size["width"] - 16), "y": size["height"] / 2}
        target.click(position=place) if self.way == "mouse" else target.tap(position=place)

    def pick(self, field, typed, nth=0):
        """A class, by typing a part of its name and choosing among what is left."""
        box = field.get_by_role("combobox")
        if self.way == "keyboard":
            box.focus()
            self.page.keyboard.press("Control+a")
            self.page.keyboard.type(typed)
            for _ in range(nth):
                self.page.keyboard.press("ArrowDown")
            self.page.keyboard.press("Enter")
            return
        box.click() if self.way == "mouse" else box.tap()
        box.fill(typed)
        option = field.get_by_role("option").nth(nth)
        option.click() if self.way == "mouse" else option.tap()


HANDS = [
    ("mouse", DESKTOP, "light"),
    ("mouse", PHONE, "dark"),
    ("keyboard", DESKTOP, "dark"),
    ("keyboard", PHONE, "light"),
    ("touch", DESKTOP, "light"),
    ("touch", PHONE, "dark"),
]


@pytest.mark.parametrize("way, size, theme", HANDS, ids=[f"{w}-{s[0]}-{t}" for w, s, t in HANDS])
def test_every_control(window, play, way, size, theme):
    with window(size=size, theme=theme, touch=way == "touch") as page:
        hand = Hand(page, way)
        use_cam_controls(page, hand, play)
        use_secam_controls(page, hand, play)
        use_looks(page, hand, play)
        hand.press(part(page, "reset"))
        wait_for(page, "state.mode === 'cam'")
        first = play.predictions[0]
        want = {**START, "photo": 0, "target": first.index(), "segments": 100, "off": []}
        assert state_of(page) == want
        agrees(play, seen(page))


def summary(page, text):
    return root_of(page).locator("summary", has_text=text)


def use_cam_controls(page, hand, play):
    eagle = play.predictions[1]
    hand.radio(part(page, "photos"), 1)
    wait_for(page, "photo.name === 'bald eagle'")
    told = seen(page)
    assert told["state"]["target"] == eagle.index()
    agrees(play, told)

    hand.pick(part(page, "class"), "zeb")
    told = seen(page)
    assert told["state"]["target"] == eagle.index("zebra")
    agrees(play, told)
    hand.pick(part(page, "class"), "a", nth=2)  # with the arrow keys, where it is the keyboard's turn
    options = [row for row in np.argsort(-eagle.scores) if row in play.classes]
    options = [c for c in options if "a" in eagle.categories[c].lower()]
    told = seen(page)
    assert told["state"]["target"] == options[2]
    agrees(play, told)
    hand.pick(part(page, "class"), "bald eagle")

    hand.press(summary(page, "Compare"))
    hand.pick(part(page, "versus"), "kite")
    told = seen(page)
    assert told["state"]["rival"] == eagle.index("kite")
    want = agrees(play, told)
    assert abs(want["score"] - (eagle.scores[eagle.index()] - eagle.scores[eagle.index("kite")])) < 1e-3
    assert "difference of the scores" in root_of(page).inner_text()
    hand.pick(part(page, "versus"), "no second")
    assert state_of(page)["rival"] is None

    hand.press(summary(page, "feature maps"))
    strongest = np.argsort(-np.abs(agrees(play, seen(page))["contributions"]), kind="stable")
    boxes = part(page, "maps").locator("input")
    assert [int(box.get_attribute("value")) for box in boxes.all()] == strongest[:12].tolist()
    hand.box(boxes.nth(0))
    hand.box(boxes.nth(2))
    told = seen(page)
    assert told["state"]["off"] == sorted([int(strongest[0]), int(strongest[2])])
    agrees(play, told)
    hand.box(part(page, "maps").locator("input").nth(2))
    assert state_of(page)["off"] == [strongest[0]]
    agrees(play, seen(page))
    hand.slide(part(page, "keep"), 0.5)
    told = seen(page)
    assert 10 <= told["state"]["keep"] <= 200
    assert told["told"]["maps"].startswith(f"{told['active']} of 2,048")
    agrees(play, told)
    hand.press(part(page, "allOn"))
    told = seen(page)
    assert (told["state"]["off"], told["state"]["keep"]) == ([], None)
    agrees(play, told)


def use_secam_controls(page, hand, play):
    hand.radio(part(page, "mode"), "secam")
    told = seen(page)
    assert told["state"]["mode"] == "secam"
    agrees(play, told)
    hand.press(summary(page, "Superpixels and choice"))
    for n in (25, 50):
        hand.radio(part(page, "segments"), n)
        told = seen(page)
        assert told["state"]["segments"] == n
        agrees(play, told)
        view = play.predictions[told["state"]["photo"]]
        labels = root_of(page).evaluate("(root, n) => [...root.playground.photo.labels[n].label]", n)
        assert (np.array(labels) == superpixels(view.image, n).ravel()).all()
    for statistic in ("max", "median", "mean"):
        hand.radio(part(page, "statistic"), statistic)
        told = seen(page)
        assert told["state"]["statistic"] == statistic
        agrees(play, told)
    hand.slide(part(page, "threshold"), 0.2)
    told = seen(page)
    assert 10 <= told["state"]["threshold"] <= 40
    agrees(play, told)
    hand.radio(part(page, "choose"), "top")
    agrees(play, seen(page))
    hand.slide(part(page, "top"), 0.4)
    told = seen(page)
    assert 5 <= told["state"]["top"] <= 12 and len(told["chosen"]) == told["state"]["top"]
    agrees(play, told)
    # the table of the package itself, where nothing is switched off
    view = play.predictions[1]
    regions = secam(view, "bald eagle", segments=50).regions(top=told["state"]["top"])
    assert abs(regions.area - told["area"]) < 0.02 and abs(regions.evidence - told["evidence"]) < 0.02
    for view in ("outline", "cutout", "heat"):
        hand.radio(part(page, "view"), view)
        assert state_of(page)["view"] == view
    told = seen(page)
    assert f"Chosen: {told['state']['top']}" in told["told"]["regions"]


def use_looks(page, hand, play):
    canvas = part(page, "canvas")
    hand.press(summary(page, "Colours"))
    before = canvas.evaluate("c => c.toDataURL()")
    for name in ("orange-purple", "teal-brown"):
        hand.radio(part(page, "colours"), name)
        assert state_of(page)["colours"] == name
        now = canvas.evaluate("c => c.toDataURL()")
        assert now != before
        before = now
    hand.slide(part(page, "opacity"), 0.3)
    assert 20 <= state_of(page)["opacity"] <= 55
    hand.radio(part(page, "mode"), "cam")
    hand.radio(part(page, "sign"), "positive")
    told = seen(page)
    negative = (np.array(told["map"]) < 0).sum()
    assert f"Hidden: {negative} of {len(told['map'])} cells speak against it" in told["told"]["unit"]
    hand.box(part(page, "cells"))
    assert state_of(page)["cells"] is True
    agrees(play, told)


def pixels(page, nth=0):
    data = part(page, "canvas", nth).evaluate("c => c.toDataURL().split(',')[1]")
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def wait_for(page, condition):
    """Until something holds of the first playground on the page."""
    page.wait_for_function(f"document.querySelector('.xai-play').playground.{condition}")


def set_state(page, nth=0, **state):
    root_of(page, nth).evaluate("(root, state) => root.playground.change(state)", state)


def test_pictures_are_those_of_the_package(window, play):
    """Colours as xaicore.show.overlay lays them, up to what JPEG changes in the photograph beneath."""
    with window() as page:
        view = play.predictions[0]
        want = expected(play, state_of(page))
        limit = np.abs(want["heat"]).max()
        assert np.abs(pixels(page) - overlay(view.image, want["heat"])).mean() < 2.5
        set_state(page, cells=True)
        side = view.image.shape[0] // want["map"].shape[0]
        blocks = np.kron(want["map"], np.ones((side, side)))
        assert np.abs(pixels(page) - overlay(view.image, blocks, limit)).mean() < 2.5
        set_state(page, mode="secam")
        away = np.ones(view.image.shape[:2], dtype=bool)  # from the white outlines
        for axis in (0, 1):
            for step in (-1, 1):
                away &= want["labels"] == np.roll(want["labels"], step, axis)
        painted = overlay(view.image, want["secam"], limit)
        assert np.abs(pixels(page) - painted)[away].mean() < 2.5
        set_state(page, view="cutout")
        mask = np.isin(want["labels"], want["chosen"])
        assert np.abs(pixels(page) - cut_out(view.image, mask)).mean() < 4
        set_state(page, view="outline")
        yellow = (pixels(page) == (255, 220, 0)).all(axis=2)
        assert yellow.any() and not yellow[~_near(mask)].any()


def _near(mask, steps=3):
    """Within a few pixels of the border of the mask's regions, or inside."""
    return binary_dilation(mask, iterations=steps)


def test_pointing(window, play):
    """Cells and superpixels tell value and share: by pointer and by arrow keys."""
    with window() as page:
        canvas, readout = part(page, "canvas"), part(page, "readout")
        root_of(page).scroll_into_view_if_needed()
        size = canvas.bounding_box()
        want = expected(play, state_of(page))
        M = want["map"]

        def cell(row, column):
            value = M[row, column]
            share = value / M.size / want["score"]
            return f"Row {row + 1}, column {column + 1}: ", value, share

        def reads(told):
            start, value, share = told
            text = readout.inner_text().replace("−", "-")
            assert text.startswith(start)
            assert abs(float(re.search(r": (-?[\d.]+)", text)[1]) - value) <= want["bound"] + 0.005
            assert abs(float(re.search(r"(-?[\d.]+)% of it", text)[1]) / 100 - share) < 0.01

        canvas.hover(position={"x": size["width"] * 9.5 / 14, "y": size["height"] * 2.5 / 7})
        reads(cell(2, 9))
        canvas.focus()
        steps = {"Left": (2, 8), "Down": (3, 8), "Right": (3, 9), "Up": (2, 9)}
        for key, place in steps.items():
            page.keyboard.press(f"Arrow{key}")
            reads(cell(*place))
        page.keyboard.press("Home")
        reads(cell(*np.unravel_index(M.argmax(), M.shape)))
        page.keyboard.press("Escape")
        assert readout.inner_text().startswith("Point at the picture")

        set_state(page, mode="secam")
        canvas.hover(position={"x": size["width"] * 0.75, "y": size["height"] * 0.5})
        told = seen(page)
        height, width = want["labels"].shape
        s = want["labels"][height // 2, int(0.75 * width)]
        assert told["told"]["readout"].startswith(f"Superpixel {s} (")
        shown = re.search(r": ([\d.−]+), ([\d.]+)% of the picture; adds ([\d.−]+)", told["told"]["readout"])
        assert abs(float(shown[1].replace("−", "-")) - want["scores"][s]) <= want["bound"] + 0.005
        area = (want["labels"] == s).mean()
        assert abs(float(shown[2]) / 100 - area) < 0.001
        assert abs(float(shown[3].replace("−", "-")) - want["scores"][s] * area) < 0.05
        canvas.focus()
        before = s
        for key, axis, sign in (("Left", 1, -1), ("Up", 0, -1), ("Right", 1, 1), ("Down", 0, 1)):
            page.keyboard.press(f"Arrow{key}")
            now = int(re.match(r"Superpixel (\d+)", readout.inner_text())[1])
            centres = [np.argwhere(want["labels"] == one).mean(axis=0)[axis] for one in (before, now)]
            assert sign * (centres[1] - centres[0]) > 0
            before = now


def test_tapping_the_picture(window, play):
    with window(touch=True, size=PHONE) as page:
        canvas = part(page, "canvas")
        size = canvas.bounding_box()
        canvas.tap(position={"x": size["width"] * 3.5 / 14, "y": size["height"] * 4.5 / 7})
        assert part(page, "readout").inner_text().startswith("Row 5, column 4")


def test_what_eight_bits_cost_is_told(window, play):
    """The page's own bound is the computed one, and the error it tells is the true one."""
    with window() as page:
        for photo, view in enumerate(play.predictions):
            root_of(page).evaluate("(root, i) => root.playground.choosePhoto(i)", photo)
            wait_for(page, f"photo.name === '{play.names[photo]}'")
            for c in play.classes[::5]:
                set_state(page, target=c)
                told = seen(page)
                line = re.search(r"at most (\S+), in fact (\S+)\.$", told["told"]["exact"])
                bound, error = float(line[1]), float(line[2])
                computed = error_bound(view.feature_maps, view.class_weights[[c]]).mean()
                assert computed <= bound * 1.05 and bound <= computed * 1.06
                assert error == pytest.approx(abs(told["score"] - view.scores[c]), rel=0.06, abs=1e-5)
                assert error <= bound


def test_a_signed_network_too(browser, play, tmp_path):
    """Feature maps below zero, as of a network without ReLU at its end, go by an offset."""
    one = play.predictions[1]
    f = one.feature_maps - np.linspace(0, 0.4, 2048, dtype=np.float32)[:, None, None]
    scores = (one.class_weights @ f.mean(axis=(1, 2)) + one.bias).astype(np.float32)
    signed = dataclasses.replace(one, feature_maps=f, scores=scores)
    shifted = playground(signed, segments=(25,), top=3, names=["shifted"])
    (tmp_path / "signed.html").write_text(page(shifted))
    with Window(browser, tmp_path / "signed.html") as opened:
        agrees(shifted, seen(opened))
        set_state(opened, keep=100)
        agrees(shifted, seen(opened))


# --- links, saving, company ----------------------------------------------------------------------------


def test_a_link_brings_the_state_back(window, browser, folder, play):
    with window() as page:
        set_state(
            page, mode="secam", segments=50, statistic="max", choose="top", top=7, view="outline",
            colours="teal-brown", opacity=45, sign="positive", cells=True, keep=300, off=[3, 12],
            rival=play.predictions[0].index("zebra"),
        )  # fmt: skip
        part(page, "copy").click()
        link = part(page, "link").input_value()
        state = state_of(page)
        assert page.url == link
    file, _, address = link.partition("#")
    assert file == (folder / "one.html").as_uri()
    with window(address=f"#{address}") as page:
        assert state_of(page) == state
        agrees(play, seen(page))
        part(page, "reset").click()
        assert state_of(page) != state
        page.evaluate("location.hash = ''")
        page.evaluate("address => { location.hash = address }", address)
        wait_for(page, "state.mode === 'secam'")
        assert state_of(page) == state
        part(page, "reset").click()
        summary(page, "Link").click()
        part(page, "link").fill(link)
        part(page, "link").press("Enter")
        wait_for(page, "state.mode === 'secam'")
        assert state_of(page) == state
    assert play.another(**{**state, "off": tuple(state["off"])}).state == {**state, "off": (3, 12)}


@pytest.mark.parametrize(
    "query", ["photo=99&target=abc&mode=x&keep=-3&off=a,9999&top=1e9", "photo=&target=&segments="]
)
def test_a_broken_link_is_no_harm(window, play, query):
    name = play.key
    with window(address=f"#play={name}&{query}") as page:
        first = play.predictions[0]
        assert state_of(page) == {**START, "photo": 0, "target": first.index(), "segments": 100, "off": []}


def test_saving_gives_a_png(window, play):
    with window() as page:
        with page.expect_download() as download:
            part(page, "save").click()
        name = play.predictions[0].top(1)[0].name
        assert download.value.suggested_filename == f"cam-{name.lower().replace(' ', '-')}.png"
        picture = Image.open(download.value.path())
        assert picture.format == "PNG"
        height, width = play.predictions[0].image.shape[:2]
        assert picture.size[0] == width and picture.size[1] > height
        saved = np.array(picture.convert("RGB"))[36 : 36 + height].astype(int)
        assert np.abs(saved - pixels(page)).max() <= 1


def test_several_on_a_page_leave_each_other_alone(window, play):
    with window("several") as page:
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
        assert len(ids) == len(set(ids))
        assert [state_of(page, i)["mode"] for i in range(3)] == ["cam", "secam", "cam"]
        hidden = [seen(page, i) for i in (1, 2)]
        Hand(page, "mouse").pick(part(page, "class"), "zebra")
        Hand(page, "mouse").radio(part(page, "mode"), "secam")
        assert [seen(page, i) for i in (1, 2)] == hidden
        names = page.evaluate("[...document.querySelectorAll('.xai-play')].map(root => root.playground.name)")
        assert len(set(names)) == 3
        button = page.locator("button.xai-play-go")
        button.click()
        wait_for(page, "photo.name === 'strawberry'")
        state = state_of(page)
        assert (state["mode"], state["view"]) == ("secam", "cutout")
        assert [seen(page, i) for i in (1, 2)] == hidden
        agrees(play, seen(page))


def test_class_names_are_text(browser, play, tmp_path):
    """Not markup, in whatever place they stand."""
    name = "</script><img src=x onerror=alert(1)> & \"quoted\" 'so'"
    view = play.predictions[1]
    names = list(view.categories)
    names[view.index()] = name
    odd = playground(dataclasses.replace(view, categories=tuple(names)), segments=(25,), top=2, names=["<b>"])
    html = odd._repr_html_()
    assert name not in html and "<b>" not in html
    (tmp_path / "odd.html").write_text(page(odd), encoding="utf-8")
    with Window(browser, tmp_path / "odd.html") as opened:
        assert part(opened, "class").get_by_role("combobox").input_value() == name
        assert opened.locator("img[src=x]").count() == 0


# --- for everyone --------------------------------------------------------------------------------------


def test_without_scripts(window):
    with window("several", java_script_enabled=False) as page:
        pictures = page.locator(".xai-play-static img")
        assert pictures.count() == 3
        assert all(picture.is_visible() for picture in pictures.all())
        assert "this picture is a playground" in page.locator(".xai-play-static p").first.inner_text()
        assert page.locator("button.xai-play-go").is_hidden()


def test_a_browser_that_cannot_inflate_says_so(browser, folder):
    with Window(browser, folder / "one.html", java_script_enabled=False):
        pass  # the page itself opens
    context = browser.new_context()
    context.add_init_script("delete window.DecompressionStream")
    opened = context.new_page()
    opened.goto((folder / "one.html").as_uri())
    opened.get_by_text("can't start in this browser").wait_for()
    assert opened.locator(".xai-play-static img").is_visible()
    context.close()


@pytest.mark.parametrize("theme, size", VIEWS, ids=[f"{theme}-{size[0]}" for theme, size in VIEWS])
def test_accessible_and_no_wider_than_the_window(window, theme, size):
    with window("several", theme=theme, size=size) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert barriers(page) == {}
        part(page, "class").get_by_role("combobox").click()
        assert part(page, "class").get_by_role("option").count() > 10
        assert barriers(page) == {}
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        paper = root_of(page).evaluate("node => getComputedStyle(node).backgroundColor")
        dark = np.mean([int(n) for n in re.findall(r"\d+", paper)[:3]]) < 100
        assert dark == (theme == "dark")


@pytest.mark.parametrize(
    "mark, dark",
    [
        ("document.documentElement.dataset.theme = 'dark'", True),
        ("document.documentElement.dataset.theme = 'light'", False),
        ("document.body.dataset.jpThemeLight = 'false'", True),
        ("document.body.dataset.jpThemeLight = 'true'", False),
        ("document.body.className = 'vscode-dark'", True),
        ("document.body.className = 'vscode-light'", False),
        ("document.documentElement.setAttribute('theme', 'dark')", True),
        ("document.documentElement.setAttribute('theme', 'light')", False),
    ],
)
def test_the_theme_is_the_one_of_the_place(window, mark, dark):
    """Of the site, JupyterLab, VS Code or Colab, whatever the system prefers."""
    with window(theme="light" if dark else "dark") as page:
        page.evaluate(mark)
        paper = root_of(page).evaluate("node => getComputedStyle(node).backgroundColor")
        assert (np.mean([int(n) for n in re.findall(r"\d+", paper)[:3]]) < 100) == dark


def test_every_control_can_be_reached_with_tab_and_seen(window):
    """Tab goes through them all, and what has the focus shows it."""
    with window() as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        set_state(page, mode="secam")
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            one = page.evaluate(
                """() => {
                const node = document.activeElement
                if (!node.closest('.xai-play')) return null
                const shows = [node, node.nextElementSibling].some(
                    one => one && getComputedStyle(one).outlineStyle !== 'none')
                return [(node.closest('[data-part]') ?? node).dataset.part ?? node.textContent.trim(), shows]
            }"""
            )
            if one:
                reached.append(one)
        assert all(shows for _, shows in reached), [name for name, shows in reached if not shows]
        names = {name for name, _ in reached}
        wanted = {"photos", "canvas", "class", "mode", "view", "segments", "statistic", "choose", "threshold"}
        wanted |= {"versus", "keep", "maps", "colours", "sign", "opacity", "copy", "save", "reset", "link"}
        assert wanted <= names, wanted - names


def test_a_screen_reader_is_told(window, play):
    with window() as page:
        live = part(page, "live")
        assert live.get_attribute("aria-live") == "polite"
        Hand(page, "keyboard").pick(part(page, "class"), "zebra")
        wait_for(page, "parts.live.textContent.startsWith('CAM of zebra on dog and cat. Score')")
        Hand(page, "keyboard").radio(part(page, "mode"), "secam")
        wait_for(page, "parts.live.textContent.match(/^SeCAM of zebra.*superpixels. Chosen/)")


# --- where it lives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", ["03_cam", "04_secam", "playground"])
@pytest.mark.parametrize("theme, size", [VIEWS[0], VIEWS[-1]], ids=["light-1280", "dark-390"])
def test_on_the_pages_of_the_book(browser, site, chapter, theme, size):
    with Window(browser, site / f"notebooks/{chapter}.html", theme, size) as page:
        told = seen(page)
        assert told["state"]["mode"] == ("secam" if chapter == "04_secam" else "cam")
        photos = root_of(page).evaluate("root => root.playground.data.photos.length")
        assert photos >= (6 if chapter == "playground" else 2)
        Hand(page, "mouse").radio(part(page, "photos"), 1)
        wait_for(page, "state.photo === 1")
        part(page, "copy").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


PLAYED = [
    path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if "xaicore.playground" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.stem)
def test_notebooks_hold_the_present_script(path):
    """Their stamp covers Python only."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = [out for cell in cells if cell.cell_type == "code" for out in cell.outputs]
    told = "".join(out.get("data", {}).get("text/html", "") for out in outputs)
    for kind in ("js", "css"):
        assert (ROOT / f"xaicore/playground.{kind}").read_text(encoding="utf-8") in told


def test_the_playground_page_keeps_the_rules_of_notebooks():
    nb = book.read(ROOT / "notebooks/playground.ipynb")
    assert {rule.__name__: rule(nb) for rule in RULES} == {rule.__name__: [] for rule in RULES}


def test_in_a_live_jupyterlab(browser, folder, tmp_path):
    """Untrusted, the saved output is a picture; run, it is a playground."""
    html = pickle.loads((folder / "play.pickle").read_bytes())._repr_html_()
    nb = new_notebook()
    nb.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    source = "import pickle\nfrom pathlib import Path\npickle.loads(Path('play.pickle').read_bytes())"
    nb.cells = [new_code_cell(source, outputs=[new_output("display_data", {"text/html": html})])]
    nbformat.write(nb, tmp_path / "play.ipynb")
    shutil.copy(folder / "play.pickle", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path / "home"
    settings = {f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=play"]
    command += [f"--ServerApp.root_dir={tmp_path}"]
    log = (tmp_path / "log").open("wb")
    environment = {**os.environ, **settings, "JUPYTERLAB_SETTINGS_DIR": str(home), "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    try:
        wait_for_port(port, server, tmp_path / "log")
        elsewhere = re.compile(rf"^(?!https?://127\.0\.0\.1:{port}|data:|blob:)")
        context.route(elsewhere, lambda route: route.abort())
        lab = context.new_page()
        lab.set_default_timeout(150_000)  # the kernel imports torch
        lab.goto(f"http://127.0.0.1:{port}/lab/tree/play.ipynb?token=play")
        picture = lab.locator(".jp-OutputArea img").first
        picture.wait_for()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 300
        assert lab.locator(".xp-body").count() == 0
        # before there is a kernel, running would open a dialog that asks for one
        lab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        run_all(lab, lab.locator(".xp-body"))
        lab.wait_for_function("document.querySelector('.xai-play').playground?.result")
        Hand(lab, "keyboard").pick(part(lab, "class"), "zebra")
        told = seen(lab)
        play = pickle.loads((folder / "play.pickle").read_bytes())
        assert told["state"]["target"] == play.predictions[0].index("zebra")
        agrees(play, told)
        Hand(lab, "mouse").radio(part(lab, "mode"), "secam")
        agrees(play, seen(lab))
        part(lab, "canvas").focus()
        lab.keyboard.press("ArrowDown")  # Jupyter would go to the next cell
        assert part(lab, "readout").inner_text().startswith("Superpixel")
        assert part(lab, "canvas").evaluate("node => node === document.activeElement")
    finally:
        context.close()
        server.terminate()
        server.wait(20)
        log.close()


def run_all(lab, result, seconds=150):
    """Run all cells until `result` is there.

    JupyterLab says "idle" a moment before the connection to its kernel is up, and forgets what is run in that
    moment: the cell's prompt is then empty again, where it would show a star or a number.
    """
    prompt = lab.locator(".jp-InputPrompt").first
    for _ in range(seconds // 3):
        if prompt.inner_text() == "[ ]:":
            lab.get_by_role("menuitem", name="Run", exact=True).click()
            lab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        lab.wait_for_timeout(3000)
        if result.is_visible():
            return
    pytest.fail(f"JupyterLab showed no result in {seconds} seconds; the prompt is {prompt.inner_text()}")


def wait_for_port(port, server, log):
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"JupyterLab doesn't answer:\n{log.read_text()}")
