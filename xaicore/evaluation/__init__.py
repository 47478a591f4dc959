"""Protocols that judge a map: where its evidence lies, what removing it does, how sure we are.

Every protocol is a pure function. A map is a signed (H, W) array; a mask is a (H, W) array of booleans; a
`ScoreFunction` takes pictures (N, H, W, 3) uint8 and gives N numbers, such as the probability of one class.

Two traps are closed here. A map that is constant on regions ties with itself, so "the top 10 % of pixels" is
not defined by it: :func:`top_pixels` always marks exactly the number asked for. And a maximum that many
pixels share is no single point: :func:`pointing_hit` counts the share of them that hit.
"""

from xaicore.evaluation.localisation import (
    overlap_at_area,
    pointing_hit,
    positive_share,
    ranking,
    top_pixels,
)
from xaicore.evaluation.randomisation import cascading_randomisation, rank_correlation
from xaicore.evaluation.removal import (
    KeptScores,
    ScoreFunction,
    adcc,
    area_under,
    blurred,
    class_probability,
    irof,
    removal_curve,
)
from xaicore.evaluation.statistics import Interval, Values, bootstrap

__all__ = [
    "Interval",
    "KeptScores",
    "ScoreFunction",
    "Values",
    "adcc",
    "area_under",
    "blurred",
    "bootstrap",
    "cascading_randomisation",
    "class_probability",
    "irof",
    "overlap_at_area",
    "pointing_hit",
    "positive_share",
    "rank_correlation",
    "ranking",
    "removal_curve",
    "top_pixels",
]
