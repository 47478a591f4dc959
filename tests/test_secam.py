"""SeCAM: its identities, its regions, and XRAI's fast mode as a second implementation."""

import csv
import io
import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xaicore import (
    GapClassifier,
    HeatMap,
    NotAGapClassifierError,
    Prediction,
    average,
    gap_classifier,
    heat_map,
    sample_image,
    secam,
    select,
    superpixel_scores,
    superpixels,
    upsample,
)
from xaicore.pictures.geometry import fit
from xaicore.regions.averages import Regions, paint, within_variance
from xaicore.show.figures import show_regions

maps = arrays(np.float64, (8, 9), elements=st.floats(-10, 10))
partitions = arrays(np.int64, (8, 9), elements=st.integers(0, 6))


@settings(deadline=None)
@given(a=maps, b=maps, labels=partitions, factor=st.floats(-3, 3))
def test_identity_6(a: np.ndarray, b: np.ndarray, labels: np.ndarray, factor: float) -> None:
    """SeCAM keeps the area-weighted mean, is idempotent and linear, and splits the variance."""

    def averaged(m: np.ndarray) -> np.ndarray:
        return paint(superpixel_scores(m, labels), labels)

    assert np.isclose(averaged(a).mean(), a.mean(), atol=1e-9)
    assert np.allclose(averaged(averaged(a)), averaged(a), atol=1e-9)
    assert np.allclose(averaged(a + factor * b), averaged(a) + factor * averaged(b), atol=1e-8)
    assert np.isclose(a.var(), averaged(a).var() + within_variance(a, labels), atol=1e-8)


@given(maps)
def test_identity_6_at_its_ends(m: np.ndarray) -> None:
    """One pixel per superpixel gives the CAM back; one superpixel gives its mean."""
    assert np.allclose(superpixel_scores(m, np.arange(m.size).reshape(m.shape)), m.ravel())
    assert np.allclose(superpixel_scores(m, np.zeros(m.shape, int)), [m.mean()])


@settings(deadline=None)
@given(m=maps, labels=partitions, hidden=arrays(np.bool_, (8, 9)))
def test_scores_written_out_with_unseen_pixels(m: np.ndarray, labels: np.ndarray, hidden: np.ndarray) -> None:
    m = np.where(hidden, np.nan, m)
    for statistic, function in (("mean", np.mean), ("max", np.max), ("median", np.median)):
        scores = superpixel_scores(m, labels, statistic)  # type: ignore[arg-type]
        for score, label in zip(scores, np.unique(labels), strict=True):
            values = m[(labels == label) & ~hidden]
            assert np.isclose(score, function(values)) if len(values) else np.isnan(score)


def test_equals_xrai_in_fast_mode(resnet50: GapClassifier) -> None:
    """saliency's XRAI with the same segments and the CAM as base attribution."""
    for name in ("chelsea", "bald_eagle"):
        result = secam(resnet50.predict(sample_image(name), "squash"))
        segments = [result.labels == s for s in range(len(result.scores))]
        xrai = xrai_fast(result.image, result.heat.values, segments)
        assert np.abs(xrai - result.map).max() < 1e-9


def xrai_fast(image: np.ndarray, heat: np.ndarray, segments: list[np.ndarray]) -> np.ndarray:
    from saliency.core import XRAI, XRAIParameters

    parameters = XRAIParameters(algorithm="fast")
    parameters.experimental_params["min_pixel_diff"] = 1
    return XRAI().GetMask(
        image.astype(np.float32),
        lambda *_, **__: None,
        segments=segments,
        base_attribution=np.repeat(heat[..., None], 3, axis=2),
        extra_parameters=parameters,
    )


def test_completeness_survives(chelsea: Prediction) -> None:
    """Squashed to 224 and drawn at 224: the area-weighted mean of SeCAM plus b_c is S_c."""
    photo = chelsea.input_image
    square = Prediction(**{**vars(chelsea), "image": photo, "geometry": fit(photo, "squash")[1]})
    result = secam(square)
    assert abs(result.map.mean() + square.bias[square.index()] - square.score().score) < 1e-4


