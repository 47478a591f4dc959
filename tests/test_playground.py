"""What the playground carries, and what it refuses."""

import dataclasses
import json
import re
import sys
import types

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from playground_window import folder as folder  # the fixtures
from playground_window import play as play

from xaicore import sample_image
from xaicore.networks.looks import Looks
from xaicore.pictures.geometry import fit
from xaicore.playground.page import playground
from xaicore.playground.script import join, script, style_sheet
from xaicore.playground.views import as_seen


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
    assert len(play.another()._repr_html_()) < 60_000  # the data are there once


def test_the_top_classes_and_absent_ones_are_offered(play):
    for one in play.predictions:
        assert {row.index for row in one.top(11)} <= set(play.classes)  # a class and its ten rivals
    zebra = play.predictions[0].index("zebra")
    assert zebra in play.classes
    assert all(one.score(zebra).probability < 1e-3 for one in play.predictions)


def test_html_is_the_same_each_time(resnet50):
    one = resnet50.predict(sample_image("coffee"))
    first, second = (playground(one, segments=(25,)) for _ in range(2))
    assert first._repr_html_() == second._repr_html_()
    assert first.another(regions=True)._repr_html_() == second.another(regions=True)._repr_html_()


def test_in_colab_each_output_carries_the_data(play, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert play.data in play.another()._repr_html_()


def test_what_a_terminal_shows(play):
    assert "3 photographs (dog and cat, bald eagle, strawberry)" in repr(play)


def test_without_scripts_there_is_a_picture_with_a_caption(play):
    first, second = (row.name for row in play.predictions[0].top(2))
    for state, says in [
        ({}, [f"CAM: {first}, on", "score", "probability", "Red speaks for the class, blue against it."]),
        ({"keep": 30}, ["score", "with 30 of 2,048 feature maps"]),
        ({"colours": "teal-brown", "sign": "positive"}, ["Teal speaks for the class. "]),
        (
            {"regions": True, "view": "cutout", "photo": 1, "choose": "top"},
            ["SeCAM: bald eagle, on", "score"],
        ),
        (
            {"kind": "contrast"},
            [f"contrast: {first}, not its 10 strongest rivals", "difference of the scores"],
        ),
        ({"kind": "contrast", "against": second}, [f"{first}, not {second}"]),
        ({"kind": "focus"}, [f"focus: {first}, not its 10 strongest", "adds up to no score"]),
    ]:
        html = play.another(**state)._repr_html_()
        static = BeautifulSoup(html, "html.parser").select_one(".xai-play-static")
        assert len(static.img["alt"]) > 20
        assert all(one in static.p.text for one in [*says, "where this cell is run"]), static.p.text
        assert ("speaks" in static.p.text) == (state.get("view") != "cutout")


def test_the_script_comes_only_where_somebody_is_there(play, monkeypatch):
    """What a build of the book stores is data and a picture; the site adds the script, once."""
    outputs = [play, play.another(photo=1), play.button("Go", photo=1)]
    stored = [one._repr_html_() for one in outputs]
    assert not any("xaicorePlayground" in one or "<style" in one for one in stored)
    monkeypatch.setattr("xaicore.playground.page.somebody_is_there", lambda: True)
    live = [one._repr_html_() for one in outputs]
    assert all(one.startswith(same) for one, same in zip(live, stored, strict=True))
    assert all(script() in one and style_sheet() in one for one in live[:2])
    assert "xaicorePlayground?.start()" in live[2]


def test_modules_are_joined_in_order():
    modules = {
        "start": 'import { one,\n  two } from "./numbers.js"\nexport function start() { return one + two }\n',
        "numbers": "export const one = 1\nexport const two = 2\n",
    }
    joined = join(modules)
    assert "import" not in joined and "export" not in joined
    assert joined.index("one = 1") < joined.index("function start")
    assert joined.startswith("(() => {") and joined.endswith("})()\n")


@pytest.mark.parametrize(
    "modules, says",
    [
        ({"start": "const a = 1\n", "b": "const c = 1\n"}, "No module imports b"),
        ({"start": 'import { a } from "./b.js"\n'}, "b.js is not there"),
        ({"start": 'import { a } from "./b.js"\n', "b": 'import { c } from "./start.js"\n'}, "itself"),
        ({"start": 'import * as b from "./b.js"\n', "b": "const c = 1\n"}, "import"),
        ({"start": "export default 3\n"}, "export default"),
        (
            {"start": 'import { a } from "./b.js"\nconst c = 1\n', "b": "export async function c() {}\n"},
            "both",
        ),
    ],
)
def test_modules_that_need_a_bundler(modules, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        join(modules)


def test_no_range_or_choice_is_said_twice(play):
    """The script knows the controls and what their values do, but no range, label or default."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", script(), flags=re.DOTALL)
    for control in play.controls.values():
        words = {control.label, control.help, *(control.choices or {}).values()} - {*(control.choices or {})}
        assert not [word for word in words if len(word) > 3 and re.search(rf"[\"`>]{re.escape(word)}", code)]
    assert not re.search(r"\b(min|max|step|checked|selected)=", code)


@pytest.mark.parametrize(
    "state, says",
    [
        ({"colour": 1}, "No control"),
        ({"photo": "moon"}, "choose one of dog and cat"),
        ({"photo": 3}, "photo=3"),
        ({"target": "moon"}, "No class"),
        ({"target": "corkscrew"}, "not offered"),
        ({"against": "corkscrew"}, "not offered"),
        ({"target": "zebra", "against": "zebra"}, "'zebra' can't be set against itself"),
        ({"kind": "lime"}, "cam, contrast, focus"),
        ({"kind": "focus", "photo": "strawberry"}, "needs a second look"),
        ({"kind": "focus", "keep": 100}, "needs all feature maps"),
        ({"kind": "focus", "off": (3,)}, "needs all feature maps"),
        ({"cells": 1}, "cells=1"),
        ({"off": 3}, "tuple"),
        ({"segments": 7}, "25, 50, 100"),
        ({"keep": 0}, "from 1 to 2048"),
        ({"opacity": 80}, "from 0.1 to 1"),
        ({"off": (5000,)}, "from 0 to 2047"),
    ],
)
def test_a_state_that_the_controls_do_not_have(play, state, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        play.another(**state)


def test_bad_arguments(chelsea):
    with pytest.raises(ValueError, match="looks at one photograph"):
        playground([])
    with pytest.raises(ValueError, match="looks at one photograph"):
        playground(["chelsea.png"])
    with pytest.raises(ValueError, match="two input sizes at most"):
        playground(Looks((chelsea,) * 3, (1, 2, 3)))
    with pytest.raises(ValueError, match="different names"):
        playground([chelsea, chelsea], names=["cat", "cat"])
    with pytest.raises(ValueError, match="different numbers"):
        playground(chelsea, segments=())
    with pytest.raises(ValueError, match="top=10; a class and its strongest rivals are 11"):
        playground(chelsea, top=10)
    other = dataclasses.replace(chelsea, class_weights=chelsea.class_weights * 2)
    with pytest.raises(ValueError, match="different networks"):
        playground([chelsea, other])
