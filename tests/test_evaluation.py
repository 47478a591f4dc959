"""Each protocol on cases whose answer is known: perfect, random, constant, inverted and tied maps."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import hmean, pearsonr, rankdata
from torch import nn

from xaicore import cam, gap_classifier, superpixels, upsample
from xaicore.evaluation.localisation import (
    check_pair,
    overlap_at_area,
    pointing_hit,
    positive_share,
    ranking,
    top_pixels,
)
from xaicore.evaluation.randomisation import cascading_randomisation, rank_correlation
from xaicore.evaluation.removal import adcc, area_under, blurred, class_probability, irof, removal_curve
from xaicore.evaluation.statistics import bootstrap

SIZE = (24, 30)
BOX = np.zeros(SIZE, bool)
BOX[4:10, 5:15] = True
# integer maps, so that ties abound; from all zero to all distinct signs
maps = st.builds(
    lambda seed, low, high: np.random.default_rng(seed).integers(low, high + 1, SIZE).astype(float),
    st.integers(0, 10**6),
    st.integers(-3, 0),
    st.integers(0, 3),
)


def noise(seed=0):
    return np.random.default_rng(seed).normal(size=SIZE)


# --- where the evidence lies -----------------------------------------------------------------------------


def test_positive_share_of_known_maps():
    assert positive_share(BOX.astype(float), BOX) == 1
    assert positive_share(np.where(BOX, -1.0, 1.0), BOX) == 0
    assert positive_share(np.ones(SIZE), BOX) == pytest.approx(BOX.mean())  # a constant map: chance
    assert positive_share(np.zeros(SIZE), BOX) == 0  # no positive evidence scores 0, as the paper defines it
    assert positive_share(-np.ones(SIZE), BOX) == 0
    assert positive_share(1e-6 * BOX, BOX) == pytest.approx(1)


def test_random_map_scores_chance_in_each_cell_of_a_grid():
    heat = np.random.default_rng(0).normal(size=(300, 300))
    cells = np.add.outer(np.arange(300) // 100 * 3, np.arange(300) // 100)
    shares = [positive_share(heat, cells == cell) for cell in range(9)]
    assert sum(shares) == pytest.approx(1)
    assert np.abs(np.array(shares) - 1 / 9).max() < 0.005


@given(maps, st.floats(0.1, 10))
def test_positive_share_ignores_scale_and_splits_into_parts(heat, factor):
    share = positive_share(heat, BOX)
    assert positive_share(heat * factor, BOX) == pytest.approx(share)
    assert share + positive_share(heat, ~BOX) == pytest.approx(float((heat > 0).any()))


def test_pointing_hit_of_known_maps():
    inside, outside, near = np.zeros(SIZE), np.zeros(SIZE), np.zeros(SIZE)
    inside[6, 8] = outside[20, 28] = near[12, 8] = 1
    assert pointing_hit(inside, BOX, 0) == 1
    assert pointing_hit(outside, BOX, 0) == 0
    assert (pointing_hit(near, BOX, 2), pointing_hit(near, BOX, 3)) == (0, 1)  # the box ends at row 9
    border = np.zeros(SIZE)
    border[6, 29] = 1  # the box ends at column 14
    narrow = BOX & (np.arange(30) < 14)
    assert (pointing_hit(border, BOX), pointing_hit(border, narrow)) == (1, 0), "15 pixels unless told"


def test_tied_maxima_count_as_their_share():
    assert pointing_hit(np.zeros(SIZE), BOX, 0) == pytest.approx(BOX.mean())
    half = np.zeros(SIZE)
    half[6, 8] = half[20, 28] = 1
    assert pointing_hit(half, BOX, 0) == 0.5


def test_nothing_to_point_at_is_an_error():
    for protocol in (pointing_hit, overlap_at_area):
        with pytest.raises(ValueError, match="mask is empty"):
            protocol(noise(), np.zeros(SIZE, bool))


@pytest.mark.parametrize("protocol", [positive_share, pointing_hit, overlap_at_area])
def test_maps_that_cannot_be_judged_are_refused(protocol):
    with pytest.raises(ValueError, match=r"shape \(24, 30\), the mask \(24, 29\)"):
        protocol(noise(), BOX[:, 1:])
    heat = noise()
    heat[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        protocol(heat, BOX)


@pytest.mark.parametrize("protocol", [positive_share, pointing_hit, overlap_at_area])
def test_a_mask_of_noughts_and_ones_is_a_mask(protocol):
    assert protocol(noise(), BOX.astype(np.uint8)) == protocol(noise(), BOX)
    heat, everything = check_pair(noise(), None)
    assert everything.dtype == bool and everything.all() and everything.shape == heat.shape


@given(maps, st.integers(0, BOX.size))
def test_top_pixels_marks_exactly_so_many_and_none_below_one_left_out(heat, count):
    mask = top_pixels(heat, count)
    assert mask.sum() == count
    if 0 < count < BOX.size:
        assert heat[mask].min() >= heat[~mask].max()


def test_ties_fall_by_the_seed_and_not_by_the_place():
    plateau = np.zeros(SIZE)
    masks = [top_pixels(plateau, 100, seed) for seed in range(40)]
    assert (masks[0] != masks[1]).any()
    assert (masks[0] == top_pixels(plateau, 100, 0)).all()
    assert abs(np.mean([mask[:12].mean() for mask in masks]) - 100 / 720) < 0.02  # not all in the first rows


def test_ties_fall_in_the_order_drawn():
    plateau = np.zeros(SIZE)
    for seed in range(3):
        drawn = np.random.default_rng(seed).permutation(BOX.size)
        for heat in (plateau, noise().round()):
            assert ranking(heat, seed).tolist() == sorted(drawn, key=lambda i: -heat.flat[i])
        both = (top_pixels(plateau, 60, seed) & BOX).sum()
        assert overlap_at_area(plateau, BOX, seed) == both / (120 - both)
    assert (ranking(plateau) == ranking(plateau, 0)).all()
    assert (top_pixels(plateau, 9) == top_pixels(plateau, 9, 0)).all()
    assert overlap_at_area(plateau, BOX) == overlap_at_area(plateau, BOX, 0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.uint64])
def test_maps_of_whole_numbers_are_ranked_like_others(dtype):
    low, high = (0, 1) if dtype is bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    heat = np.where(BOX, dtype(high), dtype(low))
    assert (top_pixels(heat, BOX.sum()) == BOX).all() and overlap_at_area(heat, BOX) == 1
    assert rank_correlation(heat, BOX + 0.0) == pytest.approx(1)


def test_top_pixels_refuses_more_than_there_are():
    with pytest.raises(ValueError, match="has 720 pixels"):
        top_pixels(noise(), 721)


def test_overlap_at_area_of_known_maps():
    assert overlap_at_area(BOX + 0.0, BOX) == 1
    assert overlap_at_area(0.0 - BOX, BOX) == 0
    shifted = np.roll(BOX, 5, axis=1) + 0.0  # half of the box: IoU = A/2 / (2A − A/2)
    assert overlap_at_area(shifted, BOX) == pytest.approx(1 / 3)
    chance = np.mean([overlap_at_area(np.zeros(SIZE), BOX, seed) for seed in range(50)])
    share = BOX.mean()
    assert chance == pytest.approx(share / (2 - share), abs=0.02)


# --- removal ---------------------------------------------------------------------------------------------

PICTURE = np.random.default_rng(1).integers(1, 256, (*SIZE, 3)).astype(np.uint8)
BLACK = np.zeros_like(PICTURE)


def brightness_in_box(pictures):
    """A "network" that looks at the box and nothing else."""
    return (pictures[:, BOX] > 0).mean(axis=(1, 2))


def test_removal_curve_of_known_maps():
    steps = [0, 0.25, 0.5, 0.75, 1]
    share = BOX.mean()
    perfect = removal_curve(brightness_in_box, PICTURE, BOX + 0.0, BLACK, [0, share, 1])
    assert perfect.tolist() == [1, 0, 0]
    worst = removal_curve(brightness_in_box, PICTURE, 0.0 - BOX, BLACK, [0, 1 - share, 1])
    assert worst.tolist() == [1, 1, 0]
    constant = removal_curve(brightness_in_box, PICTURE, np.zeros(SIZE), BLACK, steps)
    np.testing.assert_allclose(constant, 1 - np.array(steps), atol=0.15)
    back = removal_curve(brightness_in_box, PICTURE, BOX + 0.0, BLACK, [0, share, 1], insertion=True)
    assert back.tolist() == [0, 1, 1]


@pytest.mark.parametrize("seed", [None, 0, 3])
@pytest.mark.parametrize("insertion", [False, True])
def test_the_pictures_of_a_removal(seed, insertion):
    """Each holds the baseline's pixels at the highest, and those alone."""
    heat, other, seen = (noise() > 0.5) + 0.0, 255 - PICTURE, []
    options = {} if seed is None else {"seed": seed}
    steps = [0.1, 0.5, 0.9004, 0.9996]

    def score(pictures):
        seen.extend(pictures)
        return np.arange(len(pictures)) / 8

    curve = removal_curve(score, PICTURE, heat, other, steps, insertion=insertion, **options)
    assert curve.tolist() == [0, 1 / 8, 2 / 8, 3 / 8]
    for picture, count in zip(seen, (72, 360, 648, 720), strict=True):
        marked = top_pixels(heat, count, seed or 0)[..., None]
        expected = np.where(marked != insertion, other, PICTURE)
        np.testing.assert_array_equal(
            picture, expected if not insertion else np.where(marked, PICTURE, other)
        )


