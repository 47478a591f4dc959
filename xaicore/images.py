"""Pictures: read any of them safely, name the sample photographs, and keep track of which pixel is where.

A picture is an array of shape (H, W, 3), uint8, sRGB. A :class:`Geometry` says where each of its pixels
lands in the network's input, so that a map can be drawn back onto the right pixels of the photograph.
"""

from __future__ import annotations

import importlib.util
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Array = NDArray[Any]
Photo = NDArray[np.uint8]
Resize = Literal["crop", "squash", "full", "pad"]

MIN_SIDE = 2
MAX_PIXELS = 100_000_000


class ImageError(ValueError):
    """The picture can't be used; the message says why and what to do."""


# --- reading -----------------------------------------------------------------------------------------


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


# --- sample photographs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A real photograph that an installed package ships. `label`: its ImageNet class index, if it has one."""

    package: str
    file: str
    label: int | None
    source: str
    licence: str


_IMAGENET = "ImageNet, as shipped in the Python package foolbox"
_MIT = "package under the MIT licence; it states no licence for the single photograph"


def _imagenet(number: int, label: int) -> Sample:
    return Sample("foolbox", f"data/imagenet_{number:02d}_{label}.jpg", label, _IMAGENET, _MIT)


SAMPLES: dict[str, Sample] = {
    "bull_mastiff": _imagenet(0, 243),
    "folding_chair": _imagenet(1, 559),
    "beaker": _imagenet(2, 438),
    "buckeye": _imagenet(3, 990),
    "strawberry": _imagenet(4, 949),
    "thatch": _imagenet(5, 853),
    "jeep_sepia": _imagenet(6, 609),
    "jeep_blue": _imagenet(7, 609),
    "yurt": _imagenet(8, 915),
    "bottlecap": _imagenet(9, 455),
    "drum": _imagenet(10, 541),
    "loafer": _imagenet(11, 630),
    "prayer_rug": _imagenet(12, 741),
    "cannon": _imagenet(13, 471),
    "spoonbill": _imagenet(14, 129),
    "goose": _imagenet(15, 99),
    "dalmatian": _imagenet(16, 251),
    "bald_eagle": _imagenet(17, 22),
    "leafhopper": _imagenet(18, 317),
    "dung_beetle": _imagenet(19, 305),
    "chelsea": Sample(
        "skimage", "data/chelsea.png", None, "Stéfan van der Walt, as shipped in scikit-image", "CC0"
    ),
    "coffee": Sample(
        "skimage", "data/coffee.png", None, "Rachel Michetti, as shipped in scikit-image", "CC0"
    ),
    "rocket": Sample(
        "skimage",
        "data/rocket.jpg",
        None,
        "SpaceX, as shipped in scikit-image",
        "released into the public domain by SpaceX, as scikit-image states",
    ),
    "motorcycle": Sample(
        "skimage",
        "data/motorcycle_left.png",
        None,
        "Middlebury 2014 stereo benchmark (Nešić and others), as shipped in scikit-image",
        "package under the BSD 3-Clause licence; it states none for the single photograph",
    ),
}


def sample_path(name: str) -> Path:
    """Where the package that ships the sample photograph `name` keeps it; the package is not imported."""
    if name not in SAMPLES:
        raise KeyError(f"No sample photograph {name!r}. There are: {', '.join(SAMPLES)}.")
    sample = SAMPLES[name]
    spec = importlib.util.find_spec(sample.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / sample.file
        if path.exists():
            return path
    distribution = {"skimage": "scikit-image"}.get(sample.package, sample.package)
    raise FileNotFoundError(
        f"The photograph {name!r} comes with the package {distribution}: pip install {distribution}"
    )


def sample_image(name: str) -> Photo:
    """The sample photograph `name` (a key of :data:`SAMPLES`) as an (H, W, 3) uint8 array."""
    return read_image(sample_path(name))


def mosaic(images: Sequence[Array], columns: int, cell: int = 224) -> Photo:
    """Lay pictures out in a grid of square cells, `columns` wide; each is cut to its central square first.

    Returns (rows·cell, columns·cell, 3) uint8. Raises ImageError unless the pictures fill the grid.
    """
    if columns < 1 or not images or len(images) % columns:
        raise ImageError(f"{len(images)} pictures don't fill rows of {columns}.")
    size = (cell, cell)
    tiles = [np.array(ImageOps.fit(Image.fromarray(read_image(image)), size)) for image in images]
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)


