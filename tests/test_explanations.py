"""From settings to an explanation and its figure, words and table, on small random networks."""

import csv
import hashlib
import io
import json
import tracemalloc
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_network import tiny
from torch import nn

from xaicore import HeatMap, average, cam, gap_classifier, heat_map, sample_image, secam, superpixel_scores
from xaicore.explanation import Settings, explain
from xaicore.regions.segmenters import SEGMENTERS, Segmenter
from xaicore.show.explained import describe, draw, render, same_units, table
from xaicore.show.figures import LONGEST, show_images, show_maps, show_regions
from xaicore.show.records import fingerprint, record

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def test_explain_is_what_the_package_computes(one):
    p = one.predict(sample_image("coffee"), "full")
    by_secam = secam(p, "bee", segments=40, statistic="median", alignment="receptive_field")
    settings = Settings(segments=40, statistic="median", alignment="receptive_field", top=3)
    e = explain(p, settings, target="bee")
    assert np.array_equal(e.map, by_secam.map, equal_nan=True)
    assert e.regions == by_secam.regions(top=3)
    by_cam = explain(p, segmenter=None, target="bee")
    assert np.array_equal(by_cam.map, heat_map(p, "bee").values, equal_nan=True)
    assert by_cam.regions is None and by_cam.averages is None
    threshold = explain(p, Settings(top=None, threshold=0.7), target="bee")
    assert threshold.regions == secam(p, "bee").regions(threshold=0.7)
    assert explain(p).heat.target == p.score()


@pytest.mark.parametrize("kind", ["cam", "contrast"])
@pytest.mark.parametrize("against", [None, "rivals", "others", 4])
def test_maps_in_units_of_the_score_add_up_to_it(one, kind, against):
    if kind == "cam" and against is not None:
        with pytest.raises(ValueError, match="without against="):
            Settings(kind=kind, against=against)
        return
    p = one.predict(sample_image("coffee"), "crop")
    e = explain(p, kind=kind, against=against, target=1, segments=20)
    assert e.heat.adds_up and e.averages.adds_up
    assert e.heat.cells[0].mean() + e.heat.bias == pytest.approx(e.heat.total, abs=1e-4)
    shares = e.heat.rivals
    assert e.heat.total == pytest.approx(
        p.scores[1] - sum(q * p.scores[j] for j, q in shares.items()), abs=1e-4
    )
    rivals = np.sum([q * cam(p, j) for j, q in shares.items()], axis=0) if shares else 0
    assert np.allclose(e.heat.cells[0], cam(p, 1) - rivals, atol=1e-4)


def test_an_agreement_of_sizes_is_in_no_unit_of_the_score(one, no_figure_stays_open):
    settings = Settings(kind="focus", segments=20)
    looks = settings.look(one, sample_image("coffee"))
    e = explain(looks, settings)
    assert looks.scales == (1, 2) and not e.heat.adds_up
    assert e.regions.evidence is None and {r.evidence for r in e.regions} == {None}
    assert "evidence" not in repr(e.regions) and "evidence" not in e.averages._repr_html_()
    told = describe([e])
    assert "adds up to no score" in told and "positive evidence on" not in told
    figure = draw([e])
    words = [text.get_text() for text in figure.findobj(plt.Text)]
    plt.close(figure)
    assert any("focus" in w for w in words)
    assert not any("SeCAM" in w or "units of the score" in w for w in words)


def test_what_an_average_of_maxima_holds_is_no_evidence(one):
    p = one.predict(sample_image("coffee"))
    most = explain(p, statistic="max")
    assert most.regions.evidence is None
    assert most.title.startswith("CAM by regions (max): ") and "SeCAM" not in repr(most.averages)
    assert explain(p, statistic="mean").regions.evidence == pytest.approx(
        sum(r.evidence for r in explain(p).regions)
    )


def test_positive_drops_what_speaks_against(one):
    p = one.predict(sample_image("coffee"), "full")
    signed, positive = (explain(p, Settings(sign=sign), target=0) for sign in ("signed", "positive"))
    assert np.array_equal(positive.map, np.maximum(signed.map, 0), equal_nan=True)
    assert positive.regions == signed.regions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "gradcam"}, "choose one of cam, contrast, focus"),
        ({"segmenter": "voronoi"}, "segmenter=.voronoi.; choose one of slic, "),
        ({"sign": "absolute"}, "signed, positive"),
        ({"segments": 0}, "from 1 to 5000"),
        ({"segments": 20.5}, "a whole number"),
        ({"threshold": 0.5}, "either top="),
        ({"top": None, "threshold": 1.5}, "from 0.01 to 1"),
        ({"alignment": "left"}, "half_pixel"),
        ({"against": "others"}, "kind='contrast'"),
        ({"kind": "focus"}, "model.look"),
        ({"rival": 3}, "No setting is called rival"),
    ],
)
def test_explain_refuses(one, change, says):
    with pytest.raises(ValueError, match=says):
        explain(one.predict(sample_image("coffee")), **change)


