"""Where a map's evidence lies, against a mask of where it should: shares, maxima, overlap at a matched area.

Every protocol is a pure function. A map is a signed (H, W) array; a mask is a (H, W) array of booleans.

Two traps are closed here. A map that is constant on regions ties with itself, so "the top 10 % of pixels" is
not defined by it: :func:`top_pixels` always marks exactly the number asked for. And a maximum that many
pixels share is no single point: :func:`pointing_hit` counts the share of them that hit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xaicore.maps.cells import Floats
from xaicore.regions.averages import Mask


def positive_share(heat: ArrayLike, mask: Mask) -> float:
    """Σ_(mask) max(0, M) / Σ max(0, M): the share of the positive evidence inside the mask, in [0, 1].

    With an object's outline as mask, this is the energy-based pointing game (Wang et al. 2020, section 4.3);
    with the right cell of an n×n mosaic, the grid pointing game (Böhle et al. 2021, section 4), whose chance
    level is 1/n². A map without positive evidence scores 0.

    Raises:
        ValueError: a mask of another size, or NaN in the map.
    """
    heat, mask = check_pair(heat, mask)
    positive = np.maximum(heat, 0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else 0.0


def pointing_hit(heat: ArrayLike, mask: Mask, tolerance: float = 15) -> float:
    """Does the map's maximum lie on the object or within `tolerance` pixels of it? In [0, 1].

    The pointing game of Zhang et al. 2018 (section 4.1). Where k pixels share the maximum, the share of those
    k that hit: the chance that a hit would come of breaking the tie at random. (Counting a hit as soon as one
    of them does would favour maps with plateaus.)

    Raises:
        ValueError: an empty mask, a mask of another size, or NaN in the map.
    """
    heat, mask = check_pair(heat, mask)
    if not mask.any():
        raise ValueError("The mask is empty: there is no object to point at.")
    near = ndimage.distance_transform_edt(~mask) <= tolerance
    return float(near[heat == heat.max()].mean())


def top_pixels(heat: ArrayLike, count: int, seed: int = 0) -> Mask:
    """Mask of exactly `count` pixels with the highest values; ties fall in an order drawn from `seed`.

    Raises:
        ValueError: a count below 0 or above the number of pixels, or NaN in the map.
    """
    heat, _ = check_pair(heat, None)
    if not 0 <= count <= heat.size:
        raise ValueError(f"count={count}; the map has {heat.size} pixels.")
    mask = np.zeros(heat.size, bool)
    mask[ranking(heat, seed)[:count]] = True
    return mask.reshape(heat.shape)


def ranking(heat: ArrayLike, seed: int = 0) -> NDArray[np.intp]:
    """Flat indices of the pixels, highest value first; ties fall in an order drawn from `seed`."""
    values = np.ravel(np.asarray(heat, float))  # unsigned numbers and booleans have no negative
    shuffle = np.random.default_rng(seed).permutation(values.size)
    return np.asarray(shuffle[np.argsort(-values[shuffle], kind="stable")])


def overlap_at_area(heat: ArrayLike, mask: Mask, seed: int = 0) -> float:
    """Intersection over union of the mask and as many of the map's highest pixels, in [0, 1].

    Both have the same area A, so maps are compared at a matched area, and IoU = |∩| / (2A − |∩|).

    Raises:
        ValueError: an empty mask, a mask of another size, or NaN in the map.
    """
    heat, mask = check_pair(heat, mask)
    area = int(mask.sum())
    if not area:
        raise ValueError("The mask is empty: there is no object to overlap with.")
    both = int((top_pixels(heat, area, seed) & mask).sum())
    return both / (2 * area - both)


def check_pair(heat: ArrayLike, mask: Mask | None) -> tuple[Floats, Mask]:
    """Map and mask as arrays of one size (H, W); ValueError where they aren't, or where the map holds NaN."""
    heat = np.asarray(heat)
    mask = np.ones(heat.shape, bool) if mask is None else np.asarray(mask, bool)
    if heat.ndim != 2 or heat.shape != mask.shape:
        raise ValueError(f"The map has shape {heat.shape}, the mask {mask.shape}. Give (H, W) twice.")
    if np.isnan(heat).any():
        raise ValueError("The map holds NaN (pixels that the network never saw). Judge only what it saw.")
    return heat, mask
