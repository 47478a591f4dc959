"""What the page shows of a photograph: the part that the network saw, at the page's size."""

from __future__ import annotations

import dataclasses
from typing import overload

import numpy as np
from PIL import Image

from xaicore.networks.looks import Looks
from xaicore.networks.prediction import Prediction
from xaicore.pictures.geometry import Geometry
from xaicore.pictures.reading import Photo

SHOWN_PIXELS = 448 * 448  # about as many pixels as the page shows of a photograph


@overload
def as_seen(seen: Prediction) -> Prediction: ...
@overload
def as_seen(seen: Looks) -> Looks: ...
def as_seen(seen: Prediction | Looks) -> Prediction | Looks:
    """The same prediction or looks on the part of the photograph that the network saw, at the page's size.

    The `image` has a whole number of pixels for each cell of the first look (64 for a 7×7 map), so that
    enlarging the map keeps its mean. `heat_map(as_seen(looks), …)` is what the playground shows.

    All looks are laid on the first one's picture. What a larger input sees differs from it by the rounding of
    a side to whole pixels, at most one of that input's own.

    Raises:
        ValueError: the photograph was padded (resize="pad"): the padding is no part of it.
    """
    first = seen if isinstance(seen, Prediction) else seen.first
    picture = _seen_part(first)
    if isinstance(seen, Prediction):
        return _on(seen, picture)
    return dataclasses.replace(seen, predictions=tuple(_on(look, picture) for look in seen))


def _seen_part(prediction: Prediction) -> Photo:
    g = prediction.geometry
    if min(g.offset) < 0:
        raise ValueError(
            'The playground shows what the network saw, and resize="pad" adds a margin that is no '
            'photograph. Predict with resize="crop", "full" or "squash" instead.'
        )
    height, width = prediction.feature_maps.shape[1:]
    side = max(1, int((SHOWN_PIXELS / (height * width)) ** 0.5))
    top, left = (offset / scale for offset, scale in zip(g.offset, g.scale, strict=True))
    # one pixel of slack: the resized photograph's side was rounded to a whole number of pixels
    bottom = min((g.offset[0] + g.input_size[0]) / g.scale[0], g.photo_size[0])
    right = min((g.offset[1] + g.input_size[1]) / g.scale[1], g.photo_size[1])
    return np.array(
        Image.fromarray(prediction.image).resize(
            (width * side, height * side), Image.Resampling.BICUBIC, box=(left, top, right, bottom)
        )
    )


def _on(look: Prediction, picture: Photo) -> Prediction:
    """The look with `picture` for its photograph, all of which it sees."""
    height, width = picture.shape[:2]
    input_height, input_width = look.geometry.input_size
    scale = (input_height / height, input_width / width)
    whole = Geometry((height, width), (input_height, input_width), scale, (0, 0))
    return dataclasses.replace(look, image=picture, geometry=whole)
