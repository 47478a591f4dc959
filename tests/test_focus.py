"""Contrast obeys its identities on real photographs; agreement keeps only what all maps share."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_network import tiny

from xaicore import cam, contrastive_cam, heat_map, sample_image
from xaicore.evaluation.randomisation import rank_correlation
from xaicore.maps.cells import class_activation_map, contrast_with, rival_shares
from xaicore.maps.drawing import on_photo
from xaicore.maps.focus import agreement
from xaicore.networks.looks import Looks

maps = arrays(np.float64, (3, 4), elements=st.floats(-5, 5).map(lambda v: round(v, 2)))


def others(prediction, c):
    """q_j = p_j / (1 − p_c), straight from the definition."""
    q = prediction.probabilities.copy()
    q[c] = 0
    return q / q.sum()


@pytest.mark.parametrize("target", ["Egyptian cat", "tabby", "bull mastiff"])
def test_contrast_is_its_definition(chelsea, target):
    c = chelsea.index(target)
    q = others(chelsea, c)
    expected = cam(chelsea, c) - np.tensordot(q, cam(chelsea, range(1000)), 1)
    np.testing.assert_allclose(contrastive_cam(chelsea, c, "others"), expected, atol=1e-4)


def test_contrast_is_complete(chelsea):
    c, bias = chelsea.index(), chelsea.bias
    q = others(chelsea, c)
    total = contrastive_cam(chelsea, against="others").mean() + bias[c] - q @ bias
    assert total == pytest.approx(chelsea.scores[c] - q @ chelsea.scores, abs=1e-4)


def test_contrast_is_the_gradient_behind_the_softmax(chelsea):
    """∂p_c/∂f_k(x,y) = p_c (1 − p_c) / Z · (w_k^c − Σ q_j w_k^j), by autograd (Wang & Wang 2022)."""
    features = torch.tensor(chelsea.feature_maps, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor(chelsea.class_weights, dtype=torch.float64)
    scores = weights @ features.mean(dim=(1, 2)) + torch.tensor(chelsea.bias, dtype=torch.float64)
    c = chelsea.index()
    p = torch.softmax(scores, 0)[c]
    p.backward()
    gradient = (features.grad * features.detach()).sum(0).numpy()
    slope = float(p.detach() * (1 - p.detach()))
    expected = slope / features[0].numel() * contrastive_cam(chelsea, against="others")
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=1e-6)


def test_adding_one_vector_to_all_classes_changes_the_cam_and_not_the_contrast(chelsea):
    vector = np.random.default_rng(0).normal(size=chelsea.class_weights.shape[1]).astype(np.float32)
    shifted = replace(chelsea, class_weights=chelsea.class_weights + vector)
    assert np.abs(cam(shifted) - cam(chelsea)).max() > 1
    for contrast in ("rivals", "others", "tabby"):
        expected = contrastive_cam(chelsea, against=contrast)
        np.testing.assert_allclose(contrastive_cam(shifted, against=contrast), expected, atol=1e-3)


def test_contrast_with_one_class(chelsea):
    a, b = cam(chelsea, ["tabby", "tiger cat"])
    np.testing.assert_allclose(contrastive_cam(chelsea, "tabby", "tiger cat"), a - b, atol=1e-4)
    with pytest.raises(ValueError, match="'tabby' against itself"):
        contrastive_cam(chelsea, "tabby", "tabby")
    with pytest.raises(ValueError, match="No class is called 'tabbby'"):
        contrastive_cam(chelsea, "tabby", "tabbby")


@pytest.mark.parametrize("against", ["rivals", "others", "tabby"])
def test_shares_sum_to_one_and_leave_the_class_out(chelsea, against):
    shares = rival_shares(chelsea, "tiger cat", against)
    assert sum(shares.values()) == pytest.approx(1)
    assert chelsea.index("tiger cat") not in shares


def test_contrast_with_the_ten_strongest_rivals(chelsea):
    c = chelsea.index("tabby")
    strongest = [row.index for row in chelsea.top(11) if row.index != c][:10]
    expected = cam(chelsea, c) - np.mean(cam(chelsea, strongest), axis=0)
    np.testing.assert_allclose(contrastive_cam(chelsea, c, "rivals"), expected, atol=1e-4)


@pytest.mark.parametrize("strongest", [1, 3, 999, 5000])
def test_so_many_rivals_as_asked_for_or_all(chelsea, strongest):
    c = chelsea.index()
    rivals = [row.index for row in chelsea.top(1000) if row.index != c][:strongest]
    expected = cam(chelsea, c) - np.mean(cam(chelsea, rivals), axis=0)
    np.testing.assert_allclose(contrastive_cam(chelsea, strongest=strongest), expected, atol=1e-4)
    with pytest.raises(ValueError, match="at least one rival"):
        contrastive_cam(chelsea, strongest=0)


def test_a_network_of_few_classes_has_fewer_rivals(chelsea):
    few = replace(
        chelsea,
        scores=chelsea.scores[:3],
        class_weights=chelsea.class_weights[:3],
        bias=chelsea.bias[:3],
        categories=chelsea.categories[:3],
    )
    expected = cam(few, 0) - np.mean(cam(few, [1, 2]), axis=0)
    np.testing.assert_allclose(contrastive_cam(few, 0, "rivals"), expected, atol=1e-5)


def test_contrast_stays_exact_when_the_network_is_sure(chelsea):
    """p_c rounds to 1 in float32; the others' shares must not come from 1 − p_c."""
    c = chelsea.index()
    scores = chelsea.scores.copy()
    scores[c] += 100
    sure, usual = (rival_shares(p, c, "others") for p in (replace(chelsea, scores=scores), chelsea))
    assert sure == pytest.approx(usual)


