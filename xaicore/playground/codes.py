"""Codes of 8 and 16 bits for what the page carries, and how far they can make a map wrong.

Codes are whole numbers, value ≈ offset + scale·code, with one scale for each feature map, each class and each
finished map:  |f̂ − f| ≤ s_k/2,  |ŵ − w| ≤ e_c = s_c/2,  |M̂ − M| ≤ s/2. What that does to a map is bounded in
:func:`error_bound`. A bound adds up like the map itself, |D̂ − D| ≤ ε_c + Σ q_j ε_j for a contrast, and
:func:`agreement_bound` bounds what two such maps agree on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.cells import Floats

Codes = NDArray[np.unsignedinteger[Any]]


class Quantised(NamedTuple):
    """`codes`: (n, ...) unsigned whole numbers; `scale`, `offset`: (n,) float32, one for each row."""

    codes: Codes
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]


def quantise(values: Floats, bits: int = 8) -> Quantised:
    """Round each row of (n, ...) values to 2^bits levels: value ≈ offset + scale·code, off by ≤ scale/2.

    A row's levels span its values and zero. A row without negative values has offset 0, so that its zeros
    stay exactly zero; a signed row starts at its lowest value.

    Raises:
        ValueError: `bits` other than 8 and 16, fewer than two axes, or NaN or infinite values.
    """
    if bits not in (8, 16):
        raise ValueError(f"bits={bits}; choose 8 or 16.")
    exact = np.asarray(values, dtype=np.float64)
    if exact.ndim < 2 or not np.isfinite(exact).all():
        raise ValueError(f"quantise() takes finite values of shape (n, ...), not {exact.shape} with NaN.")
    rows = exact.reshape(len(exact), -1)
    low = np.minimum(rows.min(axis=1), 0)
    high = np.maximum(rows.max(axis=1), 0)
    levels = 2**bits - 1
    scale, offset = ((high - low) / levels).astype(np.float32), low.astype(np.float32)
    step = np.where(scale > 0, scale, 1).astype(np.float64)[:, None]
    codes = np.clip(np.rint((rows - offset[:, None]) / step), 0, levels)
    kind = np.uint8 if bits == 8 else np.uint16
    return Quantised(codes.reshape(exact.shape).astype(kind), scale, offset)


def dequantise(quantised: Quantised) -> NDArray[np.float64]:
    """The values that the codes stand for, offset + scale·code: (n, ...), what the browser computes with."""
    codes, scale, offset = quantised
    shape = (len(codes), *[1] * (codes.ndim - 1))
    return np.asarray(
        offset.astype(float).reshape(shape) + scale.astype(float).reshape(shape) * codes.astype(float)
    )


def error_bound(feature_maps: Floats, class_weights: Floats) -> NDArray[np.float64]:
    """How far the browser's map can be from M_c, for each class and cell: (C, h, w), in units of the score.

        |Σ ŵ_k f̂_k − Σ w_k f_k|  ≤  Σ_k ( |w_k| δ_k + e_c |f_k| + e_c δ_k )

    with e_c half a step of the class's weights, and δ_k(x,y) half a step of feature map k, or 0 where f_k is
    0 and stays 0. The mean over the cells bounds the error of the score. Rounding of 64-bit floats, about
    1e-12, comes on top.

    Args:
        feature_maps: f, (K, h, w). `class_weights`: w, (C, K).

    Raises:
        ValueError: shapes that don't fit, or NaN among the values.
    """
    f, w = np.asarray(feature_maps, dtype=float), np.asarray(class_weights, dtype=float)
    if f.ndim != 3 or w.ndim != 2 or len(f) != w.shape[1]:
        raise ValueError(f"feature_maps {f.shape} and class_weights {w.shape} don't fit: (K, h, w), (C, K).")
    coded = quantise(f)
    delta = (coded.scale.astype(float) / 2)[:, None, None] * ((f != 0) | (coded.offset != 0)[:, None, None])
    e = quantise(w, 16).scale.astype(float) / 2
    shared = (np.abs(f) + delta).sum(axis=0)
    return np.asarray(np.tensordot(np.abs(w), delta, 1) + e[:, None, None] * shared)


def agreement_bound(
    first: Floats, second: Floats, off_by: Floats, second_off_by: Floats
) -> NDArray[np.float64]:
    """How far ±√|AB| can be from what it is for A and B that are off by up to ε and δ each.

    With β = |A|δ + |B|ε + εδ, by which the product can be off, it is √β at most, also where a sign turns;
    and β/√|AB| where neither sign can.

    Args:
        first, second: the maps A and B. `off_by`, `second_off_by`: ε and δ, of the maps' shape or a number.
    """
    a, b = np.abs(np.asarray(first, dtype=float)), np.abs(np.asarray(second, dtype=float))
    product = a * second_off_by + b * off_by + np.multiply(off_by, second_off_by)
    certain = (a > off_by) & (b > second_off_by) & (np.sign(first) == np.sign(second))
    size = np.where(certain, np.sqrt(a) * np.sqrt(b), 1)
    return np.asarray(np.where(certain, product / size, np.sqrt(product)))
