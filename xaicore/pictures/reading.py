"""Read any picture safely: from a path, an address, bytes, an open file, a PIL image, an array or a tensor.

A picture is an array of shape (H, W, 3), uint8, sRGB, upright and without transparency.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from xaicore.pictures.decoding import MAX_PIXELS, check_side, decode, from_pillow
from xaicore.pictures.download import read_url
from xaicore.pictures.values import Array as Array
from xaicore.pictures.values import ImageError as ImageError
from xaicore.pictures.values import Photo as Photo
from xaicore.pictures.values import ValueRange, to_bytes

CHANNELS = (1, 3, 4)


def read_image(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | Array | Any,
    max_pixels: int = MAX_PIXELS,
    *,
    value_range: ValueRange | None = None,
) -> Photo:
    """Read a picture into an (H, W, 3) uint8 sRGB array, upright and without transparency.

    Takes a path, a public http(s) address, the bytes of a file, an open binary file, a PIL image, an array or
    a tensor. Files: JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG 2000, PPM, TGA and PSD. Grey, palette,
    CMYK, CIELab and 16-bit pictures become 8-bit RGB; an embedded colour profile is applied; transparency is
    laid on white; the EXIF orientation is applied. Of an animation or several pages the first is read, and a
    UserWarning says so.

    Arrays: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or a batch of one such. Tensors: those, or with the
    channels first. What has one channel is grey.

    Args:
        max_pixels: the most pixels that a file or a PIL image may have. Pillow opens no file with more than
            twice `PIL.Image.MAX_IMAGE_PIXELS` (179 million); beyond that raise both.
        value_range: which numbers are black and white, for instance (0, 4095) for 12 bits, (-1, 1), or (0, 1)
            for floats that reach beyond and shall be cut off. Without it the range follows from dtype and
            numbers as :func:`~xaicore.pictures.values.to_bytes` says: uint8 stays, floats lie in [0, 1],
            16-bit numbers that need all bits lie in 0–65535; smaller ones are taken as 8, 10, 12 or 14 bits,
            with a UserWarning. So no picture comes out dark because its numbers are few of many.

    Raises:
        FileNotFoundError: no file at that path.
        ImageError: not a picture, damaged, more than `max_pixels` pixels, a side under 2 pixels, several
            pictures, an address that can't be read, or an array of another shape, dtype or value range.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, value_range)
    if isinstance(source, Image.Image):
        name = getattr(source, "filename", "") or "the PIL image"
        return from_pillow(source, str(name), max_pixels, value_range)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(bytes(source), "the bytes given", max_pixels, value_range)
    if isinstance(source, str) and re.match("https?://", source, re.IGNORECASE):
        return decode(read_url(source), source, max_pixels, value_range)
    if isinstance(source, (str, os.PathLike)):
        return decode(*read_file(source), max_pixels, value_range)
    if hasattr(source, "read"):
        return decode(*_from_file(source), max_pixels, value_range)
    if isinstance(source, (list, tuple)):
        raise ImageError(
            f"One picture at a time, not a {type(source).__name__} of {len(source)}: "
            "[read_image(one) for one in pictures], or model.predict_many(pictures). "
            "Rows of numbers become a picture by np.array(rows)."
        )
    if hasattr(source, "detach") or hasattr(source, "__array__"):
        return _from_array(_from_tensor(source), value_range)
    raise ImageError(
        f"Can't read a picture from a {type(source).__name__}. "
        "Give a path, an address, bytes, an open file, a PIL image, a NumPy array or a tensor."
    )


def read_file(source: str | os.PathLike[str]) -> tuple[bytes, str]:
    """The bytes of a picture's file, and its name; raises as :func:`read_image`."""
    if isinstance(source, str) and re.match(r"data:|\w[\w+.-]+://", source):
        raise ImageError(f"{source[:60]!r} is neither a path nor an address with http:// or https://.")
    try:
        path = Path(source).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"No file at {path} (looked from {Path.cwd()}). Check the path.")
        if path.is_dir():
            raise ImageError(f"{path} is a folder. Name one picture in it.")
        return path.read_bytes(), str(path)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # no permission, too long a name, an unknown ~user
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{str(source)[:200]} can't be read ({reason}). Check the path.") from None


def _from_file(file: Any) -> tuple[bytes, str]:
    """The bytes of an open file, from its beginning where it can go there, and its name."""
    name = getattr(file, "name", None)
    name = name if isinstance(name, str) and name else "the open file"
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)
        data = file.read()
    except (OSError, ValueError) as error:  # closed, not for reading, or text that is none
        raise ImageError(f"{name} can't be read ({error}). Open it with open(path, 'rb').") from None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ImageError(f"{name} gives {type(data).__name__}, not bytes. Open it with open(path, 'rb').")
    return bytes(data), name


def _from_tensor(tensor: Any) -> Array:
    """A tensor of PyTorch, or another library's that NumPy can read, as an array with the channels last."""
    try:
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu()
            if tensor.is_floating_point():
                tensor = tensor.float()  # NumPy knows no bfloat16
        values = np.asarray(tensor)
    except Exception as error:
        raise ImageError(f"The {type(tensor).__name__} can't become a NumPy array ({error}).") from None
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    return values.transpose(1, 2, 0) if values.ndim == 3 and values.shape[0] in CHANNELS else values


def _from_array(values: Array, value_range: ValueRange | None) -> Photo:
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in CHANNELS:
        hint = ""
        if values.ndim == 3 and values.shape[0] in CHANNELS:
            hint = " Move the channels last: array.transpose(1, 2, 0)."
        if values.ndim == 4:
            hint = " One picture at a time: give array[0], or all to model.predict_many(list(array))."
        raise ImageError(
            f"The array has shape {values.shape}; a picture has shape (height, width, 3), or 1 or 4 channels "
            f"instead of 3.{hint}"
        )
    check_side(values.shape[0], values.shape[1], "the array")
    photo = to_bytes(values, "the array", value_range)
    if photo.shape[2] == 4:
        return from_pillow(Image.fromarray(photo), "the array", photo.size)
    return np.repeat(photo, 3, axis=2) if photo.shape[2] == 1 else photo
