"""Static figures: signed heat maps over photographs, superpixels, cut-outs.

Arrays go in; RGB arrays or a matplotlib Figure come out. Red is evidence for the class, blue against it, and
an untinted photograph is no evidence: the scale is symmetric about zero, and readable with colour blindness.
Parts that the network never saw are striped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.segmentation import find_boundaries

from xaicore.maps.cells import Floats
from xaicore.maps.heat import HeatMap
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import Mask
from xaicore.regions.labels import LabelMap, Labels

# Against and for. The darkest ends of the palette are left out: over a dark photograph they read as black.
AGAINST, FOR = mpl.colormaps["RdBu_r"]([0.1, 0.9])[:, :3]
DIVERGING = LinearSegmentedColormap.from_list("evidence", [AGAINST, (1, 1, 1), FOR])  # as laid over white
STRIPE = 12  # pixels, at a photo height of 300


def overlay(
    image: Photo,
    heat: Floats | HeatMap,
    limit: float | None = None,
    opacity: float = 0.8,
    colours: Sequence[NDArray[Any]] = (AGAINST, FOR),
) -> Photo:
    """Lay a signed (H, W) map over the grey photograph; NaN (never seen by the network) becomes striped.

    Args:
        limit: the map's value, in its own units, that gets full colour; default max|M|.
        opacity: in [0, 1], of full colour; it is in proportion to |M|, as in the colour bar, so half the
            evidence has half the tint and zero leaves the photo bare.
        colours: against and for the class, RGB in [0, 1].

    Raises:
        ValueError: a map of another size than the photograph.
    """
    heat = np.asarray(heat)
    if heat.shape != image.shape[:2]:
        raise ValueError(
            f"The map has shape {heat.shape}, the photograph {image.shape[:2]}. Draw the map onto the "
            "photograph first: xaicore.on_photo(map, prediction.geometry)."
        )
    unseen = np.isnan(heat)
    limit = colour_limit([heat]) if limit is None else limit
    value = np.clip(np.nan_to_num(heat) / limit, -1, 1)
    colour = np.where(value[..., None] < 0, *colours)
    grey = 0.25 + 0.7 * rgb2gray(image)[..., None]
    alpha = opacity * np.abs(value)[..., None]
    return _stripes(_bytes(alpha * colour + (1 - alpha) * grey), unseen)


def mark_boundaries(image: Photo, labels: Labels, colour: tuple[int, int, int] = (255, 220, 0)) -> Photo:
    """Draw the borders between superpixels onto a copy of the picture; thicker on larger pictures.

    skimage.segmentation.mark_boundaries draws them one pixel wide, which a large photograph hides. What is
    masked in `labels` (numpy.ma) has no border of its own.
    """
    drawn = image.copy()
    border = find_boundaries(LabelMap.of(labels).index, mode="inner", background=-1)
    for _ in range(round(max(image.shape[:2]) / 700)):
        border = border | np.roll(border, 1, axis=0) | np.roll(border, 1, axis=1)
    drawn[border] = colour
    return drawn


def cut_out(image: Photo, mask: Mask, fade: float = 0.15) -> Photo:
    """Keep the picture where the mask is set; elsewhere only `fade` of it remains, over light grey."""
    faded = fade * image + (1 - fade) * 235
    return np.where(mask[..., None], image, faded.round()).astype(np.uint8)


def _bytes(values: NDArray[Any]) -> Photo:
    return np.asarray(np.round(values * 255), dtype=np.uint8)


def _stripes(picture: Photo, where: Mask) -> Photo:
    """Diagonal stripes over the pixels of `where`."""
    height, width = where.shape
    step = max(4, STRIPE * height // 300)
    rows, columns = np.ogrid[:height, :width]
    light = ((rows + columns) // step) % 2 == 0
    picture[where & light] = (205, 205, 205)
    picture[where & ~light] = (165, 165, 165)
    return picture


def colour_limit(heats: Sequence[Floats | HeatMap]) -> float:
    """One symmetric limit for several maps: their largest |M|, or 1 where all are zero."""
    return max(map(_peak, heats), default=0.0) or 1.0


def _peak(heat: Floats | HeatMap) -> float:
    return heat.peak if isinstance(heat, HeatMap) else float(np.nanmax(np.abs(np.asarray(heat))))