@given(maps)
@settings(max_examples=20)
def test_every_map_changes_the_same_number_of_pixels(heat):
    steps = np.linspace(0, 1, 7)
    changed = removal_curve(lambda p: (p == 0).all(axis=3).mean(axis=(1, 2)), PICTURE, heat, BLACK, steps)
    np.testing.assert_allclose(changed, np.round(steps * BOX.size) / BOX.size)


def test_deletion_and_insertion_of_an_order_and_its_reverse_mirror_each_other():
    steps = np.linspace(0, 1, 9)
    heat = noise()
    gone = removal_curve(brightness_in_box, PICTURE, heat, BLACK, steps)
    put = removal_curve(brightness_in_box, PICTURE, -heat, BLACK, steps, insertion=True)
    np.testing.assert_allclose(gone, put[::-1], atol=1e-12)


def test_removal_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="don't fit"):
        removal_curve(brightness_in_box, PICTURE, noise()[1:], BLACK, [0, 1])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        removal_curve(brightness_in_box, PICTURE, noise(), BLACK, [0, 1.1])


def test_area_under_known_curves():
    assert area_under([1, 1, 1], [0, 0.2, 1]) == 1
    assert area_under([1, 0], [0, 1]) == 0.5
    assert area_under([1, 0, 0], [0, 0.5, 1]) == 0.25
    assert area_under([3, 1], [0.25, 0.75]) == 2
    assert area_under(np.uint8([200, 200, 100]), np.uint8([90, 50, 10])) == 175  # no wrapping round


