"""Looks: one photograph at several input sizes, each as a prediction of its own."""

import numpy as np
import pytest
from tiny_network import tiny

from xaicore import Looks, sample_image
from xaicore.networks.looks import as_looks


def test_each_look_is_the_prediction_at_its_size(one):
    photo = sample_image("coffee")
    looks = one.look(photo, (1, 2, 0.5), "squash")
    assert [p.input_image.shape[0] for p in looks] == [224, 448, 112] and len(looks) == 3
    for scale, p in zip(looks.scales, looks, strict=True):
        alone = one.at_scale(scale).predict(photo, "squash")
        np.testing.assert_array_equal(p.scores, alone.scores)
        assert p.resize == "squash"
    usual = one.predict(photo, "squash")
    np.testing.assert_array_equal(looks.first.scores, usual.scores)
    assert repr(usual) in repr(looks) and looks._repr_html_() == usual._repr_html_()


def test_a_prediction_is_one_look(one):
    p = one.predict(sample_image("coffee"))
    assert as_looks(p).predictions == (p,) and as_looks(p).scales == (1,)
    looks = one.look(sample_image("coffee"))
    assert as_looks(looks) is looks


@pytest.mark.parametrize(
    ("scales", "says"), [((), "nothing to look at"), ((0,), "more than 0"), ((1, 9), "at most 8")]
)
def test_sizes_that_can_t_be(one, scales, says):
    with pytest.raises(ValueError, match=says):
        one.look(sample_image("coffee"), scales)


def test_what_is_no_look_at_one_photograph(one):
    coffee, cat = (one.predict(sample_image(name)) for name in ("coffee", "chelsea"))
    with pytest.raises(ValueError, match="scales: give as many"):
        Looks((coffee,), (1, 2))
    with pytest.raises(ValueError, match="scales: give as many"):
        Looks((), ())
    with pytest.raises(ValueError, match="one photograph"):
        Looks((coffee, cat), (1, 2))
    one_size = one.predict(sample_image("coffee")[::-1])
    with pytest.raises(ValueError, match="one photograph"):
        Looks((coffee, one_size), (1, 2))
    others = tiny(5, names=list(one.categories)).predict(sample_image("coffee"))
    with pytest.raises(ValueError, match="one photograph by one network"):
        Looks((coffee, others), (1, 2))
    with pytest.raises(ValueError, match="one photograph by one network"):
        Looks((coffee, tiny(2, 4).predict(sample_image("coffee"))), (1, 2))
