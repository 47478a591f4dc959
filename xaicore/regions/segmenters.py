"""Superpixels: cut a photograph into regions of like colour. scikit-image does the cutting.

The segmenters stand in a registry, by name, and everything that offers them reads it. Your own is one
decorated function::

    @segmenter("halves")
    def halves(image, segments):
        \"\"\"Left and right.\"\"\"
        return np.indices(image.shape[:2])[1] * 2 // image.shape[1]
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xaicore.pictures.reading import Photo

Labels = NDArray[np.intp]
Cut = Callable[..., NDArray[Any]]
Function = TypeVar("Function", bound=Cut)

SEGMENTS = 100  # asked for unless told otherwise

# --- the registry --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segmenter:
    """One way to cut a photograph; made by :func:`segmenter`.

    Attributes:
        name: what settings and records call it.
        cut: from an (H, W, 3) uint8 picture, a number of segments and options to (H, W) whole numbers.
        knobs: for one that finds its own number of segments, the options that steer it; "" for one that can
            be asked for a number.
        help: the first line of the function's docstring.
    """

    name: str
    cut: Cut
    knobs: str
    help: str

    @property
    def counted(self) -> bool:
        """Whether it can be asked for a number of segments."""
        return not self.knobs


SEGMENTERS: dict[str, Segmenter] = {}


def segmenter(name: str, *, knobs: str = "") -> Callable[[Function], Function]:
    """Register the decorated function as a segmenter; see :class:`Segmenter`.

    Raises:
        ValueError: a name that is empty or taken, or no docstring.
    """
    if not name or name in SEGMENTERS:
        raise ValueError(f"A segmenter needs a name that is not taken: not {name!r}.")

    def register(function: Function) -> Function:
        if not (told := inspect.getdoc(function)):
            raise ValueError(f"{name}: write a docstring; its first line is what a reader is told of it.")
        SEGMENTERS[name] = Segmenter(name, function, knobs, told.splitlines()[0])
        return function

    return register


def find_segmenter(name: str) -> Segmenter:
    """The segmenter of that name; ValueError with the names there are."""
    if name not in SEGMENTERS:
        raise ValueError(f"segmenter={name!r}; choose one of {', '.join(SEGMENTERS)}.")
    return SEGMENTERS[name]


# scikit-image is imported where it cuts: the command line's help reads the registry, and can't wait for it.

# --- the segmenters ------------------------------------------------------------------------------------


@segmenter("slic")
def _slic(image: Photo, segments: int, **options: Any) -> NDArray[Any]:
    """SLIC (Achanta et al. 2012): k-means in colour and place."""
    from skimage.segmentation import slic

    return np.asarray(slic(image, n_segments=segments, start_label=0, channel_axis=-1, **options))


@segmenter("felzenszwalb", knobs="scale= and min_size=")
def _felzenszwalb(image: Photo, segments: int, **options: Any) -> NDArray[Any]:
    """Graph-based (Felzenszwalb & Huttenlocher 2004)."""
    from skimage.segmentation import felzenszwalb

    return np.asarray(felzenszwalb(image, **{"scale": 100, "min_size": 50} | options))


@segmenter("quickshift", knobs="kernel_size= and max_dist=")
def _quickshift(image: Photo, segments: int, **options: Any) -> NDArray[Any]:
    """Mode seeking (Vedaldi & Soatto 2008)."""
    from skimage.segmentation import quickshift

    return np.asarray(quickshift(image, **options))


@segmenter("watershed")
def _watershed(image: Photo, segments: int, **options: Any) -> NDArray[Any]:
    """Compact watershed (Neubert & Protzel 2014) of the Sobel edges."""
    from skimage.color import rgb2gray
    from skimage.filters import sobel
    from skimage.segmentation import watershed

    edges = sobel(rgb2gray(image))
    return np.asarray(watershed(edges, markers=segments, **{"compactness": 0.001} | options))


# --- cutting -------------------------------------------------------------------------------------------


def superpixels(image: Photo, segments: int | None = None, segmenter: str = "slic", **options: Any) -> Labels:
    """Cut an (H, W, 3) uint8 RGB photograph into superpixels: an (H, W) label map 0, 1, …, n−1.

    ============  ==========================================================================================
    slic          SLIC (Achanta et al. 2012): k-means in colour and place; `compactness` (10 by default)
    watershed     compact watershed (Neubert & Protzel 2014) of the Sobel edges; `compactness` (0.001)
    felzenszwalb  graph-based (Felzenszwalb & Huttenlocher 2004); `scale` (100) and `min_size` (50)
    quickshift    mode seeking (Vedaldi & Soatto 2008); `kernel_size` (5) and `max_dist` (10)
    ============  ==========================================================================================

    Args:
        segments: how many to ask of slic and watershed (default 100). They give about that many: slic as a
            rule fewer, with a high compactness at times more. The other two find their own number.
        segmenter: a name in :data:`SEGMENTERS`.
        options: handed to scikit-image's function of that name.

    Raises:
        ValueError: another segmenter; `segments` below 1, or given for one that finds its own number.
    """
    chosen = find_segmenter(segmenter)
    if segments is not None and not chosen.counted:
        raise ValueError(f"{segmenter} finds its own number of segments; steer it by {chosen.knobs} instead.")
    segments = SEGMENTS if segments is None else segments
    if segments < 1:
        raise ValueError(f"segments={segments}; ask for at least 1.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"superpixels() cuts (H, W, 3) uint8 RGB pictures, not {image.shape} {image.dtype}. "
            "Read it with xaicore.read_image()."
        )
    return check_labels(chosen.cut(image, segments, **options), image.shape[:2])


def check_labels(labels: NDArray[Any], size: tuple[int, ...]) -> Labels:
    """Any caller's label map as 0, 1, …, n−1 without gaps; each distinct value is one region.

    Raises ValueError unless it is an integer array of shape `size` = (H, W).
    """
    labels = np.asarray(labels)
    if labels.shape != tuple(size):
        raise ValueError(
            f"The label map has shape {labels.shape}, the photograph {tuple(size)}. Make it on the "
            "photograph itself; resizing labels with interpolation mixes them."
        )
    if labels.dtype.kind not in "iub":
        raise ValueError(f"A label map holds whole numbers, not {labels.dtype}. Use labels.astype(int).")
    from skimage.segmentation import relabel_sequential

    return np.asarray(relabel_sequential(labels.astype(np.intp) - labels.min() + 1)[0] - 1, dtype=np.intp)
