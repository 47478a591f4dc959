"""Pixel values: numbers of any type and range, brought to 8 bits."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Photo = NDArray[np.uint8]
ValueRange = tuple[float, float]

DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras, scanners and screens use
HALF_STEP = 0.5 / 255  # what is cut off within it rounds to the same 8-bit number
BLOCK = 1 << 20  # numbers converted at once, so that a large picture needs no float copy of itself


class ImageError(ValueError):
    """The picture can't be used; the message says why and what to do."""


def to_bytes(values: Array, name: str, value_range: ValueRange | None = None) -> Photo:
    """Bring the numbers of a picture to 0–255: a new uint8 array of the same shape.

    (low, high) becomes (0, 255), linearly, rounded; numbers outside are cut off. With `value_range` that is
    (low, high); without it

    - uint8 stays as it is, False and True become 0 and 255;
    - floats in [0, 1], give or take half an 8-bit step, have the range (0, 1);
    - integers above 16383 have the range (0, 65535);
    - other integers, and floats above 2, have the range (0, 2ᵇ − 1) with the least b of 8, 10, 12, 14 and 16
      bits that holds them, and a UserWarning says so.

    Raises:
        ImageError: NaN, infinite or negative numbers, floats that end between 1 and 2, any above 65535,
            another dtype, or a `value_range` that is not two finite numbers, the lower first.
    """
    if values.dtype.kind not in "buif":
        raise ImageError(
            f"{_capital(name)} has dtype {values.dtype}; use uint8 (0–255), another integer, bool, or float "
            "in [0, 1]."
        )
    if values.dtype == np.uint8 and value_range is None:
        return np.array(values, dtype=np.uint8)
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise ImageError(
            f"{_capital(name)} holds NaN or infinite values. Replace them: np.nan_to_num(array)."
        )
    if value_range is not None:
        return _scaled(values, *_checked(value_range))
    if values.dtype.kind == "b":
        return _scaled(values, 0, 1)
    return _scaled(values, 0, _highest(values.dtype, least, most, name))


def tell(message: str) -> None:
    """Warn (UserWarning) at the line that called the package, however deep the picture is read inside."""
    level = 1
    while str(sys._getframe(level).f_globals.get("__name__")).startswith("xaicore."):
        level += 1
    warnings.warn(message, stacklevel=level + 1)


def _checked(value_range: ValueRange) -> ValueRange:
    try:
        low, high = (float(number) for number in value_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ImageError(
            f"value_range={value_range!r}; give two numbers, the lower first, such as (0, 4095)."
        )
    return low, high


def _highest(dtype: np.dtype[Any], least: float, most: float, name: str) -> int:
    """The number that stands for white: 1, or 2ᵇ − 1 for a depth of b bits."""
    found = f"{_capital(name)} has {dtype} values from {least:g} to {most:g}"
    say = "say which numbers are black and white: read_image(…, value_range=(low, high))"
    floats = dtype.kind == "f"
    if floats and least >= -HALF_STEP and most <= 1 + HALF_STEP:
        return 1
    if least < (-0.5 if most > 2 else -HALF_STEP) or (not floats and least < 0):
        raise ImageError(
            f"{found}. A picture has no negative ones. If they are normalised for a network, undo that: "
            f"array * std + mean; else {say}, (-1, 1) for instance."
        )
    if floats and most <= 2:
        raise ImageError(
            f"{found}: too large for [0, 1], too small for 0–255. Cut them off, np.clip(array, 0, 1), "
            f"or {say}."
        )
    bits = next((bits for bits in DEPTHS if most < 2**bits - 0.5), None)
    if bits is None:
        raise ImageError(f"{found}, beyond 16 bits. Please {say}.")
    if floats or bits < 16:
        tell(f"{found}: read as {bits}-bit numbers, 0 to {2**bits - 1}. If that is wrong, {say}.")
    return int(2**bits - 1)


def _scaled(values: Array, low: float, high: float) -> Photo:
    scaled = np.empty(values.shape, np.uint8)
    rows = max(1, BLOCK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        part = values[start : start + rows].astype(np.float64)
        scaled[start : start + rows] = ((part - low) * 255 / (high - low)).round().clip(0, 255)
    return scaled


def _capital(name: str) -> str:
    return "The " + name[4:] if name.startswith("the ") else name
