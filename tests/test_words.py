"""Numbers and lists read as the book's sentences have them."""

import pytest

from xaicore.book.words import counts, listed, percent, verdict
from xaicore.evaluation.statistics import Interval


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.003, "less than 1%"), (0.01, "1%"), (0.523, "52%"), (1, "100%")]
)
def test_percent_rounds_nothing_away(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("items", "options", "text"),
    [
        (["black", "grey"], {}, "black, grey"),
        ([0.3, 0.5], {"form": "{:.0%}"}, "30%, 50%"),
        ({"blur": 2, "grey": 1}, {"form": "{} ({name})"}, "2 (blur), 1 (grey)"),
        ({"CAM": (0.25, 1)}, {"form": "{name} {0[0]:+.2f}"}, "CAM +0.25"),
        (("a, b", "c"), {"between": "; "}, "a, b; c"),
        ((word for word in ()), {}, "none"),
        ({}, {"none": "nothing"}, "nothing"),
    ],
)
def test_lists_read_as_sentences_do(items, options, text):
    assert listed(items, **options) == text


def test_counts_say_what_a_mean_rests_on():
    assert counts(Interval(0.5, 0.4, 0.6, pictures=11, n=96)) == "96 values from 11 photographs"


@pytest.mark.parametrize(
    ("mean", "low", "high", "higher", "word"),
    [
        (0.2, 0.1, 0.3, True, "better"),
        (0.2, 0.1, 0.3, False, "worse"),
        (-0.2, -0.3, -0.1, True, "worse"),
        (-0.2, -0.3, -0.1, False, "better"),
        (0.1, -0.1, 0.3, True, "not separated"),
        (0.1, 0.0, 0.3, False, "not separated"),
    ],
)
def test_verdict_says_no_more_than_the_interval_allows(mean, low, high, higher, word):
    assert verdict(Interval(mean, low, high, 4, 4), higher) == word
