"""Photographs from anywhere, each with the line of code that fetches it again.

One may be a sample, a file, a web page's, or come by upload or camera.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from xaicore.pictures.reading import ImageError, Photo, read_image
from xaicore.pictures.samples import SAMPLES, sample_image

LONGEST_SIDE = 800  # pixels: more would slow every control down, and 49 cells have no finer detail to show
MAX_BYTES = 20_000_000


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
    return np.array(picture)


def read_url(url: str, max_bytes: int = MAX_BYTES, timeout: float = 15.0) -> bytes:
    """Download one picture, over http or https only, redirections included.

    Args:
        max_bytes: the most that is read.
        timeout: seconds without an answer, and seconds for the whole download.

    Raises:
        ImageError: another scheme, no such host or page, too slow, or too large.
    """
    _check_scheme(url)
    give_up = time.monotonic() + timeout
    request = urllib.request.Request(url, headers={"User-Agent": "xaicore", "Accept": "image/*,*/*;q=0.5"})
    data = bytearray()
    try:
        with urllib.request.build_opener(_WebOnly).open(request, timeout=timeout) as answer:
            while part := answer.read(1 << 16):
                data += part
                if len(data) > max_bytes:
                    raise ImageError(f"{url} is larger than {max_bytes / 1e6:g} MB. Use a smaller one.")
                if time.monotonic() > give_up:
                    raise ImageError(f"{url} took over {timeout:g} s. Download it by hand and upload it.")
    except urllib.error.HTTPError as error:
        raise ImageError(f"{url}: the server answers {error.code} ({error.reason}).") from None
    except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise ImageError(f"{url} can't be reached ({reason}). Check the address and the network.") from None
    return bytes(data)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ImageError(f"{url!r} is not a web address: it has to begin with http:// or https://.")


def picture(source: Any) -> Picture:
    """A :class:`Picture` from a sample's name, a path, a web address, or what `read_image` takes.

    Larger photographs are brought down to 800 pixels, see :func:`shrink`. Raises what `read_image` and
    :func:`read_url` raise.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str) and source in SAMPLES:
        return _small(sample_image(source), source, f"xaicore.sample_image({quoted(source)})")
    if isinstance(source, str) and "://" in source:
        name = Path(urlsplit(source).path).name or str(urlsplit(source).hostname)
        code = f"xaicore.read_image(read_url({quoted(source)}))"
        return _small(_decode(read_url(source), source), name, code)
    if isinstance(source, (str, Path)):
        return _small(read_image(source), Path(source).name, f"xaicore.read_image({quoted(str(source))})")
    return _small(read_image(source), "photo", "xaicore.read_image(photo)")


def uploaded(name: str, data: bytes) -> Picture:
    """A :class:`Picture` from the bytes of a file. Its line of code reads a file of that name."""
    name = Path(name.replace("\\", "/")).name or "photo.jpg"
    return _small(_decode(data, name), name, f"xaicore.read_image({quoted(name)})", data)


def _small(image: Photo, name: str, code: str, original: bytes | None = None) -> Picture:
    smaller = shrink(image)
    return Picture(smaller, name, code if smaller is image else f"shrink({code})", original)


def _decode(data: bytes, name: str) -> Photo:
    try:
        return read_image(data)
    except ImageError as error:
        raise ImageError(str(error).replace("the bytes given", name)) from None


def quoted(text: str) -> str:
    """The text as a literal in code."""
    return json.dumps(text, ensure_ascii=False)