def test_secam_of_the_real_network(chelsea: Prediction, resnet50: GapClassifier) -> None:
    result = secam(chelsea, segments=80)
    assert np.allclose(result.heat.values, heat_map(chelsea).values)
    assert np.array_equal(result.map, result.scores[result.labels])
    regions = result.regions(top=5)
    assert [r.score for r in regions] == sorted(result.scores, reverse=True)[:5]
    everything = result.regions(top=10_000)
    assert everything.evidence == pytest.approx(1)
    assert everything.area < 1
    assert regions.area == pytest.approx(result.mask(regions).mean())
    assert len(list(csv.DictReader(io.StringIO(regions.to_csv())))) == 5
    assert repr(regions).count("\n") == 6
    assert regions._repr_html_().count("<tr>") == 7
    assert result.target.name in repr(result)
    cropped = secam(resnet50.predict(sample_image("chelsea")))
    assert np.isnan(cropped.map).any()
    assert cropped.regions(threshold=0.01).area <= 1
    own = np.add.outer(np.arange(300) // 100, np.arange(451) // 200) + 7
    assert len(secam(chelsea, labels=own).scores) == len(np.unique(own))


def test_regions_written_out_by_hand(chelsea: Prediction) -> None:
    """Six pixels, two of them never seen: areas, evidence and centres that a pencil gives too."""
    labels = np.array([[0, 0, 1], [2, 2, 3]])
    heat = np.array([[4.0, 2.0, np.nan], [1.0, np.nan, -5.0]])
    whole = drawn_as(heat_map(chelsea), heat)
    result = average(whole, labels)
    np.testing.assert_array_equal(result.scores, [3, np.nan, 1, -5.0])
    best, second = result.regions(top=9)
    assert (best.superpixel, best.score, best.area) == (0, 3.0, 2 / 4)
    assert (best.row, best.column) == (0.0, 0.5)
    assert best.evidence == pytest.approx(2 * 3 / (2 * 3 + 1 * 1)), "what speaks against doesn't count"
    assert (second.superpixel, second.area, second.row) == (2, 1 / 4, 1.0)
    assert result.mask(result.regions(top=9)).tolist() == [[True, True, False], [True, False, False]]


def test_a_map_that_is_brought_along_has_regions_too() -> None:
    """Grad-CAM of a network without a linear head over an average: regions, but no sum to a score."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 16, 16), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 5)
    ).eval()
    with pytest.raises(NotAGapClassifierError):
        gap_classifier(network)
    photo, _ = fit(sample_image("chelsea"), "squash")
    x = torch.from_numpy(photo / 255).permute(2, 0, 1)[None].float()
    cells = LayerGradCam(network, network[0]).attribute(x, target=3)[0, 0].detach().numpy()
    heat = HeatMap.of(upsample(cells, photo.shape[:2]), photo, "Grad-CAM", "class 3")
    labels = superpixels(photo, 40)
    result = average(heat, labels)
    np.testing.assert_allclose(result.scores, superpixel_scores(heat.values, labels))
    assert result.title == "Grad-CAM by regions: class 3"
    assert not result.adds_up and result.regions(top=3).evidence is None
    assert "SeCAM" not in repr(result) and "evidence" not in repr(result)
    figure = show_regions(result, result.regions(top=3))
    assert [axis.get_title() for axis in figure.axes[:3]] == ["photograph", "Grad-CAM", "Grad-CAM by regions"]
    assert "units of the score" not in figure.axes[-1].get_xlabel()
    plt.close(figure)
    with pytest.raises(TypeError, match=r"HeatMap.of\(values, photo"):
        average(heat.values, labels)
    with pytest.raises(ValueError, match="Enlarge the map"):
        HeatMap.of(cells, photo, "Grad-CAM")
    with pytest.raises(ValueError, match="no number at all"):
        HeatMap.of(np.full(photo.shape[:2], np.nan), photo, "Grad-CAM")


def test_regions_are_called_by_the_labels_they_came_with() -> None:
    """The table's superpixel 17 is labels == 17: from 1 on, with gaps, below zero, of any integer type."""
    photo = sample_image("coffee")
    ramp = np.add.outer(np.arange(400.0), np.zeros(600)) - 50
    heat = HeatMap.of(ramp, photo, "Ramp")
    rows = np.arange(400) // 100
    for ids in ([1, 2, 3, 4], [-1, 0, 7, 300], [2**63, 2**63 + 1, 2**63 + 5, 2**64 - 1]):
        names = np.array(ids, dtype=np.uint64 if ids[0] > 1 else np.int64)
        own = np.repeat(names[rows][:, None], 600, axis=1)
        result = average(heat, own)
        assert result.labels is own
        best, second, *_ = result.regions(top=4)
        assert [best.superpixel, second.superpixel] == [ids[3], ids[2]]
        assert best.score == pytest.approx(ramp[own == names[3]].mean())
        assert (best.row, best.column) == (349.5, 299.5)
        assert (result.mask(result.regions(top=1)) == (own == names[3])).all()
        assert np.array_equal(paint(superpixel_scores(ramp, own), own), result.map)
        assert str(ids[3]) in result.regions(top=1).to_csv()
    halves = average(heat, ramp > 100)
    assert [r.superpixel for r in halves.regions(top=2)] == [1, 0]


def test_what_is_masked_is_in_no_region(chelsea: Prediction) -> None:
    photo = sample_image("chelsea")
    own = np.ma.masked_equal(np.repeat(np.arange(300)[:, None] // 100, 451, axis=1), 0)
    whole = heat_map(chelsea)
    result = average(whole, own)
    assert result.cut.ids.tolist() == [1, 2] and len(result.scores) == 2
    assert np.isnan(result.map[:100]).all() and not np.isnan(result.map[100:]).any()
    assert not result.mask(result.regions(top=9))[:100].any()
    assert not result.adds_up, "the masked part of the mean is missing"
    assert sum(
        r.area for r in average(HeatMap.of(np.abs(whole.values) + 1, photo, "m"), own).regions(top=9)
    ) == (pytest.approx(2 / 3))
    assert np.isfinite(within_variance(whole, own))
    drawn = show_regions(result, result.regions(top=1))
    plt.close(drawn)


def test_one_score_for_each_label() -> None:
    labels = np.array([[0, 1], [1, 2]])
    with pytest.raises(ValueError, match="2 scores for 3 labels"):
        paint(np.zeros(2), labels)


@pytest.mark.parametrize("value", [3.0, -2.5, 1e-3])
def test_a_map_without_places_says_so(value: float) -> None:
    photo = sample_image("coffee")
    rounding = np.random.default_rng(0).normal(0, 1e-9, photo.shape[:2])
    labels = superpixels(photo, 20)
    with pytest.warns(UserWarning, match="nothing about places"):
        average(HeatMap.of(value * (1 + rounding), photo, "Flat"), labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        average(HeatMap.of(value * (1 + 1e4 * rounding), photo, "Not flat"), labels)
        average(HeatMap.of(np.full(photo.shape[:2], value), photo, "Flat"), np.zeros(photo.shape[:2], int))


def test_a_photograph_is_an_array(tmp_path) -> None:
    photo = sample_image("coffee")
    for wrong in ("coffee.jpg", tmp_path, photo / 255, photo[..., 0], photo.tolist()):
        with pytest.raises(ValueError, match=r"xaicore.read_image\(\)"):
            HeatMap.of(np.ones(photo.shape[:2]), wrong, "Grad-CAM")


def test_results_can_be_compared_and_kept_in_sets(chelsea: Prediction) -> None:
    result = secam(chelsea, segments=20)
    for a, b in ((result, secam(chelsea, segments=20)), (result.heat, heat_map(chelsea))):
        assert a == a and a != b and a in [b, a] and len({a, b}) == 2


def test_select() -> None:
    scores = np.array([1.0, np.nan, 4.0, -2.0, 2.0, 0.0])
    assert select(scores, top=2).tolist() == [2, 4]
    assert select(scores, top=99).tolist() == [2, 4, 0], "never one without evidence"
    assert select(scores, threshold=0.5).tolist() == [2, 4]
    assert select(scores, threshold=1).tolist() == [2]
    assert select(-np.abs(scores), top=3).tolist() == []
    assert select(-np.abs(scores), threshold=0.5).tolist() == []
    for wrong in ({}, {"top": 1, "threshold": 0.5}, {"top": 0}, {"threshold": 0}, {"threshold": 1.5}):
        with pytest.raises(ValueError, match=r"top|threshold"):
            select(scores, **wrong)


def test_a_class_with_no_evidence_gives_an_empty_table(chelsea: Prediction) -> None:
    nothing = Prediction(**{**vars(chelsea), "feature_maps": np.zeros_like(chelsea.feature_maps)})
    regions = secam(nothing, 0).regions(top=3)
    assert len(regions) == regions.area == regions.evidence == 0
    assert "together" in repr(regions)


def test_bad_arguments(chelsea: Prediction) -> None:
    with pytest.raises(ValueError, match="mean, max, median"):
        secam(chelsea, statistic="mode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on the photograph itself"):
        secam(chelsea, labels=np.zeros((7, 7), int))
    with pytest.raises(ValueError, match="drop segments="):
        secam(chelsea, labels=np.zeros((300, 451), int), segments=5)
    with pytest.raises(ValueError, match="No class"):
        secam(chelsea, "unicorn cat")


# --- written out, on small networks ----------------------------------------------------------------------

HEAT = np.array([[4.0, 2.0, np.nan], [1.0, np.nan, -5.0]])
LABELS = np.array([[10, 10, 11], [12, 12, 13]])


def drawn_as(heat: HeatMap, values: np.ndarray) -> HeatMap:
    """The same map with other values, on a photograph of their size."""
    photo = np.zeros((*values.shape, 3), np.uint8)
    return replace(heat, drawing=HeatMap.of(values, photo, "").drawing, image=photo)


@pytest.fixture
def small(one: GapClassifier) -> HeatMap:
    """Six pixels, two of them never seen, of a map that adds up."""
    whole = heat_map(one.predict(sample_image("coffee")), "bee")
    return drawn_as(whole, HEAT)


def test_a_table_of_regions_written_out(small: HeatMap) -> None:
    result = average(small, LABELS)
    assert result.adds_up and result.image is small.image and result.labels is LABELS
    np.testing.assert_array_equal(result.scores, [3, np.nan, 1, -5])
    np.testing.assert_array_equal(result.map, [[3, 3, np.nan], [1, np.nan, -5]])
    regions = result.regions(top=9)
    assert regions[0] == (10, 3.0, 0.5, pytest.approx(6 / 7), 0.0, 0.5)
    assert regions[1] == (12, 1.0, 0.25, pytest.approx(1 / 7), 1.0, 0.5)
    assert len(regions) == 2 and regions.adds_up and regions.superpixels == [10, 12]
    assert regions.area == 0.75 and regions.evidence == pytest.approx(1)
    assert all(type(value) in (int, float) for region in regions for value in region)
    assert regions.to_csv().splitlines()[0] == "superpixel,score,area,evidence,row,column"
    assert regions.to_csv().startswith(
        f"superpixel,score,area,evidence,row,column\n10,3.0,0.5,{6 / 7},0.0,0.5\n12,1.0,0.25,"
    )
    assert repr(result).splitlines() == [
        "SeCAM for 'bee': 4 superpixels",
        "superpixel       score        area    evidence",
        "        10        3.00       50.0%       85.7%",
        "        12        1.00       25.0%       14.3%",
        "  together                   75.0%      100.0%",
    ]
    assert result._repr_html_() == (
        "<p>SeCAM for &#x27;bee&#x27;: 4 superpixels</p><table><thead><tr><th>superpixel</th><th>score</th>"
        "<th>area</th><th>evidence</th></tr></thead><tbody>"
        "<tr><td>10</td><td>3.00</td><td>50.0%</td><td>85.7%</td></tr>"
        "<tr><td>12</td><td>1.00</td><td>25.0%</td><td>14.3%</td></tr>"
        "<tr><td>together</td><td></td><td>75.0%</td><td>100.0%</td></tr></tbody></table>"
    )
    (best,) = result.regions(threshold=0.5)
    assert best.superpixel == 10
    assert result.mask(result.regions(top=1)).tolist() == [[True, True, False], [False, False, False]]
    second = Regions(regions[1:])
    nothing = average(drawn_as(small, HEAT - 9), LABELS).regions(top=1)
    assert nothing.evidence == 0 and Regions([regions[0]._replace(evidence=0.0)]).evidence == 0
    assert result.mask(second).tolist() == [[False, False, False], [True, False, False]]
    assert result.mask(second).dtype == bool


def test_a_table_without_evidence_written_out(small: HeatMap) -> None:
    brought = replace(small, total=None, subject="", name="<m>", averaged="<m> by regions")
    masked = np.ma.masked_equal(LABELS, 12)
    for heat, labels, statistic, name in (
        (brought, LABELS, "mean", "<m> by regions"),
        (small, LABELS, "max", "CAM by regions (max)"),
        (small, masked, "mean", "SeCAM"),
    ):
        result = average(heat, labels, statistic)
        assert result.title == (f"{name}: bee" if heat is small else name)
        assert not result.adds_up and result.name == name and result.statistic == statistic
        regions = result.regions(top=1)
        assert not regions.adds_up and regions.evidence is None and regions[0].evidence is None
        score = "4.00" if statistic == "max" else "3.00"
        count = 3 if labels is masked else 4
        told = f"{name} for 'bee'" if heat is small else name
        assert repr(result).splitlines()[:3] == [
            f"{told}: {count} superpixels",
            "superpixel       score        area",
            f"        10        {score}       50.0%",
        ]
    assert average(brought, LABELS)._repr_html_().startswith("<p>&lt;m&gt; by regions: 4 superpixels</p>")
    assert average(brought, masked).mask(Regions([])).tolist() == [[False] * 3] * 2


def test_five_of_the_regions_are_shown() -> None:
    heat = HeatMap.of(np.arange(1.0, 9).reshape(1, 8), np.zeros((1, 8, 3), np.uint8), "m")
    result = average(heat, np.arange(8)[None])
    assert repr(result).count("\n") == 7 and result._repr_html_().count("<tr>") == 7
    assert f"{result.regions(top=5)!r}" in repr(result)


@pytest.mark.parametrize("statistic", ["mean", "max", "median"])
def test_scores_of_a_masked_label_map(statistic: str) -> None:
    labels = np.ma.masked_array([[3, 3, 3, 9], [3, 5, 5, 7]], [[0, 0, 0, 0], [1, 0, 0, 0]])
    heat = np.array([[1.0, 2.0, 6.0, np.nan], [50.0, -4.0, np.nan, 0.0]])
    scores = superpixel_scores(heat, labels, statistic)  # type: ignore[arg-type]
    np.testing.assert_array_equal(scores, [{"mean": 3, "max": 6, "median": 2}[statistic], -4, 0, np.nan])
    np.testing.assert_array_equal(paint([1, 2, 3, 4], labels), [[1, 1, 1, 4], [np.nan, 2, 2, 3]])
    nothing = superpixel_scores(np.full((2, 4), np.nan), labels, statistic)  # type: ignore[arg-type]
    assert nothing.shape == (4,) and np.isnan(nothing).all()
    assert (superpixel_scores(heat, labels) == superpixel_scores(heat, labels, "mean"))[:3].all()


def test_a_label_map_of_another_size_is_refused_everywhere(small: HeatMap) -> None:
    for call in (superpixel_scores, within_variance, average):
        with pytest.raises(ValueError, match="on the photograph itself"):
            call(small, LABELS[:1])
    with pytest.raises(ValueError, match="choose one of mean, max, median"):
        average(small, LABELS, "mode")  # type: ignore[arg-type]


def test_within_variance_written_out() -> None:
    heat = np.array([[1.0, 3.0, 5.0, 9.0], [np.nan, 2.0, 8.0, 7.0]])
    labels = np.ma.masked_equal([[4, 4, 6, 0], [4, 6, 6, 0]], 0)
    assert within_variance(heat, labels) == pytest.approx((1 + 1 + 0 + 9 + 9) / 5)


def test_equal_scores_keep_their_order() -> None:
    scores = np.tile([1.0, 2.0], 40)
    assert select(scores, top=60).tolist() == [*range(1, 80, 2), *range(0, 40, 2)]
    assert select(scores, threshold=0.75).tolist() == [*range(1, 80, 2)]
    assert select(np.array([0.25, np.nan, 0.5]), threshold=0.5).tolist() == [2, 0]
    assert select(np.array([0.5]), top=1).tolist() == [0]
    assert select(np.array([np.nan, np.nan]), top=1).tolist() == []


def test_a_map_without_places_says_so_of_two_regions(small: HeatMap) -> None:
    for value in (1.0, 0.0):
        flat = drawn_as(small, np.full((2, 3), value))
        with pytest.warns(UserWarning, match="CAM has the same value everywhere"):
            average(flat, np.array([[0, 0, 0], [1, 1, 1]]))


def test_secam_is_what_its_parts_give(one: GapClassifier) -> None:
    p = one.predict(sample_image("coffee"), "squash")
    cut = superpixels(p.image, 30, "watershed", compactness=0.01)
    for statistic in ("mean", "max"):
        result = secam(
            p,
            "dog",
            segments=30,
            segmenter="watershed",
            statistic=statistic,  # type: ignore[arg-type]
            alignment="corners",
            compactness=0.01,
        )
        heat = heat_map(p, "dog", alignment="corners")
        np.testing.assert_array_equal(result.labels, cut)
        np.testing.assert_array_equal(result.heat.values, heat.values)
        scores = superpixel_scores(heat, cut, statistic)  # type: ignore[arg-type]
        np.testing.assert_allclose(result.scores, scores, rtol=1e-12, atol=1e-12)
        assert result.statistic == statistic and result.target == p.score("dog")
    usual = secam(p)
    np.testing.assert_array_equal(usual.labels, superpixels(p.image))
    np.testing.assert_array_equal(usual.heat.values, heat_map(p).values)
    assert usual.statistic == "mean" and secam(p, labels=cut).labels is cut
    for wrong in ({"segments": 5}, {"segmenter": "watershed"}, {"compactness": 3}):
        with pytest.raises(ValueError, match="drop segments="):
            secam(p, labels=cut, **wrong)