# --- on small networks, whose every share is written out -------------------------------------------------


def test_shares_written_out(one):
    p = one.predict(sample_image("coffee"), "squash")
    for c in range(6):
        rest = sorted({*range(6)} - {c}, key=lambda j: -p.scores[j])
        for strongest in (1, 2, 4, 5, 6, 9):
            expected = dict.fromkeys(rest[:strongest], 1 / min(strongest, 5))
            assert list(rival_shares(p, c, strongest=strongest).items()) == list(expected.items())
        chances = {j: p.probabilities[j] / (1 - p.probabilities[c]) for j in sorted(rest)}
        assert rival_shares(p, c, "others") == pytest.approx(chances)
        assert rival_shares(p, c, rest[1]) == {rest[1]: 1.0}
        for against in ("rivals", "others", rest[2]):
            shares = rival_shares(p, c, against)
            found = contrastive_cam(p, c, against)
            expected = cam(p, c) - sum(q * cam(p, j) for j, q in shares.items())
            np.testing.assert_allclose(found, expected, atol=1e-6)
            assert found.dtype == cam(p, c).dtype == np.float32
        two = contrastive_cam(p, c, strongest=2)
        np.testing.assert_allclose(two, cam(p, c) - cam(p, rest[:2]).mean(axis=0), atol=1e-6)
        np.testing.assert_array_equal(contrast_with(p, c, {}), cam(p, c))
    assert rival_shares(p) == rival_shares(p, p.index(), "rivals")
    np.testing.assert_array_equal(contrastive_cam(p), contrastive_cam(p, p.index()))


def test_the_maps_of_named_classes(one):
    p = one.predict(sample_image("coffee"), "squash")
    for several in (["bee", 4], ("bee", 4), np.array([1, 4])):
        expected = class_activation_map(p.feature_maps, p.class_weights[[1, 4]])
        np.testing.assert_array_equal(cam(p, several), expected)
    np.testing.assert_allclose(cam(p, "bee"), expected[0], atol=1e-6)
    np.testing.assert_array_equal(cam(p), cam(p, p.index()))


def test_ten_rivals_and_of_equals_the_first():
    p = tiny(0, 40).predict(sample_image("coffee"))
    assert len(rival_shares(p)) == 10
    equal = replace(p, scores=np.zeros_like(p.scores))
    assert list(rival_shares(equal, 3)) == [0, 1, 2, *range(4, 11)]


def test_shares_of_scores_beyond_what_exp_can_hold(one):
    p = one.predict(sample_image("coffee"))
    loud = replace(p, scores=np.float32([900, 901, 0, 902, -900, 5]))
    expected = np.exp([-1, 0]) / np.exp([-1, 0]).sum()
    assert rival_shares(loud, 3, "others") == pytest.approx(
        {0: expected[0], 1: expected[1], 2: 0, 4: 0, 5: 0}
    )


