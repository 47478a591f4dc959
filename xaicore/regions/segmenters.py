"""Superpixels: cut a photograph into regions of like colour. scikit-image does the cutting."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.segmentation import felzenszwalb, quickshift, relabel_sequential, slic, watershed

from xaicore.pictures.reading import Photo

Labels = NDArray[np.intp]
Method = Literal["slic", "felzenszwalb", "quickshift", "watershed"]


def superpixels(image: Photo, segments: int | None = None, method: Method = "slic", **options: Any) -> Labels:
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
        options: handed to scikit-image's function of that name.

    Raises:
        ValueError: another method; `segments` below 1, or given for a method that finds its own number.
    """
    if method not in get_args(Method):
        raise ValueError(f"method={method!r}; choose one of {', '.join(get_args(Method))}.")
    if method in ("felzenszwalb", "quickshift") and segments is not None:
        knob = "scale= and min_size=" if method == "felzenszwalb" else "kernel_size= and max_dist="
        raise ValueError(f"{method} finds its own number of segments; steer it by {knob} instead.")
    segments = 100 if segments is None else segments
    if segments < 1:
        raise ValueError(f"segments={segments}; ask for at least 1.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"superpixels() cuts (H, W, 3) uint8 RGB pictures, not {image.shape} {image.dtype}. "
            "Read it with xaicore.read_image()."
        )
    if method == "slic":
        labels = slic(image, n_segments=segments, start_label=0, channel_axis=-1, **options)
    elif method == "watershed":
        edges = sobel(rgb2gray(image))
        labels = watershed(edges, markers=segments, **{"compactness": 0.001} | options)
    elif method == "felzenszwalb":
        labels = felzenszwalb(image, **{"scale": 100, "min_size": 50} | options)
    else:
        labels = quickshift(image, **options)
    return check_labels(labels, image.shape[:2])


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
    return np.asarray(relabel_sequential(labels.astype(np.intp) - labels.min() + 1)[0] - 1, dtype=np.intp)