def test_removal_curves_start_and_end_at_the_pictures_themselves(resnet50, chelsea):
    score = class_probability(resnet50, chelsea.index())
    photo, blank = chelsea.input_image, blurred(chelsea.input_image)
    heat = upsample(cam(chelsea), photo.shape[:2])
    curve = removal_curve(score, photo, heat, blank, [0, 0.3, 1])
    assert curve[0] == pytest.approx(chelsea.score().probability, abs=1e-5)
    assert curve[2] == pytest.approx(score(blank[None])[0], abs=1e-5)
    assert curve[1] < curve[0]


def test_class_probability_is_the_networks(resnet50, chelsea):
    pictures = np.stack([chelsea.input_image, blurred(chelsea.input_image), chelsea.input_image])
    batched = class_probability(resnet50, "Egyptian cat", batch_size=2)(pictures)
    assert batched[0] == pytest.approx(chelsea.score("Egyptian cat").probability, abs=1e-5)
    assert batched[2] == pytest.approx(batched[0], abs=1e-5)
    scores = class_probability(resnet50, "Egyptian cat", score=True)(pictures[:1])
    assert scores[0] == pytest.approx(chelsea.score("Egyptian cat").score, abs=1e-4)


def test_class_probability_is_that_of_each_picture_alone(one):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3)).astype(np.uint8)
    alone = [one.predict(picture, "squash") for picture in pictures]
    for options in ({}, {"batch_size": 1}, {"batch_size": 2}, {"batch_size": 5}):
        found = class_probability(one, "bee", **options)(pictures)
        np.testing.assert_allclose(found, [p.probabilities[1] for p in alone], rtol=1e-5)
        scores = class_probability(one, 1, score=True, **options)(pictures)
        np.testing.assert_allclose(scores, [p.scores[1] for p in alone], atol=1e-6)
        assert scores.dtype == np.float64


