"""The registry of kinds: one decorated function, and everything that offers kinds of map has it."""

from dataclasses import replace

import numpy as np
import pytest

from xaicore import HeatMap, Settings, average, cam, explain, heat_map, map_kind, sample_image, superpixels
from xaicore.apps.form import explorer
from xaicore.explanation import controls
from xaicore.maps import kinds
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


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.full((7, 7), np.nan), 1.0])
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


def test_two_classes_are_each_other_s_rival(chelsea):
    two = replace(
        chelsea,
        scores=chelsea.scores[:2],
        class_weights=chelsea.class_weights[:2],
        bias=chelsea.bias[:2],
        categories=("cat", "dog"),
    )
    assert heat_map(two, "cat", "contrast").subject == "cat, not dog"
