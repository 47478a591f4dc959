"""Smaller pictures: what a large photograph is brought down to before anything costly looks at it.

OpenCV takes means over whole blocks straight from the array; Pillow would copy all of a photograph first.
"""

from __future__ import annotations

import numpy as np

from xaicore.pictures.blocks import Size
from xaicore.pictures.values import Photo

GAP = 3  # times the size wanted: from there on Pillow's own filter takes over (as its `reducing_gap`)


def block_means(image: Photo, k: int) -> Photo:
    """Means over blocks of k × k pixels, (⌈H/k⌉, ⌈W/k⌉, 3) uint8; those at the far edges may be smaller."""
    import cv2  # heavy, and needed for large photographs alone

    height, width = image.shape[:2]
    rows, columns = height // k, width // k

    def mean(part: Photo, size: Size) -> Photo:
        return np.asarray(cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)

    top, left = rows * k, columns * k
    found = np.empty((-(-height // k), -(-width // k), 3), np.uint8)
    found[:rows, :columns] = mean(image[:top, :left], (rows, columns))
    if left < width:
        found[:rows, columns:] = mean(image[:top, left:], (rows, 1))
    if top < height:
        found[rows:, :columns] = mean(image[top:, :left], (1, columns))
    if left < width and top < height:
        found[rows:, columns:] = mean(image[top:, left:], (1, 1))
    return found


def reduced(image: Photo, size: Size) -> Photo:
    """The picture at a smaller size, each pixel the mean of those that it stands for."""
    import cv2

    if image.shape[:2] == size:
        return image
    k = min(n // m for n, m in zip(image.shape, size, strict=False)) // GAP
    smaller = block_means(image, k) if k > 1 else image
    return np.asarray(cv2.resize(smaller, size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
