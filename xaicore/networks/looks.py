"""Looks: what one network saw of one photograph, at one or several sizes of its input.

A map needs nothing else: everything after it is arithmetic on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaicore.networks.prediction import Prediction


@dataclass(frozen=True, repr=False)
class Looks:
    """One :class:`~xaicore.networks.prediction.Prediction` for each input size, of one photograph.

    Attributes:
        predictions: what the network saw and said at each size.
        scales: the sizes, as multiples of the network's usual one.

    Raises:
        ValueError: no predictions, not one scale for each, or predictions of different photographs or
            networks.
    """

    predictions: tuple[Prediction, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.predictions or len(self.predictions) != len(self.scales):
            raise ValueError(
                f"{len(self.predictions)} predictions at {len(self.scales)} scales: give as many."
            )
        a = self.first
        for b in self.predictions[1:]:
            if not (_equal(a.image, b.image) and _equal(a.class_weights, b.class_weights)):
                raise ValueError("Looks are of one photograph by one network; these are not.")

    @property
    def first(self) -> Prediction:
        """The prediction that answers for all of them: its scores and its best class count."""
        return self.predictions[0]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    def __len__(self) -> int:
        return len(self.predictions)

    def __repr__(self) -> str:
        return f"Input sizes {', '.join(f'{s:g}' for s in self.scales)}; at the first:\n{self.first!r}"

    def _repr_html_(self) -> str:
        return self.first._repr_html_()


def _equal(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a is b or np.array_equal(a, b)


def as_looks(seen: Looks | Prediction) -> Looks:
    """A prediction as one look at the usual size; looks as they are."""
    return seen if isinstance(seen, Looks) else Looks((seen,), (1,))
