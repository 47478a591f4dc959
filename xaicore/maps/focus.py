"""Agreement between scales: what maps of one photograph at several input sizes have in common.

The network sees the picture at several sizes. Only what all of them agree on stays: where the signs agree,
the geometric mean; elsewhere zero. (Fusing maps of several sizes is common: see Zhou et al. 2023.) Together
with the contrast with other classes it makes the kind of map "focus"; neither is part of SeCAM as published.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats


def agreement(maps: Sequence[Floats]) -> NDArray[np.float64]:
    """What several signed maps agree on: ±(Π |M_i|)^(1/n) where all have one sign, else 0; NaN stays NaN.

    It adds up to no score.

    Raises:
        ValueError: no maps, or maps of different sizes.
    """
    if len({np.shape(m) for m in maps}) != 1:
        raise ValueError("Give at least one map, and all of one size.")
    stack = np.stack([np.asarray(m, dtype=np.float64) for m in maps])
    agreed = (stack > 0).all(axis=0) | (stack < 0).all(axis=0) | np.isnan(stack).any(axis=0)
    size = np.prod(np.abs(stack) ** (1 / len(stack)), axis=0)
    return np.asarray(np.where(agreed, np.sign(stack[0]) * size, 0.0))