def test_what_has_no_rival(one):
    p = one.predict(sample_image("coffee"))
    single = tiny(0, 1).predict(sample_image("coffee"))
    for arguments, says in (
        ((p, "bee", "bee"), "'bee' against itself"),
        ((p, "bee", "rivals", 0), "at least one rival"),
        ((replace(p, activation="sigmoid"), "bee", "others"), "don't exclude each other"),
        ((single,), "answers by one logit"),
    ):
        with pytest.raises(ValueError, match=says):
            rival_shares(*arguments)
    assert rival_shares(replace(p, activation="sigmoid"), "bee", "dog") == {4: 1.0}


# --- agreement -------------------------------------------------------------------------------------------


@given(st.lists(maps, min_size=1, max_size=4))
def test_agreement_is_a_geometric_mean_with_a_sign(stack):
    result = agreement(stack)
    same = np.abs(np.sign(stack).sum(axis=0)) == len(stack)
    assert (result[~same] == 0).all()
    assert (np.sign(result[same]) == np.sign(stack[0][same])).all()
    expected = np.exp(np.mean(np.log(np.abs(stack)[:, same]), axis=0))
    np.testing.assert_allclose(np.abs(result[same]), expected, rtol=1e-9)
    np.testing.assert_allclose(agreement([-m for m in stack]), -result)
    np.testing.assert_allclose(agreement([3 * m for m in stack]), 3 * result)


def test_agreement_of_one_map_is_the_map_and_unseen_stays_unseen():
    heat = np.array([[1.0, -2.0, np.nan], [0.0, 3.0, 4.0]])
    np.testing.assert_allclose(agreement([heat]), heat)
    np.testing.assert_allclose(agreement([heat, heat]), heat)
    np.testing.assert_allclose(agreement([heat, [[1, 2, 5], [0, -3, 4]]]), [[1, 0, np.nan], [0, 0, 4]])
    small = np.array([[-128, 3]], np.int8)
    np.testing.assert_allclose(agreement([small, small]), small)
    with pytest.raises(ValueError, match="of one size"):
        agreement([heat, heat[:1]])
    with pytest.raises(ValueError, match="at least one"):
        agreement([])


def test_focus_is_the_agreement_of_the_contrasts_at_each_size(resnet50):
    looks = resnet50.look(sample_image("chelsea"), (1, 2))
    for against in ("rivals", "others", "tiger cat"):
        heat = heat_map(looks, "tabby", "focus", against)
        drawn = [on_photo(contrastive_cam(p, "tabby", against), p.geometry) for p in looks]
        np.testing.assert_allclose(heat.values, agreement(drawn), atol=1e-9)
        assert not heat.adds_up and heat.total is None
        assert [m.shape for m in heat.cells] == [(7, 7), (14, 14)]


def test_scales_see_the_same_part_of_the_photograph(resnet50):
    photo = sample_image("chelsea")
    looks = resnet50.look(photo, (1, 2))
    usual, twice = (heat_map(p).values for p in looks)
    heat = heat_map(looks, kind="focus")
    assert heat.values.shape == photo.shape[:2]
    np.testing.assert_array_equal(np.isnan(heat.values), np.isnan(usual))
    seen = ~np.isnan(usual) & ~np.isnan(twice)
    assert rank_correlation(usual[seen], twice[seen]) > 0.5


def test_one_look_is_not_enough(chelsea):
    with pytest.raises(ValueError, match=r"model.look\(photo, scales=\(1, 2\)\)"):
        heat_map(chelsea, kind="focus")
    with pytest.raises(ValueError, match="other input sizes"):
        heat_map(Looks((chelsea,), (1,)), kind="focus")


def test_focus_takes_its_own_sizes_and_no_others(one):
    """Of more looks it takes those at its sizes, in whatever order; of others it says which is missing."""
    photo = sample_image("coffee")
    expected = heat_map(one.look(photo, (1, 2)), "bee", "focus").values
    for scales in ((1, 2, 1.5), (2, 1)):
        np.testing.assert_array_equal(heat_map(one.look(photo, scales), "bee", "focus").values, expected)
    for scales, missing in (((1, 1), "2"), ((2, 1.5), "1")):
        with pytest.raises(ValueError, match=f"none at {missing} times the usual"):
            heat_map(one.look(photo, scales), kind="focus")
