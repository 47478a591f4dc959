"""Numbers and lists as the book's sentences have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xaicore.evaluation.statistics import Interval


def percent(share: float) -> str:
    """0.523 → '52%'; a tiny share is not rounded to nothing: 0.003 → 'less than 1%'."""
    return f"{share:.0%}" if share == 0 or share >= 0.01 else "less than 1%"


def listed(
    items: Iterable[Any] | Mapping[str, Any], form: str = "{}", between: str = ", ", none: str = "none"
) -> str:
    """Several things in one sentence: `listed({"blur": 2, "grey": 1}, "{} ({name})")` → '2 (blur), 1 (grey)'.

    Args:
        items: what to list, or a mapping from each one's name to its value.
        form: how one of them reads, as for `str.format`: `{}` is the item or the value, `{name}` the name.
        between: what stands between two of them.
        none: what to say of an empty list.
    """
    if isinstance(items, Mapping):
        each = [form.format(value, name=name) for name, value in items.items()]
    else:
        each = [form.format(item) for item in items]
    return between.join(each) or none


def counts(interval: Interval) -> str:
    """How much a mean rests on: '96 values from 11 photographs'."""
    return f"{interval.n} values from {interval.pictures} photographs"


def verdict(difference: Interval, higher: bool = True) -> str:
    """What the interval of a difference allows to say: 'better', 'worse' or, if it holds 0, 'not separated'.

    `higher` says that the larger value is the better one.
    """
    if difference.low <= 0 <= difference.high:
        return "not separated"
    return "better" if (difference.mean > 0) == higher else "worse"