def test_a_class_is_no_rival_of_itself(one):
    with pytest.raises(ValueError, match="against itself"):
        explain(one.predict(sample_image("coffee")), kind="contrast", target="ant", against="ant")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cam", "contrast", "focus"])
@pytest.mark.parametrize("segmenter", ["felzenszwalb", None])
def test_a_record_makes_the_figure_again(one, kind, segmenter):
    settings = Settings(kind=kind, segmenter=segmenter, sign="positive", opacity=0.5, resize="pad")
    photo = sample_image("coffee")
    e = explain(settings.look(one, photo), settings, target="bee")
    text = json.dumps(record(e, "coffee.png"))
    known = json.loads(text)
    assert known["pixels_sha256"] == fingerprint(photo)
    again = Settings.of(known["settings"])
    assert render(draw([explain(again.look(one, photo), again)])) == render(draw([e]))
    with pytest.raises(ValueError, match="No setting is called colour"):
        Settings.of({**known["settings"], "colour": "red"})


def test_units(one):
    coffee, cat = (one.predict(sample_image(name), "full") for name in ("coffee", "chelsea"))
    cams = [explain(p, Settings(segmenter=None)) for p in (coffee, cat)]
    assert same_units(cams)
    assert "share a colour scale" in describe(cams)
    foreign = explain(tiny(2).predict(sample_image("coffee"), "full"), Settings(segmenter=None))
    assert not same_units([cams[0], foreign])
    assert "has its own colour scale" in describe([cams[0], foreign])
    for pair, bars in ((cams, 1), ([cams[0], foreign], 2)):
        figure = draw(pair)
        assert len(figure.axes) == 4 + bars
        render(figure)


def test_colours_mean_the_same_in_both_rows(one):
    """On one scale, half the evidence is drawn in the colour of half the evidence."""
    p = one.predict(sample_image("coffee"), "full")
    e = explain(p, Settings(segmenter=None), target=0)
    half = explain(p, Settings(segmenter=None, opacity=1), target=0)
    heat = replace(e.heat, drawing=HeatMap.of(e.map / 2, p.image, "").drawing)
    half = replace(half, heat=heat)
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


def test_numbers_from_numpy_become_plain_ones(one):
    settings = Settings(
        top=np.int64(3), segments=50.0, target=np.int64(1), kind="contrast", against=np.int64(4)
    )
    e = explain(one.predict(sample_image("coffee")), settings)
    assert len(e.regions) == 3
    assert json.loads(json.dumps(record(e, "coffee.png")))["settings"]["against"] == 4


