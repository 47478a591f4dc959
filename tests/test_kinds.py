"""The registry of kinds: one decorated function, and everything that offers kinds of map has it."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_network import tiny

from xaicore import (
    HeatMap,
    Looks,
    Settings,
    average,
    cam,
    contrastive_cam,
    explain,
    heat_map,
    map_kind,
    on_photo,
    sample_image,
    superpixels,
)
from xaicore.apps.form import explorer
from xaicore.explanation import controls
from xaicore.maps import kinds
from xaicore.maps.cells import rival_shares
from xaicore.maps.focus import agreement
from xaicore.show import describe, draw, record, render


@pytest.fixture
def registry(monkeypatch):
    """Registrations of the test are gone after it."""
    monkeypatch.setattr(kinds, "KINDS", dict(kinds.KINDS))
    for module in ("xaicore.explanation", "xaicore.apps.cli"):
        monkeypatch.setattr(f"{module}.KINDS", kinds.KINDS)
    return kinds.KINDS


@pytest.fixture
def peak(registry):
    @map_kind("peak", title="Peak")
    def peak(prediction, c, shares):
        """The strongest cell alone.

        A second paragraph is for the source's readers.
        """
        m = cam(prediction, c)
        return m * (m == m.max())

    return registry["peak"]


def test_one_decorated_function_is_a_kind_everywhere(peak, one, capsys):
    p = one.predict(sample_image("coffee"), "squash")
    heat = heat_map(p, "bee", "peak")
    assert isinstance(heat, HeatMap) and np.count_nonzero(heat.cells[0]) == 1
    assert heat.title == "Peak: bee" and not heat.adds_up and "score" not in heat.label
    assert average(heat, superpixels(heat.image, 20)).title == "Peak by regions: bee"
    e = explain(p, kind="peak", target="bee")
    assert "adds up to no score" in describe([e])
    assert render(draw([e]))[:4] == b"\x89PNG"
    (choices,) = [control.choices for control in controls() if control.name == "kind"]
    assert choices["peak"] == "Peak"

    app = explorer("coffee", {"one": one})
    app.inputs["kind"].value = "peak"
    assert app.explanations[0].title.startswith("Peak by regions") and 'kind="peak"' in app.code

    from xaicore.apps.cli import main

    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    told = capsys.readouterr().out
    assert "The strongest cell alone." in told and "A second paragraph" not in told


def test_a_kind_of_two_looks_is_fused(registry, one):
    @map_kind("least", scales=(1, 2), fuse=lambda maps: np.min(maps, axis=0), against="rivals")
    def least(prediction, c, shares):
        """The smaller of both."""
        assert sum(shares.values()) == pytest.approx(1)
        return cam(prediction, c)

    settings = Settings(kind="least", segmenter=None)
    looks = settings.look(one, sample_image("coffee"))
    assert looks.scales == (1, 2)
    drawn = [heat_map(p, looks.first.index()).values for p in looks]
    np.testing.assert_allclose(explain(looks, settings).map, np.min(drawn, axis=0))


def test_what_can_t_be_registered(registry):
    def told(prediction, c, shares):
        """Some map."""

    def untold(prediction, c, shares):
        return 0

    for options, says in (
        ({"name": "cam"}, "is taken"),
        ({"name": ""}, "No name"),
        ({"name": "a", "scales": ()}, "one scale"),
        ({"name": "a", "scales": (1, 2)}, "how to fuse="),
        ({"name": "a", "fuse": np.max, "adds_up": True}, "adds up to no score"),
    ):
        with pytest.raises(ValueError, match=says):
            map_kind(**options)(told)
    with pytest.raises(ValueError, match="docstring"):
        map_kind("a")(untold)
    assert "a" not in registry


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3)), 1.0, *(np.full((7, 7), value) for value in (np.nan, np.inf, 1j, "1"))]
)
def test_a_kind_that_gives_no_map_is_named(registry, one, bad):
    @map_kind("odd")
    def odd(prediction, c, shares):
        """Not a map."""
        return bad

    with pytest.raises(ValueError, match="The kind 'odd' gave"):
        heat_map(one.predict(sample_image("coffee")), kind="odd")


def test_heat_maps_say_what_they_are_of(chelsea):
    rivals = {
        "rivals": "tabby, not its 10 strongest rivals",
        "others": "tabby, not the other classes",
        "tiger cat": "tabby, not tiger cat",
    }
    for against, subject in rivals.items():
        heat = heat_map(chelsea, "tabby", "contrast", against)
        assert heat.title == f"contrast: {subject}" and heat.unit == "units of the score"
    plain = heat_map(chelsea, "tabby")
    assert plain.title == "CAM: tabby" and plain.rivals == {}
    assert plain.total == pytest.approx(chelsea.score("tabby").score)
    np.testing.assert_array_equal(np.asarray(plain), plain.values)
    assert float(np.nanmax(plain)) == float(np.nanmax(plain.values))
    with pytest.raises(ValueError, match="without against="):
        heat_map(chelsea, "tabby", against="tiger cat")
    with pytest.raises(ValueError, match="choose one of cam, contrast, focus"):
        heat_map(chelsea, kind="gradcam")


def test_a_kind_takes_the_look_at_its_size(registry, one):
    @map_kind("large", scales=(2,))
    def large(prediction, c, shares):
        """The map at twice the size."""
        return cam(prediction, c)

    looks = one.look(sample_image("coffee"), (1, 2))
    np.testing.assert_array_equal(heat_map(looks, 1, "large").cells[0], cam(looks.predictions[1], 1))
    np.testing.assert_array_equal(
        heat_map(one.look(looks.first.image, (2, 1)), 1).cells[0], cam(looks.first, 1)
    )
    twice = one.look(looks.first.image, (2,))
    np.testing.assert_array_equal(heat_map(twice, 1).cells[0], cam(twice.first, 1))
    with pytest.raises(ValueError, match=r"'large' .* none at 2 times .* scales=\(2,\)"):
        heat_map(looks.first, 1, "large")
    map_kind("both", scales=(2, 0.5), fuse=agreement)(large)
    with pytest.raises(ValueError, match=r"'both' .* none at 2, 0.5 times .* scales=\(2, 0.5\)"):
        heat_map(looks.first, 1, "both")


@pytest.mark.parametrize(
    "fuse",
    [
        lambda maps: maps[0][:-1],
        lambda maps: 1.0,
        lambda maps: maps[0] * np.nan,
        lambda maps: maps[0] + np.inf,
        lambda maps: maps[0] + 0j,
    ],
)
def test_a_fuse_that_gives_no_map_is_named(registry, one, fuse):
    @map_kind("odd", scales=(1, 2), fuse=fuse)
    def odd(prediction, c, shares):
        """A map."""
        return cam(prediction, c)

    with pytest.raises(ValueError, match="fuse= of the kind 'odd' gave"):
        heat_map(one.look(sample_image("coffee"), (1, 2)), kind="odd")


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8])
def test_cells_of_whole_numbers_are_a_map(registry, one, dtype):
    @map_kind("sides")
    def sides(prediction, c, shares):
        """Where it is above its mean."""
        m = cam(prediction, c)
        return (m > m.mean()).astype(dtype)

    settings = Settings(kind="sides", segmenter=None)
    e = explain(settings.look(one, sample_image("coffee")), settings)
    assert e.heat.cells[0].dtype == np.float64
    found = record(e, "coffee.png")["found"]["cells"]
    assert set(np.ravel(found)) == {0.0, 1.0}
    assert "positive" not in describe([e])


# --- what a heat map says, written out -------------------------------------------------------------------


@pytest.mark.parametrize("alignment", ["half_pixel", "corners"])
@pytest.mark.parametrize(
    ("kind", "against", "subject"),
    [
        ("cam", None, "ant"),
        ("contrast", None, "ant, not its 5 strongest rivals"),
        ("contrast", "others", "ant, not the other classes"),
        ("contrast", "dog", "ant, not dog"),
        ("focus", None, "ant, not its 5 strongest rivals"),
        ("focus", 5, "ant, not elk"),
    ],
)
def test_a_heat_map_is_what_it_says(one, kind, against, subject, alignment):
    looks = one.look(sample_image("coffee"), (1, 2))
    p = looks.first
    assert p.index() != 0, "the class asked for, and not the top one"
    heat = heat_map(looks, "ant", kind, against, alignment=alignment)
    shares = {} if kind == "cam" else rival_shares(p, 0, against or "rivals")
    used = looks if kind == "focus" else [p]
    maps = [cam(look, 0) if kind == "cam" else contrastive_cam(look, 0, against or "rivals") for look in used]
    for found, expected in zip(heat.cells, maps, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32
    drawn = [on_photo(m, look.geometry, alignment) for m, look in zip(maps, used, strict=True)]
    np.testing.assert_allclose(heat.values, agreement(drawn) if kind == "focus" else drawn[0])
    assert heat.image is p.image and heat.kind == kind and heat.subject == subject
    assert heat.target == p.score("ant") and heat.rivals == shares
    assert (heat.name, heat.averaged) == {
        "cam": ("CAM", "SeCAM"),
        "contrast": ("contrast", "SeCAM"),
        "focus": ("focus", "focus by regions"),
    }[kind]
    if kind == "focus":
        assert heat.total is heat.bias is None and heat.unit == "its own units: agreement of two sizes"
        assert heat.label == f"focus ({heat.unit})"
    else:
        assert heat.total == pytest.approx(p.scores[0] - sum(q * p.scores[j] for j, q in shares.items()))
        assert heat.bias == pytest.approx(p.bias[0] - sum(q * p.bias[j] for j, q in shares.items()))
        assert heat.label == "evidence (units of the score)"
    assert repr(heat) == f"{heat.name}: {subject}: 400×600 pixels, {heat.unit}"


def test_the_top_class_is_that_of_the_first_look_that_is_taken(registry, one):
    @map_kind("large", scales=[2])
    def large(prediction, c, shares):
        """The map at twice the size."""
        return cam(prediction, c)

    looks = one.look(sample_image("coffee"), (1, 2))
    first, second = (replace(p, scores=np.eye(6)[c]) for p, c in zip(looks, (4, 2), strict=True))
    changed = Looks((first, second), (1, 2))
    assert [heat_map(changed, kind=kind).target.index for kind in ("cam", "large")] == [4, 2]
    assert heat_map(first).target.index == 4


def test_with_one_size_and_a_fuse_it_takes_all_there_are(registry, one):
    @map_kind("sum", fuse=lambda maps: sum(m > 0 for m in maps))
    def total(prediction, c, shares):
        """At how many sizes it speaks for the class."""
        return cam(prediction, c)

    looks = one.look(sample_image("coffee"), (1, 2, 0.5))
    heat = heat_map(looks, 1, "sum")
    assert len(heat.cells) == 3 and heat.values.dtype == np.float64
    expected = sum((heat_map(p, 1).values > 0) for p in looks)
    assert (heat.values == expected).all()
    assert len(heat_map(looks.first, 1, "sum").cells) == 1


def test_a_fuse_may_leave_out_what_no_look_saw_and_nothing_else(registry, one):
    def hole(maps):
        out = maps[0] + maps[1]
        out[len(out) // 2, out.shape[1] // 2] = gap
        return out

    @map_kind("holed", scales=(1, 2), fuse=hole)
    def holed(prediction, c, shares):
        """A sum."""
        return cam(prediction, c)

    looks, gap = one.look(sample_image("coffee"), (1, 2), "crop"), 1.5
    heat = heat_map(looks, 1, "holed")
    assert np.isnan(heat.values).any() and (heat.values == 1.5).sum() == 1
    gap = np.nan
    with pytest.raises(ValueError, match="fuse= of the kind 'holed' gave"):
        heat_map(looks, 1, "holed")


def test_of_two_classes_each_is_the_other_s_one_rival():
    p = tiny(0, 2, ["cat", "dog"]).predict(sample_image("coffee"))
    assert heat_map(p, "cat", "contrast").subject == "cat, not dog"
    three = tiny(0, 3, ["cat", "dog", "elk"]).predict(sample_image("coffee"))
    assert heat_map(three, "cat", "contrast").subject == "cat, not its 2 strongest rivals"
    with pytest.raises(ValueError, match="without against="):
        heat_map(p, "cat", "cam", "dog")


def test_a_map_that_is_brought_along_written_out():
    photo = sample_image("coffee")
    values = np.arange(400 * 600).reshape(400, 600)
    heat = HeatMap.of(values, photo, "Grad-CAM")
    assert heat.image is photo and heat.values.dtype == np.float64 and (heat.values == values).all()
    assert (heat.name, heat.averaged, heat.subject) == ("Grad-CAM", "Grad-CAM by regions", "")
    assert (heat.title, heat.label) == ("Grad-CAM", "Grad-CAM (its own units)")
    assert (heat.kind, heat.target, heat.rivals, heat.cells, heat.total) == ("", None, None, (), None)
    named = HeatMap.of(values, photo, "Grad-CAM", "class 3", "logits")
    assert (named.title, named.label) == ("Grad-CAM: class 3", "Grad-CAM (logits)")
    partly = values + 0.0
    partly[0] = np.nan
    assert np.isnan(HeatMap.of(partly, photo, "m").values[0]).all()
    partly[1, 1] = np.inf
    for bad in (partly, partly * np.nan):
        with pytest.raises(ValueError, match="infinite values, or no number"):
            HeatMap.of(bad, photo, "m")
    for wrong, got in (
        (None, "NoneType"),
        (photo.tolist(), "list"),
        (photo[..., 0], r"\(400, 600\) uint8"),
        (photo[..., :2], r"\(400, 600, 2\) uint8"),
        (np.dstack([photo, photo[..., :1]]), r"\(400, 600, 4\) uint8"),
    ):
        with pytest.raises(ValueError, match=f"uint8 array, not {got}"):
            HeatMap.of(values, wrong, "m")


def test_a_heat_map_is_an_array_to_numpy():
    heat = HeatMap.of(np.arange(6.0).reshape(2, 3), np.zeros((2, 3, 3), np.uint8), "m")
    assert np.shares_memory(np.asarray(heat), heat.values)
    copied, single = np.array(heat, copy=True), np.asarray(heat, dtype=np.float32)
    assert not np.shares_memory(copied, heat.values) and (copied == heat.values).all()
    assert np.array(heat, dtype=np.float32, copy=True).dtype == single.dtype == np.float32
    for copy in (None, False, True):  # numpy would convert what comes back
        assert heat.__array__(np.float32, copy).dtype == np.float32
    assert (single == heat.values).all() and copied.dtype == np.float64


def test_what_a_kind_is_registered_as(registry):
    def told(prediction, c, shares):
        """Told.

        More.
        """

    assert map_kind("plain")(told) is told
    assert registry["plain"] == kinds.Kind(
        "plain", "plain", "plain by regions", told, None, (1,), None, False, "its own units", "Told."
    )
    map_kind("sums", title="Sum", against="others", adds_up=True)(told)
    assert registry["sums"] == kinds.Kind(
        "sums", "Sum", "Sum by regions", told, "others", (1,), None, True, "units of the score", "Told."
    )
    map_kind("full", averaged="averaged", scales=[2, 1], fuse=agreement, unit="u")(told)
    assert registry["full"] == kinds.Kind(
        "full", "full", "averaged", told, None, (2, 1), agreement, False, "u", "Told."
    )
    assert isinstance(registry["full"].scales, tuple)
    map_kind("fused", fuse=agreement)(told)
    assert registry["fused"].fuse is agreement
