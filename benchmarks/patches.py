"""The superpixels of every method and protocol on trial, so that all have the same."""

from __future__ import annotations

from typing import Any

from xaicore.pictures.reading import Photo
from xaicore.regions.labels import Labels
from xaicore.regions.segmenters import superpixels

SEGMENTS = 100  # asked of SLIC


def patches(picture: Photo, segments: int | None = SEGMENTS, **options: Any) -> Labels:
    """Superpixels of a picture of the network's size, cut as it is and not at the working size of a photo."""
    return superpixels(picture, segments, pixels=picture.shape[0] * picture.shape[1], **options)
