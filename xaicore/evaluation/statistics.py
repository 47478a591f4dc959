"""How sure we are: means with confidence intervals over pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean with its bootstrap confidence interval; `pictures`: how many were drawn from, `n`: values."""

    mean: float
    low: float
    high: float
    pictures: int
    n: int


def bootstrap(
    values: Sequence[float] | Values,
    pictures: Sequence[str],
    others: Sequence[Sequence[str]] | None = None,
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Mean and percentile interval (Efron 1979) from drawing *pictures*, not values, with replacement.

    Values that come from the same picture are not independent, so a picture is drawn with all of its values.
    A mosaic holds several: the value of (target picture t, the others D) counts in each draw with weight
    n_t · mean_(d∈D) n_d, where n_i says how often picture i was drawn (the pigeonhole bootstrap of Owen 2007
    for two crossed factors, with the others' weights averaged, as their effects add up).

    For a difference of two methods give the differences, paired by picture.

    Raises:
        ValueError: no values, or lists of different lengths.
    """
    values = np.asarray(values, float)
    lengths = {len(values), len(pictures), len(values if others is None else others)}
    if lengths == {0} or len(lengths) > 1:
        raise ValueError("Give one picture (and one list of others) for each value, and at least one value.")
    names = sorted({*pictures} | {d for row in others or () for d in row})
    place = {name: i for i, name in enumerate(names)}
    target = np.array([place[name] for name in pictures])
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    weights = drawn[:, target].astype(float)
    if others is not None:
        share = np.zeros((len(names), len(values)))
        for j, row in enumerate(others):
            for name in row:
                share[place[name], j] += 1 / len(row)
        weights *= drawn @ share
    totals = weights.sum(axis=1)
    means = (weights[totals > 0] @ values) / totals[totals > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(names), len(values))
