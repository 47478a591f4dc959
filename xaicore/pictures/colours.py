"""Colours: from a picture's own colour space to sRGB, and transparency to white."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from xaicore.pictures.values import ImageError, tell

NO_DIFFERENCE = 2  # of 255: sRGB profiles of different makers differ by as much
GREY_MODES = ("1", "L", "LA", "La")


def to_srgb(picture: Image.Image, name: str) -> Image.Image:
    """The picture in mode RGB: its embedded ICC profile applied, then transparency laid on white.

    `picture` has 8 bits a channel (any mode but I and F). A profile that can't be used, or is for another
    kind of picture, is ignored with a UserWarning. Raises ImageError for a mode that has no way to RGB.
    """
    try:
        layer = picture.convert("RGBA") if picture.has_transparency_data else None
        colours = _profiled(picture, name)
        if colours is None:
            plain = layer or picture
            colours = plain if plain.mode == "RGB" else plain.convert("RGB")
    except ValueError as error:
        raise ImageError(f"{name} has colours that can't be read ({error}). Save it as RGB.") from None
    if layer is None:
        return colours
    colours = colours.convert("RGBA")
    colours.putalpha(layer.getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), colours).convert("RGB")


def _profiled(picture: Image.Image, name: str) -> Image.Image | None:
    """The colours in sRGB by the profile, mode RGB; None where there is nothing to apply."""
    if picture.mode == "LAB":
        lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
        return _applied(picture, lab)
    icc = picture.info.get("icc_profile")
    if not icc:
        return None
    try:
        mode, transform = _transform(icc)
        kind = picture.mode if picture.mode == "CMYK" else "L" if picture.mode in GREY_MODES else "RGB"
        if mode != kind and (mode, kind) != ("RGB", "L"):  # grey can have the colour profile of a screen
            raise ValueError(f"it is for {mode}, the picture is {picture.mode}")
        return None if transform is None else _applied(picture.convert(mode), transform)
    except Exception as error:  # a profile is a program of its own: it can be wrong in any way
        tell(f"{name}: its colour profile can't be used ({error}); its numbers are taken as they are.")
        return None


@functools.lru_cache(maxsize=8)
def _transform(icc: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode that the profile is for, and its transform to sRGB, None if that changes nothing."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    space = profile.profile.xcolor_space.strip()
    if space not in ("RGB", "GRAY", "CMYK"):
        raise ValueError(f"it is for {space}")
    mode = "L" if space == "GRAY" else space
    transform = ImageCms.buildTransform(profile, _srgb(), mode, "RGB")
    if mode == "CMYK":
        return mode, transform
    before = Image.fromarray(_swatches()).convert(mode)
    change = np.asarray(before.convert("RGB")).astype(int) - np.asarray(_applied(before, transform))
    return mode, None if np.abs(change).max() <= NO_DIFFERENCE else transform


def _swatches() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """All greys, and colours from all over the cube: (1, N, 3)."""
    steps = np.arange(0, 256, 15)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    greys = np.repeat(np.arange(256), 3).reshape(1, -1, 3)
    return np.concatenate([cube, greys], axis=1).astype(np.uint8)


def _applied(picture: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None  # only in place is there nothing to return
    return converted


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
