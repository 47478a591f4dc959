"""Views of a map: what a picture needs, and what it costs. They drop sign or size, so they come last."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from xaicore.maps.cells import Floats


def relu(heat: ArrayLike) -> Floats:
    """max(0, M): only evidence for the class. Hides all evidence against it; warns if nothing is left."""
    values = np.asarray(heat)
    positive = np.where(np.isnan(values), np.nan, np.maximum(values, 0))
    if not np.nansum(positive) > 0:
        _warn("The map has no positive value: there is nothing to show for this class.")
    return positive


def min_max(heat: ArrayLike) -> Floats:
    """(M − min M) / (max M − min M), in [0, 1]. Hides sign and size: noise looks as strong as a dog.

    A constant map has nothing to rescale: 0.5 everywhere, and a warning.
    """
    values = np.asarray(heat)
    low, high = np.nanmin(values), np.nanmax(values)
    if not high > low:
        _warn("The map is constant: min-max rescaling has nothing to show.")
        return np.where(np.isnan(values), np.nan, 0.5)
    return np.asarray((values - low) / (high - low))


def symmetric(heat: ArrayLike) -> Floats:
    """M / max|M|, in [−1, 1]: keeps sign and zero, hides size. A map of zeros stays zero, with a warning."""
    values = np.asarray(heat)
    limit = np.nanmax(np.abs(values))
    if not limit > 0:
        _warn("The map is zero everywhere.")
        return np.asarray(values * 0.0)
    return np.asarray(values / limit)


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)
