"""The superpixels of every method and protocol on trial, so that all have the same."""

from __future__ import annotations

from typing import Any

from xaicore.pictures.reading import Photo
from xaicore.regions.labels import Labels
from xaicore.regions.segmenters import superpixels

SEGMENTS = 100  # asked of SLIC


def patches(
    picture: Photo, segments: int | None = SEGMENTS, pixels: int | None = None, **options: Any
) -> Labels:
    """Superpixels of a picture of the network's size; cut as it is, unless `pixels` says at which size."""
    whole = picture.shape[0] * picture.shape[1]
    return superpixels(picture, segments, pixels=pixels or whole, **options)