def test_class_probability_of_scores_beyond_what_exp_can_hold():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    torch.manual_seed(0)
    nn.init.normal_(network[-1].weight, std=4e4)
    loud = gap_classifier(network)
    pictures = np.stack([np.full((224, 224, 3), grey, np.uint8) for grey in (0, 130, 255)])
    scores = np.stack([loud.predict(picture, "squash").scores for picture in pictures]).astype(float)
    assert np.ptp(scores.max(axis=1)) > 1000
    for c in range(3):
        np.testing.assert_allclose(class_probability(loud, c)(pictures), softmax(scores, axis=1)[:, c])


@pytest.mark.parametrize("sigma", [2, 10])
def test_blurred_is_opencvs(sigma):
    import cv2

    size, edges = (8 * sigma + 1,) * 2, cv2.BORDER_REFLECT
    picture = np.kron(PICTURE[:5, :6], np.ones((20, 20, 1), np.uint8))
    expected = cv2.GaussianBlur(picture.astype(np.float32), size, sigma, borderType=edges)
    found = blurred(picture) if sigma == 10 else blurred(picture, sigma)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() < 0.51


def test_irof_prefers_the_right_order_and_sees_only_superpixel_means():
    labels = superpixels(PICTURE, 20, "watershed")
    mean = PICTURE.reshape(-1, 3).mean(axis=0).round()

    def unchanged_in_box(pictures):
        return 0.01 + (pictures[:, BOX] != mean).any(axis=2).mean(axis=1)

    right, wrong = (irof(unchanged_in_box, PICTURE, sign * BOX, labels) for sign in (1.0, -1.0))
    assert right > wrong
    heat = noise()
    means = np.array([heat[labels == s].mean() for s in range(labels.max() + 1)])
    same = irof(unchanged_in_box, PICTURE, means[labels], labels)
    assert irof(unchanged_in_box, PICTURE, heat, labels) == same  # a map and its superpixel averages


