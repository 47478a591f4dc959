"""Every control of the playground in a real browser, held against what xaicore says."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from playground_page import agrees, expected, page, seen
from playground_window import (
    Hand,
    Window,
    part,
    pixels,
    root_of,
    set_state,
    start_of,
    state_of,
    summary,
    wait_for,
)
from playground_window import folder as folder  # the fixtures
from playground_window import play as play
from playground_window import window as window
from test_browser import DESKTOP, PHONE
from test_browser import browser as browser  # the fixture

from xaicore import average, heat_map, superpixels
from xaicore.playground.codes import error_bound
from xaicore.playground.controls import as_link
from xaicore.playground.page import playground
from xaicore.playground.picture import draw

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
        wait_for(page, "state.kind === 'cam'")
        assert state_of(page) == start_of(play)
        agrees(play, seen(page))


def use_cam_controls(page, hand, play):
    eagle = play.predictions[1]
    hand.radio(part(page, "photos"), 1)
    wait_for(page, "photo.name === 'bald eagle'")
    told = seen(page)
    assert told["state"]["target"] == eagle.index()
    agrees(play, told)

    hand.pick(part(page, "target"), "zeb")
    told = seen(page)
    assert told["state"]["target"] == eagle.index("zebra")
    agrees(play, told)
    hand.pick(part(page, "target"), "a", nth=2)  # with the arrow keys, where it is the keyboard's turn
    options = [row for row in np.argsort(-eagle.scores) if row in play.classes]
    options = [c for c in options if "a" in eagle.categories[c].lower()]
    told = seen(page)
    assert told["state"]["target"] == options[2]
    agrees(play, told)
    hand.pick(part(page, "target"), "bald eagle")

    use_kinds(page, hand, play, eagle)

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


def use_kinds(page, hand, play, eagle):
    own = eagle.index()
    assert part(page, "against").is_hidden()
    hand.radio(part(page, "kind"), "contrast")
    told = seen(page)
    assert (told["state"]["kind"], told["state"]["against"]) == ("contrast", "rivals")
    want = agrees(play, told)
    assert abs(want["score"] - heat_map(eagle, own, "contrast").total) < 1e-3
    assert told["told"]["title"] == "contrast: bald eagle, not its 10 strongest rivals"
    assert "difference of the scores" in root_of(page).inner_text()
    hand.pick(part(page, "against"), "the other classes")
    told = seen(page)
    assert told["state"]["against"] == "others"
    want = agrees(play, told)
    assert abs(want["score"] - heat_map(eagle, own, "contrast", "others").total) < 1e-3
    hand.pick(part(page, "against"), "kite")
    told = seen(page)
    assert told["state"]["against"] == eagle.index("kite")
    want = agrees(play, told)
    assert abs(want["score"] - (eagle.scores[own] - eagle.scores[eagle.index("kite")])) < 1e-3
    hand.radio(part(page, "kind"), "focus")
    told = seen(page)
    assert told["told"]["title"] == "focus: bald eagle, not kite"
    agrees(play, told)
    for text in (*told["told"].values(), root_of(page).inner_text()):
        assert not re.search("adds .* to the|units of the score|evidence", text)
    hand.press(summary(page, "feature maps"))
    assert "Focus needs all feature maps" in root_of(page).inner_text()
    hand.press(summary(page, "feature maps"))
    hand.pick(part(page, "target"), "kite")  # a class that was the rival can't stay its own
    assert state_of(page)["against"] == "rivals"
    agrees(play, seen(page))
    hand.pick(part(page, "target"), "bald eagle")
    hand.radio(part(page, "kind"), "cam")


def use_secam_controls(page, hand, play):
    hand.box(part(page, "regions"))
    told = seen(page)
    assert told["state"]["regions"] is True
    assert told["told"]["title"] == "SeCAM: bald eagle"
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
    assert 0.1 <= told["state"]["threshold"] <= 0.4
    agrees(play, told)
    hand.radio(part(page, "choose"), "top")
    agrees(play, seen(page))
    hand.slide(part(page, "top"), 0.4)
    told = seen(page)
    assert 5 <= told["state"]["top"] <= 12 and len(told["chosen"]) == told["state"]["top"]
    agrees(play, told)
    # the table of the package itself, where nothing is switched off
    view = play.predictions[1]
    regions = average(heat_map(view), superpixels(view.image, 50)).regions(top=told["state"]["top"])
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
    assert 0.2 <= state_of(page)["opacity"] <= 0.55
    hand.box(part(page, "regions"))
    hand.radio(part(page, "sign"), "positive")
    told = seen(page)
    negative = (np.array(told["map"]) < 0).sum()
    assert f"Hidden: {negative} of {len(told['map'])} cells speak against it" in told["told"]["unit"]
    hand.box(part(page, "cells"))
    assert state_of(page)["cells"] is True
    agrees(play, told)


# One state for each value of each control, each different from the first, and some that go together.
LOOKS_LIKE = [
    {},
    {"target": "zebra"},
    {"photo": 2},
    {"kind": "contrast"},
    {"kind": "contrast", "against": "others"},
    {"kind": "contrast", "against": "bull mastiff"},
    {"kind": "focus"},
    {"kind": "focus", "against": "bull mastiff"},
    {"keep": 20},
    {"off": tuple(range(0, 2048, 2))},
    {"regions": True},
    {"regions": True, "segments": 25},
    {"regions": True, "statistic": "max"},
    {"regions": True, "statistic": "median"},
    {"regions": True, "view": "outline"},
    {"regions": True, "view": "cutout"},
    {"regions": True, "view": "cutout", "threshold": 0.8},
    {"regions": True, "view": "cutout", "choose": "top"},
    {"regions": True, "view": "cutout", "choose": "top", "top": 12},
    {"regions": True, "kind": "focus", "view": "cutout"},
    {"colours": "orange-purple"},
    {"colours": "teal-brown"},
    {"opacity": 0.3},
    {"sign": "positive"},
    {"cells": True},
    {"cells": True, "sign": "positive", "colours": "teal-brown", "opacity": 1.0, "keep": 300},
]
LOSSES = 6.0  # mean distance, of 255, that two JPEGs and 8 bits make at most: white lines suffer most


def test_the_static_picture_is_the_browsers(window, play):
    """For every value of every control: no other state's picture is as near to what the browser draws."""
    static, browsers = [], []
    with window() as page:
        for state in LOOKS_LIKE:
            one = play.another(**state)
            embedded = BeautifulSoup(one._repr_html_(), "html.parser").select_one("img")["src"]
            jpeg = Image.open(io.BytesIO(base64.b64decode(embedded.partition(",")[2])))
            static.append(np.array(jpeg.convert("RGB")).astype(int))
            link = as_link(one.state, play.controls)
            root_of(page).evaluate("(root, link) => root.playground.restore(link)", link)
            assert part(page, "notice").is_hidden()
            browsers.append(pixels(page))
            drawn = draw(one.looks[one.state["photo"]], one.state)
            assert np.abs(drawn - browsers[-1]).mean() < 2.5, state  # one JPEG, that of the photograph
    for i, seen_there in enumerate(browsers):
        apart = [np.abs(p - seen_there).mean() if p.shape == seen_there.shape else np.inf for p in static]
        assert apart[i] < LOSSES, LOOKS_LIKE[i]
        assert min(apart[:i] + apart[i + 1 :]) > apart[i], LOOKS_LIKE[i]


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

        set_state(page, regions=True)
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
    shifted = playground(signed, segments=(25,), names=["shifted"])
    (tmp_path / "signed.html").write_text(page(shifted))
    with Window(browser, tmp_path / "signed.html") as opened:
        agrees(shifted, seen(opened))
        set_state(opened, keep=100)
        agrees(shifted, seen(opened))