def test_what_a_record_could_not_make_again_is_refused(one):
    p = one.predict(sample_image("coffee"))
    with pytest.raises(ValueError, match="segmenter=None"):
        explain(p, segmenter=None, labels=np.zeros(p.image.shape[:2], int))
    with pytest.raises(ValueError, match="begin at scale 2"):
        explain(one.look(p.image, (2,)))
    own = explain(p, labels=np.indices(p.image.shape[:2])[0] // 100)
    usual = explain(p)
    told = [record(e, "coffee.png")["found"]["labels_sha256"] for e in (own, usual)]
    assert told[0] != told[1] == fingerprint(usual.averages.cut.own)


def test_cells_of_a_map_of_several_looks_say_whose_they_are(one):
    settings = Settings(kind="focus", segmenter=None)
    e = explain(settings.look(one, sample_image("coffee")), settings)
    lines = table([e]).splitlines()
    assert lines[0] == "look,row,column,value"
    assert len(lines) == 1 + sum(cells.size for cells in e.heat.cells)
    found = record(e, "coffee.png")["found"]
    assert "cells" not in found and len(found["cells_of_each_look"]) == 2


def test_without_a_positive_region_a_map_that_adds_up_to_nothing_still_has_no_evidence(one):
    p = one.predict(sample_image("coffee"))
    heat = HeatMap.of(-np.ones(p.image.shape[:2]), p.image, "Grad-CAM")
    empty = average(heat, np.zeros(p.image.shape[:2], int)).regions(top=3)
    assert len(empty) == 0 and empty.evidence is None and "evidence" not in repr(empty)


def test_figures_and_tables_hold_one_sort_and_any_number(one):
    p = one.predict(sample_image("coffee"))
    with_, without = explain(p, segments=20), explain(p, segmenter=None)
    for show in (draw, table):
        with pytest.raises(ValueError, match="one segmenter="):
            show([with_, without])
    assert {line[0] for line in table([with_] * 3).splitlines()[1:]} == set("ABC")


def test_a_colour_bar_claims_no_unit_that_the_map_has_not(one):
    looks = one.look(sample_image("coffee"), (1, 2))
    cam_, focus_ = heat_map(looks), heat_map(looks, kind="focus")
    for heats, says in (
        ([cam_], "units of the score"),
        ([focus_], "agreement of two"),
        ([cam_, focus_], "value of the map"),
    ):
        figure = show_maps(looks.first.image, heats)
        assert says in figure.axes[-1].get_xlabel()
        plt.close(figure)


def test_rivals_of_one_name_are_all_in_the_record(one):
    p = one.predict(sample_image("coffee"))
    twins = replace(p, categories=tuple("crane" for _ in p.categories))
    found = record(explain(twins, kind="contrast", against="others", target=0), "coffee.png")["found"]
    assert [r["index"] for r in found["rivals"]] != [] and {r["name"] for r in found["rivals"]} == {"crane"}
    assert sum(r["share"] for r in found["rivals"]) == pytest.approx(1)
    assert "further_rivals" not in found


def test_a_record_says_what_of_the_rivals_it_leaves_out(chelsea):
    found = record(explain(chelsea, kind="contrast", against="others"), "chelsea.png")["found"]
    shares = [r["share"] for r in found["rivals"]]
    assert len(shares) == 20 and shares == sorted(shares, reverse=True)
    assert found["further_rivals"]["number"] == 999 - 20
    assert sum(shares) + found["further_rivals"]["share"] == pytest.approx(1)


def test_a_table_of_two_sorts_of_map_has_one_header(one):
    photo = sample_image("coffee")
    looks = one.look(photo, (1, 2))
    both = [explain(looks, kind=kind, segmenter=None) for kind in ("cam", "focus")]
    rows = list(csv.DictReader(io.StringIO(table(both)), strict=True))
    assert table(both).startswith("map,look,row,column,value\n")
    assert [None not in row.values() and None not in row for row in rows] == [True] * len(rows)
    assert {(row["map"], row["look"]) for row in rows} == {("A", "1"), ("B", "1"), ("B", "2")}


def test_words_of_a_comparison_say_what_differs(one):
    p = one.look(sample_image("coffee"), (1, 2))
    cam_, focus_ = (explain(p, kind=kind, segmenter=None) for kind in ("cam", "focus"))
    assert "The two maps have different units" in describe([cam_, focus_])
    foreign = explain(tiny(2).predict(sample_image("coffee"), "full"), Settings(segmenter=None))
    assert "The two networks' scores have different units" in describe([cam_, foreign])
    assert "The networks' scores have different units" in describe([cam_, cam_, foreign])
    assert "All maps are in units of one network's scores" in describe([cam_] * 3)


@pytest.mark.parametrize("name", ["cost_$5_and_$10.jpg", "$x^{_$", r"a\$b\$c", "$^$", r"\alpha_1"])
def test_names_are_drawn_as_they_stand(one, name):
    """Between two dollar signs matplotlib sees a formula, and fails or garbles it."""
    p = one.predict(sample_image("coffee"))
    named = replace(p, categories=(name, *p.categories[1:]))
    result = secam(named, 0)
    figures = [
        draw([explain(named, target=0)], [name]),
        show_regions(result, result.regions(top=1)),
        show_maps(p.image, [HeatMap.of(result.map, p.image, name)]),
    ]
    for figure in figures:
        figure.canvas.draw()
        shown = [t._preprocess_math(t.get_text()) for t in figure.findobj(plt.Text)]
        assert not any(formula for _, formula in shown)
        assert any(name in text.replace("\n", "") for text, _ in shown)
        plt.close(figure)


def test_a_checksum_of_labels_is_that_of_older_records():
    """Those were of int64 alone, and of all bytes at once."""
    labels = np.arange(12, dtype=np.int64).reshape(3, 4)
    older = hashlib.sha256(b"(3, 4)" + labels.tobytes()).hexdigest()
    assert {fingerprint(labels.astype(t)) for t in (np.int32, np.uint16, ">i8", np.int64)} == {older}
    photo = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert fingerprint(photo) == hashlib.sha256(b"(2, 4, 3)" + photo.tobytes()).hexdigest()
    masked = np.ma.masked_equal(labels, 3)
    assert fingerprint(masked) != fingerprint(labels)


def test_an_explanation_with_the_reader_s_own_ids(one):
    p = one.predict(sample_image("coffee"))
    own = np.indices(p.image.shape[:2])[0] // 100 * 10 + 5
    e = explain(p, labels=own)
    assert set(e.regions.superpixels) <= {5, 15, 25, 35}
    assert {r["superpixel"] for r in record(e, "c")["found"]["regions"]} == set(e.regions.superpixels)
    assert {e, explain(p, labels=own)} and e == e


def test_a_large_photograph_is_drawn_smaller_in_its_own_pixels(one):
    photo = np.kron(sample_image("coffee"), np.ones((3, 4, 1), np.uint8))
    e = explain(one.predict(photo, "full"))
    assert e.map.shape == photo.shape[:2]
    figures = [
        draw([e]),
        show_regions(e.averages, e.regions),
        show_maps(photo, [e.heat], photo=True),
        show_images([photo, e.map]),
    ]
    for figure in figures:
        for axes in figure.axes:
            for image in axes.images:
                assert max(image.get_array().shape[:2]) == LONGEST
                assert image.get_extent() == [-0.5, 2399.5, 1199.5, -0.5]
        plt.close(figure)


def test_independent_classes_have_no_probability_among_two() -> None:
    """Classes that don't exclude each other have a difference of scores, and no softmax of it."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 32, 32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)]
    model = gap_classifier(nn.Sequential(*layers), activation="sigmoid", categories=["dog", "person", "car"])
    looks = model.predict(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    told = describe([explain(looks, target="dog", kind="contrast", against="person")])
    assert "of classes that may both be" in told
    assert "among the two" not in told
    with pytest.raises(ValueError, match="don't exclude each other"):
        explain(looks, target="dog", kind="contrast", against="others")


# --- at a working size -----------------------------------------------------------------------------------

SIZED = st.tuples(st.integers(100, 500), st.integers(100, 500))


@settings(deadline=None, max_examples=30)
@given(size=SIZED, resize=st.sampled_from(["crop", "full", "pad"]), kind=st.sampled_from(["cam", "contrast"]))
def test_numbers_are_those_of_the_full_size_labels(size, resize, kind):
    """Blocks of pixels are added up, not sampled: the working size changes labels, and no score of theirs."""
    photo = np.asarray(Image.fromarray(sample_image("coffee")).resize(size[::-1]))
    model = tiny(0)
    e = explain(model.predict(photo, resize), kind=kind, segments=9, pixels=2000, top=4)
    labels, heat = e.averages.labels, e.heat.values
    assert labels.shape == heat.shape == e.map.shape == size
    assert e.averages.cut.index.size < 2200
    np.testing.assert_allclose(e.averages.scores, superpixel_scores(heat, labels), rtol=1e-9, atol=1e-9)
    seen = ~np.isnan(heat)
    for region in e.regions:
        pixels = labels == region.superpixel
        assert region.area == pytest.approx((pixels & seen).sum() / seen.sum())
        rows, columns = pixels.nonzero()
        assert (region.row, region.column) == pytest.approx((rows.mean(), columns.mean()))
        assert (e.averages.mask(e.regions)[pixels & seen]).all()
    by_hand = average(e.heat, labels)
    np.testing.assert_allclose(by_hand.map, e.map, rtol=1e-9, atol=1e-9)


def test_a_map_of_several_looks_is_near_its_full_size_self(one):
    """A fused map is no product of rows and columns: its blocks' means are those of the looks, fused."""
    photo = np.asarray(Image.fromarray(sample_image("coffee")).resize((1200, 800)))
    e = explain(Settings(kind="focus").look(one, photo), Settings(kind="focus"))
    exact = superpixel_scores(e.heat.values, e.averages.labels)
    np.testing.assert_allclose(e.averages.scores, exact, atol=0.01 * np.abs(exact).max())


@pytest.mark.parametrize("kind", ["cam", "focus"])
def test_a_large_photograph_costs_the_memory_of_a_small_one(kind):
    """From twelve million pixels to the table: nothing of the photograph's size is made but one copy."""
    model, settings = tiny(0), Settings(kind=kind)
    photo = np.asarray(Image.fromarray(sample_image("coffee")).resize((4000, 3000)))
    explain(settings.look(model, photo), settings)  # imports
    tracemalloc.start()
    e = explain(settings.look(model, photo), settings)
    regions, peak = e.regions, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(regions) and peak < photo.nbytes + 30_000_000
    assert "values" not in vars(e.heat), "the full-size map is made on demand"


def test_what_is_cut_has_so_many_pixels_and_no_more(monkeypatch):
    sizes = []

    def count(image, segments, **options):
        """Count."""
        sizes.append(image.shape[0] * image.shape[1])
        return np.arange(image.shape[0])[:, None] * segments // image.shape[0] + 0 * image[..., 0].astype(int)

    monkeypatch.setitem(SEGMENTERS, "slic", Segmenter("slic", count, "", ""))
    photo = np.zeros((3000, 4000, 3), np.uint8)
    for changes, wanted in (({}, 20_000), ({"segments": 300}, 60_000), ({"pixels": 50_000}, 50_000)):
        Settings(**changes).cut(photo)
        assert sizes.pop() == pytest.approx(wanted, rel=0.01)
    secam(tiny(0).predict(photo))
    assert sizes.pop() == pytest.approx(20_000, rel=0.01)
