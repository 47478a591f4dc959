"""Each protocol on cases whose answer is known: perfect, random, constant, inverted and tied maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from torch import nn

from xaicore import cam, superpixels, upsample
from xaicore.evaluation.localisation import overlap_at_area, pointing_hit, positive_share, ranking, top_pixels
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


def test_cascade_names_what_it_cannot_randomise():
    with pytest.raises(ValueError, match="No module is called 'head'"):
        next(cascading_randomisation(nn.Sequential(nn.Linear(2, 2)), ["head"]))
    with pytest.raises(ValueError, match="no parameters"):
        next(cascading_randomisation(nn.Sequential(nn.ReLU()), ["0"]))


def test_rank_correlation_is_signed():
    heat = noise()
    assert rank_correlation(heat, np.exp(heat)) == pytest.approx(1)
    assert rank_correlation(heat, -heat) == pytest.approx(-1)
    assert np.isnan(rank_correlation(heat, np.zeros(SIZE)))
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


def test_bootstrap_refuses_lists_that_do_not_match():
    for arguments in ([[], []], [[1.0], ["a", "b"]], [[1.0], ["a"], [["b"], ["c"]]]):
        with pytest.raises(ValueError, match="one picture"):
            bootstrap(*arguments)


def test_ranking_is_a_permutation():
    assert sorted(ranking(noise())) == list(range(BOX.size))