# --- geometry ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a photograph land in the network's input. All pairs are (vertical, horizontal).

    The photo's pixel with centre y lands at input coordinate  (y + ½)·scale − ½ − offset,  where the input's
    pixel centres are 0, 1, 2, …. A positive offset was cropped away, a negative one was padded.
    """

    photo_size: tuple[int, int]
    input_size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[int, int]

    def positions(self, axis: int) -> NDArray[np.float64]:
        """Input coordinate of each photo row (`axis` 0) or column (1), in input pixels."""
        pixels = np.arange(self.photo_size[axis])
        return np.asarray((pixels + 0.5) * self.scale[axis] - 0.5 - self.offset[axis], dtype=np.float64)

    def seen(self) -> NDArray[np.bool_]:
        """(H, W) mask of the photo's pixels whose centre lies inside the network's input."""
        inside = [
            (self.positions(axis) >= -0.5) & (self.positions(axis) <= self.input_size[axis] - 0.5)
            for axis in (0, 1)
        ]
        return np.outer(*inside)


def fit(
    image: Photo,
    resize: Resize = "crop",
    *,
    resize_size: int = 256,
    crop_size: int = 224,
    interpolation: Image.Resampling = Image.Resampling.BILINEAR,
    fill: tuple[int, int, int] = (124, 116, 104),
) -> tuple[Photo, Geometry]:
    """Bring a photograph to the network's input size, and say where its pixels went.

    ========  ==========================================================================================
    crop      shorter side to `resize_size`, central `crop_size` square: torchvision's evaluation protocol
    squash    both sides to `crop_size`; everything is seen, the shape is distorted
    full      shorter side to `crop_size`, longer side in proportion, rounded to a multiple of 32 so that
              each cell of the feature map covers 32 input pixels; everything is seen
    pad       longer side to `crop_size`, the rest filled with `fill` (0–255 RGB; ImageNet's mean colour)
    ========  ==========================================================================================

    Returns the input picture (h, w, 3) uint8 and its :class:`Geometry`. Raises ValueError for another mode.
    """
    height, width = image.shape[:2]
    if resize == "crop":
        size = _short_side(height, width, resize_size)
        window = (crop_size, crop_size)
    elif resize == "squash":
        size = window = (crop_size, crop_size)
    elif resize == "full":
        factor = crop_size / min(height, width)
        shorter = min(height, width)
        size = window = (
            crop_size if height == shorter else round(height * factor / 32) * 32,
            crop_size if width == shorter else round(width * factor / 32) * 32,
        )
    elif resize == "pad":
        factor = crop_size / max(height, width)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        window = (crop_size, crop_size)
    else:
        raise ValueError(f"resize={resize!r}; choose one of {', '.join(get_args(Resize))}.")
    # torchvision's rounding, which is Python's: half to even.
    offset = (round((size[0] - window[0]) / 2), round((size[1] - window[1]) / 2))
    resized = Image.fromarray(image).resize(size[::-1], interpolation)
    canvas = Image.new("RGB", window[::-1], fill)
    canvas.paste(resized, (-offset[1], -offset[0]))
    scale = (size[0] / height, size[1] / width)
    return np.array(canvas), Geometry((height, width), window, scale, offset)


def _short_side(height: int, width: int, side: int) -> tuple[int, int]:
    """torchvision's Resize(side): the longer side is cut down to a whole number, not rounded."""
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side
