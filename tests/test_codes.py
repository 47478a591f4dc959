"""Codes of 8 and 16 bits, and how far they can make a map wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from xaicore.maps.cells import class_activation_map
from xaicore.maps.focus import agreement
from xaicore.playground.codes import agreement_bound, dequantise, error_bound, quantise

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


@given(
    arrays(np.float64, (2, 8), elements=st.floats(-5, 5)),
    arrays(np.float64, (2, 8), elements=st.floats(-1, 1)),
    st.floats(0, 2),
    st.floats(0, 2),
)
@settings(max_examples=300)
def test_what_two_maps_agree_on_stays_within_its_bound(maps, errors, reach, second_reach):
    a, b = maps
    off = agreement([a + reach * errors[0], b + second_reach * errors[1]]) - agreement([a, b])
    assert (np.abs(off) <= agreement_bound(a, b, reach, second_reach) * (1 + 1e-6) + 1e-9).all()


def test_the_bound_of_an_agreement_is_small_where_both_maps_are_sure():
    assert agreement_bound([9.0], [4.0], 0.1, 0.1)[0] == pytest.approx(1.31 / 6)
    assert agreement_bound([0.0], [4.0], 0.1, 0.1)[0] == pytest.approx(0.41**0.5)


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
