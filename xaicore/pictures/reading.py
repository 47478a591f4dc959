"""Read any picture safely: from a path, bytes, an open file, a PIL image or an array.

A picture is an array of shape (H, W, 3), uint8, sRGB, upright and without transparency.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Array = NDArray[Any]
Photo = NDArray[np.uint8]
MIN_SIDE = 2
MAX_PIXELS = 100_000_000


class ImageError(ValueError):
    """The picture can't be used; the message says why and what to do."""


def read_image(
    source: str | os.PathLike[str] | bytes | BinaryIO | Image.Image | Array, max_pixels: int = MAX_PIXELS
) -> Photo:
    """Read a picture into an (H, W, 3) uint8 RGB array, upright and without transparency.

    Takes a path, the bytes of a file, an open binary file, a PIL image or an array. Grey, palette, CMYK and
    16-bit pictures become 8-bit RGB; transparency is laid on white; the EXIF orientation is applied.

    Arrays: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8, uint16, bool, or float in [0, 1].

    Raises:
        FileNotFoundError: no file at that path.
        ImageError: not a picture, truncated, more than `max_pixels` pixels, a side under 2 pixels, or an
            array of another shape, dtype or value range.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _to_rgb(source, "the PIL image", max_pixels)
    name: str
    file: BinaryIO
    if isinstance(source, bytes):
        name, file = "the bytes given", io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"No file at {path} (looked from {Path.cwd()}). Check the path.")
        if path.is_dir():
            raise ImageError(f"{path} is a folder. Name one picture in it.")
        name, file = str(path), io.BytesIO(path.read_bytes())
    elif hasattr(source, "read"):
        name, file = getattr(source, "name", "the open file"), source
    else:
        raise ImageError(
            f"Can't read a picture from a {type(source).__name__}. "
            "Give a path, bytes, an open file, a PIL image or a NumPy array."
        )
    try:
        # Pillow only warns between one and two times its own limit; ours is checked before any decoding.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                return _to_rgb(picture, name, max_pixels)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that Pillow can read. Save it as JPEG or PNG.") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large to open safely ({error}). Make it smaller first.") from None


def _to_rgb(picture: Image.Image, name: str, max_pixels: int) -> Photo:
    width, height = picture.size
    _check_side(height, width, name)
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} × {height} pixels, more than max_pixels={max_pixels:,}. "
            "Make it smaller first, or raise max_pixels if you trust the file."
        )
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(f"{name} is damaged or cut short ({error}). Get a whole copy of it.") from None
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return _from_array(_grey_levels(np.asarray(picture), name))
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(picture.convert("RGB"))


def _grey_levels(values: Array, name: str) -> Array:
    """Bring Pillow's wide grey modes (I, I;16, F) to 8 or 16 bits."""
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds NaN or infinite values. Replace them first.")
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return values
    if low < 0 or high > 65535:
        raise ImageError(f"{name} has grey values from {low} to {high}. Rescale them to 0–65535 first.")
    return values.astype(np.uint16)


def _from_array(values: Array) -> Photo:
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4):
        hint = " Move the channels last: array.transpose(1, 2, 0)." if _channels_first(values) else ""
        raise ImageError(
            f"The array has shape {values.shape}; a picture has shape (height, width, 3), or 1 or 4 channels "
            f"instead of 3.{hint}"
        )
    _check_side(values.shape[0], values.shape[1], "the array")
    if values.dtype == np.uint16:
        values = (values / 257).round()
    elif values.dtype == bool:
        values = values * 255.0
    elif values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageError("The array holds NaN or infinite values. Replace them: np.nan_to_num(array).")
        if values.min() < 0 or values.max() > 1:
            raise ImageError(
                f"A float picture lies in [0, 1]; this one runs from {values.min():g} to {values.max():g}. "
                "Divide by 255, or convert to uint8."
            )
        values = (values * 255).round()
    elif values.dtype != np.uint8:
        raise ImageError(
            f"The array's dtype is {values.dtype}; use uint8 (0–255), uint16, bool, or float in [0, 1]. "
            "If the values are 0–255: array.astype(np.uint8)."
        )
    values = values.astype(np.uint8)
    if values.shape[2] == 4:
        return _to_rgb(Image.fromarray(values), "the array", values.size)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def _channels_first(values: Array) -> bool:
    return values.ndim == 3 and values.shape[0] in (1, 3, 4)


def _check_side(height: int, width: int, name: str) -> None:
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name} has {width} × {height} pixels; each side needs at least {MIN_SIDE}. Use a larger one."
        )
