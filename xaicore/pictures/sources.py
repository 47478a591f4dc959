"""Photographs from anywhere, each with the line of code that fetches it again.

One may be a sample, a file, a web page's, or come by upload or camera.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from xaicore.pictures.decoding import MIN_SIDE, decode
from xaicore.pictures.download import read_url
from xaicore.pictures.reading import Photo, read_image
from xaicore.pictures.samples import SAMPLES, sample_image

LONGEST_SIDE = 800  # pixels: more would slow every control down, and 49 cells have no finer detail to show


@dataclass(frozen=True, eq=False)
class Picture:
    """A photograph (H, W, 3), its name, and the line of code that reads it again.

    `original`: the bytes that came by upload or camera, which no line of code can fetch again; else None.
    """

    image: Photo
    name: str
    code: str
    original: bytes | None = None


def shrink(image: Photo, longest: int = LONGEST_SIDE) -> Photo:
    """The photograph with its longer side brought down to `longest` pixels; a smaller one stays as it is."""
    if max(image.shape[:2]) <= longest:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    if min(picture.size) < MIN_SIDE:  # a thin strip: keep it a picture
        width, height = (max(MIN_SIDE, side) for side in picture.size)
        picture = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    return np.array(picture)


def picture(source: Any) -> Picture:
    """A :class:`Picture` from a sample's name, a path, a web address, or what `read_image` takes.

    Larger photographs are brought down to 800 pixels, see :func:`shrink`. Raises what `read_image` and
    :func:`~xaicore.pictures.download.read_url` raise.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str) and source in SAMPLES:
        return _small(sample_image(source), source, f"xaicore.sample_image({quoted(source)})")
    if isinstance(source, str) and "://" in source:
        name = Path(urlsplit(source).path).name or str(urlsplit(source).hostname)
        code = f"xaicore.read_image(read_url({quoted(source)}))"
        return _small(decode(read_url(source), source), name, code)
    if isinstance(source, (str, Path)):
        return _small(read_image(source), Path(source).name, f"xaicore.read_image({quoted(str(source))})")
    return _small(read_image(source), "photo", "xaicore.read_image(photo)")


def uploaded(name: str, data: bytes) -> Picture:
    """A :class:`Picture` from the bytes of a file. Its line of code reads a file of that name."""
    name = Path(name.replace("\\", "/")).name or "photo.jpg"
    return _small(decode(data, name), name, f"xaicore.read_image({quoted(name)})", data)


def _small(image: Photo, name: str, code: str, original: bytes | None = None) -> Picture:
    smaller = shrink(image)
    return Picture(smaller, name, code if smaller is image else f"shrink({code})", original)


def quoted(text: str) -> str:
    """The text as a literal in code."""
    return json.dumps(text, ensure_ascii=False)