@pytest.mark.parametrize("tied", [False, True])
def test_irof_written_out(tied):
    """One superpixel after another turns grey, the highest first; where they tie, in the labels' order."""
    labels = np.arange(720).reshape(SIZE) // 9
    heat = labels % 3 + 0.0 if tied else noise()
    order = sorted(range(80), key=lambda s: -heat[labels == s].mean())
    grey = np.rint(PICTURE.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    seen = []

    def score(pictures):
        seen.extend(pictures)
        return 0.5 + 0.3 * np.cos(np.arange(len(pictures)))

    found = irof(score, PICTURE, heat, labels)
    assert found == pytest.approx(1 - np.mean((0.5 + 0.3 * np.cos(np.arange(1, 81))) / 0.8))
    picture = PICTURE.copy()
    np.testing.assert_array_equal(seen[0], picture)
    for s, shown in zip(order, seen[1:], strict=True):
        picture[labels == s] = grey
        np.testing.assert_array_equal(shown, picture)
        assert shown.dtype == np.uint8


# --- kept evidence ---------------------------------------------------------------------------------------


def test_adcc_of_known_maps():
    # the whole of the box is kept, and the masked picture's map is the same
    best = adcc(brightness_in_box, lambda p: BOX + 0.0, PICTURE)
    assert (best.drop, best.increase, best.complexity) == (0, 0, pytest.approx(BOX.mean()))
    assert best.coherency == pytest.approx(1)
    assert best.adcc == pytest.approx(3 / (1 + 1 / (1 - BOX.mean()) + 1))
    # nothing of it is kept
    worst = adcc(brightness_in_box, lambda p: ~BOX + 0.0, PICTURE)
    assert (worst.drop, worst.adcc) == (1, 0)
    # a constant map hides the whole picture
    assert adcc(brightness_in_box, lambda p: np.ones(SIZE), PICTURE).drop == 1


def test_adcc_written_out():
    own, other = np.linspace(1, 3, BOX.size).reshape(SIZE), noise()
    asked = []

    def explain(picture):
        asked.append(picture)
        return other if len(asked) > 1 else own

    def score(pictures):
        return 0.8 * pictures.mean(axis=(1, 2, 3)) / 255

    e, again = (own - 1) / 2, np.maximum(other, 0) / other.max()
    kept = np.rint(PICTURE * e[..., None])
    before, after = score(np.stack([PICTURE, kept]))
    drop, coherency = 1 - after / before, (1 + pearsonr(e.ravel(), again.ravel()).statistic) / 2
    harmonic = hmean([coherency, 1 - e.mean(), 1 - drop])
    found = adcc(score, explain, PICTURE)
    assert found == pytest.approx((drop, 0, e.mean(), coherency, harmonic))
    assert (asked[0] == PICTURE).all() and (asked[1] == kept).all() and asked[1].dtype == np.uint8
    assert adcc(score, explain, PICTURE, own) == found and len(asked) == 3, "a map at hand isn't made again"
    single = own.astype(np.float32)
    assert adcc(score, explain, PICTURE, single) == adcc(score, explain, PICTURE, single.astype(float))


def test_adcc_of_maps_that_do_not_agree():
    for own, again, coherency in (
        (BOX, np.ones(SIZE), 0.5),
        (np.ones(SIZE), BOX, 0.5),
        (np.ones(SIZE), np.ones(SIZE), 0.5),
        (BOX, ~BOX, 0),
    ):
        found = adcc(lambda p: np.array([0.5, 0.4]), lambda p, m=again: m + 0.0, PICTURE, own + 0.0)
        assert found.coherency == pytest.approx(coherency)
        assert found.drop == pytest.approx(0.2)
        assert found.complexity == (BOX.mean() if own is BOX else 0)


def test_increase_counts_a_higher_score():
    kept = adcc(lambda p: 1 - 0.5 * (p > 0).mean(axis=(1, 2, 3)), lambda p: BOX + 0.0, PICTURE)
    assert (kept.drop, kept.increase) == (0, 1)


# --- randomisation ---------------------------------------------------------------------------------------


def test_cascade_draws_the_named_layers_anew_and_no_others():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    state = torch.get_rng_state()
    steps = list(cascading_randomisation(network, ["2", "0"]))
    assert torch.equal(torch.get_rng_state(), state)
    assert [name for name, _ in steps] == ["2", "0"]
    first, second = (copy.state_dict() for _, copy in steps)
    assert not torch.equal(first["2.weight"], before["2.weight"])
    assert torch.equal(first["0.weight"], before["0.weight"])
    assert torch.equal(second["2.weight"], first["2.weight"])  # what was drawn stays
    assert not torch.equal(second["0.weight"], before["0.weight"])
    assert all(torch.equal(network.state_dict()[k], v) for k, v in before.items())


def test_a_cascade_draws_a_block_with_all_its_layers_by_the_seed():
    block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    network = nn.Sequential(block, nn.Flatten())
    ((_, drawn),) = cascading_randomisation(network, ["0"])
    assert not torch.equal(drawn[0][0].weight, block[0].weight)
    torch.manual_seed(0)
    for layer in (block[0], block[2]):
        layer.reset_parameters()
    assert all(torch.equal(drawn.state_dict()[k], v) for k, v in network.state_dict().items())
    ((_, other),) = cascading_randomisation(network, ["0"], seed=1)
    assert not torch.equal(other[0][0].weight, drawn[0][0].weight)


def test_cascade_names_what_it_cannot_randomise():
    with pytest.raises(ValueError, match="No module is called 'head'"):
        next(cascading_randomisation(nn.Sequential(nn.Linear(2, 2)), ["head"]))
    with pytest.raises(ValueError, match="no parameters"):
        next(cascading_randomisation(nn.Sequential(nn.ReLU()), ["0"]))


def test_rank_correlation_is_signed():
    heat = noise()
    assert rank_correlation(heat, np.exp(heat)) == pytest.approx(1)
    assert rank_correlation(heat, -heat) == pytest.approx(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for constant in (np.zeros(SIZE), np.ones(SIZE)):
            assert np.isnan(rank_correlation(heat, constant)) and np.isnan(rank_correlation(constant, heat))
    assert rank_correlation(BOX, ~BOX) == rank_correlation(2.0 - BOX, BOX) == pytest.approx(-1)
    other = noise(1)
    expected = np.corrcoef(rankdata(heat), rankdata(other))[0, 1]
    assert rank_correlation(heat, other) == pytest.approx(expected)
    with pytest.raises(ValueError, match="720 and 690"):
        rank_correlation(heat, heat[1:])


# --- intervals -------------------------------------------------------------------------------------------


def test_interval_of_identical_values_is_a_point():
    assert bootstrap([0.3] * 4, list("abcd"))[:3] == pytest.approx((0.3, 0.3, 0.3))


def test_interval_is_that_of_the_pictures_and_not_of_the_values():
    """A hundred copies of each picture's value tell no more than one."""
    values, pictures = np.random.default_rng(0).normal(size=12), list("abcdefghijkl")
    once, often = bootstrap(values, pictures), bootstrap(np.repeat(values, 100), np.repeat(pictures, 100))
    assert often[:3] == pytest.approx(once[:3])
    assert (once.pictures, once.n, often.pictures, often.n) == (12, 12, 12, 1200)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = []
    for trial in range(200):
        interval = bootstrap(rng.normal(size=30), [str(i) for i in range(30)], draws=400, seed=trial)
        hits.append(interval.low <= 0 <= interval.high)
    assert 0.88 <= np.mean(hits) <= 0.98


def test_shared_other_pictures_widen_the_interval():
    """Mosaics in which one companion spoils the score: the companion is drawn too."""
    pictures = [a for a in "abcd" for b in "efgh"]
    others = [[b] for a in "abcd" for b in "efgh"]
    spoilt = [float(b != "h") for a in "abcd" for b in "efgh"]
    blind, aware = bootstrap(spoilt, pictures), bootstrap(spoilt, pictures, others)
    assert blind.low == blind.high == pytest.approx(0.75)
    assert aware.low < 0.6 < 0.75 < aware.high
    assert aware.mean == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("values", "pictures", "others"),
    [
        ([1.0, 4.0, -2.0, 8.0], "abac", None),
        ([1.0, 4.0, -2.0, 8.0], "abac", [["b"], ["c", "d"], ["d", "c"], ["a"]]),
        ([1.0, 4.0, -2.0, 8.0], "abac", [["b", "b", "c"], ["c"], ["d"], ["a", "d"]]),
        ([1.0, 4.0], "ad", [["b"], ["c"]]),
    ],
)
def test_an_interval_written_out(values, pictures, others):
    """Draw by draw; some pictures are nobody's target, named twice in a row, or not drawn at all."""
    names = "abcd" if others else "abc"
    rng, means = np.random.default_rng(3), []
    for drawn in rng.multinomial(len(names), [1 / len(names)] * len(names), 60):
        n = dict(zip(names, drawn.tolist(), strict=True))
        shares = [np.mean([n[d] for d in row]) for row in others] if others else [1] * len(values)
        weights = [n[t] * share for t, share in zip(pictures, shares, strict=True)]
        if sum(weights):
            means.append(np.average(values, weights=weights))
    assert others is None or len(means) < 60, "of some draws nothing is left"
    found = bootstrap(values, list(pictures), others, level=0.8, draws=60, seed=3)
    assert found[:3] == pytest.approx((np.mean(values), *np.quantile(means, [0.1, 0.9])))
    assert (found.pictures, found.n) == (len(names), len(values))


def test_an_interval_unless_told():
    values, pictures = noise().ravel()[:40], [str(i) for i in range(40)]
    usual = bootstrap(values, pictures, level=0.95, draws=10_000, seed=0)
    assert bootstrap(values, pictures) == usual != bootstrap(values, pictures, seed=1)


def test_bootstrap_refuses_lists_that_do_not_match():
    for arguments in ([[], []], [[], [], []], [[1.0], ["a", "b"]], [[1.0], ["a"], [["b"], ["c"]]]):
        with pytest.raises(ValueError, match="one picture"):
            bootstrap(*arguments)


def test_ranking_is_a_permutation():
    assert sorted(ranking(noise())) == list(range(BOX.size))
