"""From settings to an explanation and its figure, words and table, on small random networks."""

import csv
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tiny_network import tiny

from xaicore import cam, heat_map, sample_image, secam
from xaicore.explanation import Settings, explain
from xaicore.show.explained import describe, draw, render, same_units, table

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def test_explain_is_what_the_package_computes(one):
    p = one.predict(sample_image("coffee"), "full")
    by_secam = secam(p, "bee", segments=40, statistic="median", alignment="receptive_field")
    settings = Settings(segments=40, statistic="median", alignment="receptive_field", top=3)
    e = explain(p, settings, "bee")
    assert np.array_equal(e.map, by_secam.map, equal_nan=True)
    assert e.regions == by_secam.regions(top=3)
    by_cam = explain(p, Settings(method="cam"), "bee")
    assert np.array_equal(by_cam.map, heat_map(p, "bee"), equal_nan=True)
    assert by_cam.regions is None
    threshold = explain(p, Settings(top=None, threshold=0.7), "bee")
    assert threshold.regions == secam(p, "bee").regions(threshold=0.7)
    assert explain(p).target == p.score()


def test_every_explanation_is_complete(one):
    p = one.predict(sample_image("coffee"), "crop")
    for target, rival in ((0, None), (1, 4), (4, 1), ("elk", "ant")):
        e = explain(p, Settings(segments=20), target, rival)
        assert e.cells.mean() + e.bias == pytest.approx(e.target.score, abs=1e-4)
    a, b = p.score(1), p.score(4)
    e = explain(p, Settings(method="cam"), 1, 4)
    assert e.target.score == pytest.approx(a.score - b.score)
    assert e.target.probability == pytest.approx(1 / (1 + np.exp(b.score - a.score)), rel=1e-4)
    assert np.allclose(e.cells, cam(p, 1) - cam(p, 4), atol=1e-4)


def test_positive_drops_what_speaks_against(one):
    p = one.predict(sample_image("coffee"), "full")
    signed, positive = (explain(p, Settings(sign=sign), 0) for sign in ("signed", "positive"))
    assert np.array_equal(positive.map, np.maximum(signed.map, 0), equal_nan=True)
    assert positive.regions == signed.regions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "gradcam"}, "choose one of cam, secam"),
        ({"sign": "absolute"}, "signed, positive"),
        ({"segments": 0}, "at least 1"),
        ({"threshold": 0.5}, "either top="),
        ({"alignment": "left"}, "half_pixel"),
    ],
)
def test_explain_refuses(one, change, says):
    with pytest.raises(ValueError, match=says):
        explain(one.predict(sample_image("coffee")), Settings(**change))


def test_a_class_is_no_rival_of_itself(one):
    with pytest.raises(ValueError, match="the class itself"):
        explain(one.predict(sample_image("coffee")), None, "ant", "ant")


def test_units(one):
    coffee, cat = (one.predict(sample_image(name), "full") for name in ("coffee", "chelsea"))
    cams = [explain(p, Settings(method="cam")) for p in (coffee, cat)]
    assert same_units(cams)
    assert "share a colour scale" in describe(cams)
    foreign = explain(tiny(2).predict(sample_image("coffee"), "full"), Settings(method="cam"))
    assert not same_units([cams[0], foreign])
    assert "has its own colour scale" in describe([cams[0], foreign])
    for pair, bars in ((cams, 1), ([cams[0], foreign], 2)):
        figure = draw(pair)
        assert len(figure.axes) == 4 + bars
        render(figure)


def test_colours_mean_the_same_in_both_rows(one):
    """On one scale, half the evidence is drawn in the colour of half the evidence."""
    p = one.predict(sample_image("coffee"), "full")
    e = explain(p, Settings(method="cam"), 0)
    half = explain(p, Settings(method="cam", opacity=1), 0)
    object.__setattr__(half, "map", e.map / 2)
    figure = draw([e, half])
    limit = figure.axes[-1].get_xlim()[1]
    plt.close(figure)
    assert limit == pytest.approx(np.nanmax(np.abs(e.map)))


def test_table_is_csv(one):
    both = [explain(one.predict(sample_image(name), "full")) for name in ("coffee", "chelsea")]
    rows = list(csv.DictReader(io.StringIO(table(both[:1]))))
    assert [int(row["superpixel"]) for row in rows] == both[0].regions.superpixels
    rows = list(csv.DictReader(io.StringIO(table(both))))
    assert [row["map"] for row in rows] == ["A"] * len(both[0].regions) + ["B"] * len(both[1].regions)
