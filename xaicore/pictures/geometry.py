"""Which pixel of a photograph is which pixel of the network's input.

A :class:`Geometry` says where each pixel lands, so that a map can be drawn back onto the right pixels of the
photograph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xaicore.pictures.shrinking import GAP, block_means
from xaicore.pictures.values import ImageError, Photo

Resize = Literal["crop", "squash", "full", "pad"]
THIN = 8  # times the usual side: longer than any panorama, and what a network's memory still holds
MOST_PIXELS = 1 << 25  # that a resized picture may have before it is cropped: 100 MB


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

    def inside(self, axis: int) -> NDArray[np.bool_]:
        """Which of the photo's rows (`axis` 0) or columns (1) have their centre inside the input."""
        positions = self.positions(axis)
        return np.asarray((positions >= -0.5) & (positions <= self.input_size[axis] - 0.5))

    def seen(self) -> NDArray[np.bool_]:
        """(H, W) mask of the photo's pixels whose centre lies inside the network's input."""
        return np.outer(self.inside(0), self.inside(1))


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
              each cell of the feature map covers 32 input pixels; everything is seen. At most 8 times
              `crop_size`: a longer strip would need a network input of any size
    pad       longer side to `crop_size`, the rest filled with `fill` (0–255 RGB; ImageNet's mean colour)
    ========  ==========================================================================================

    A photograph at least `2·GAP` times as large as what it becomes is first reduced by means over whole
    blocks. What the filter alone gives differs from that by a few of 255 levels, and by up to about 15 where
    there are stripes a few pixels wide.

    Returns the input picture (h, w, 3) uint8 and its :class:`Geometry`. Raises ValueError for another mode,
    and ImageError for a strip too long for "full".
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
        if max(window) > THIN * crop_size:
            raise ImageError(
                f"A picture of {width} × {height} pixels is too long a strip for resize='full': the input of "
                f"the network would have {window[1]} × {window[0]}. Crop the picture first, or use "
                "resize='squash' or resize='pad'."
            )
    elif resize == "pad":
        factor = crop_size / max(height, width)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        window = (crop_size, crop_size)
    else:
        raise ValueError(f"resize={resize!r}; choose one of {', '.join(get_args(Resize))}.")
    # torchvision's rounding, which is Python's: half to even.
    offset = (round((size[0] - window[0]) / 2), round((size[1] - window[1]) / 2))
    scale = (size[0] / height, size[1] / width)
    top, left, bottom, right = 0, 0, *size
    box: tuple[float, float, float, float] | None = None
    if size[0] * size[1] > MOST_PIXELS:  # a thin strip: make nothing but what is shown of it
        top, left = max(0, offset[0]), max(0, offset[1])
        bottom, right = min(size[0], offset[0] + window[0]), min(size[1], offset[1] + window[1])
        box = (
            left / scale[1],
            top / scale[0],
            min(width, right / scale[1]),
            min(height, bottom / scale[0]),
        )
    k = int(min(height / size[0], width / size[1]) / GAP) if interpolation != Image.Resampling.NEAREST else 1
    if k > 1:
        image = block_means(image, k)
        left_, top_, right_, bottom_ = box or (0, 0, width, height)
        box = (left_ / k, top_ / k, right_ / k, bottom_ / k)
    resized = Image.fromarray(image).resize((right - left, bottom - top), interpolation, box)
    canvas = Image.new("RGB", window[::-1], fill)
    canvas.paste(resized, (left - offset[1], top - offset[0]))
    return np.array(canvas), Geometry((height, width), window, scale, offset)


def _short_side(height: int, width: int, side: int) -> tuple[int, int]:
    """torchvision's Resize(side): the longer side is cut down to a whole number, not rounded."""
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side
