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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xaicore.pictures.blocks import nearest, sums, within
from xaicore.pictures.reading import Photo
from xaicore.pictures.shrinking import reduced
from xaicore.pictures.values import tell
from xaicore.regions.labels import LabelMap, Labels

Cut = Callable[..., NDArray[Any]]
Function = TypeVar("Function", bound=Cut)

SEGMENTS = 100  # asked for unless told otherwise
PIXELS, EACH = 20_000, 200  # of the picture that is cut, and at least for each superpixel asked for

# --- the registry --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segmenter:
    """One way to cut a photograph; made by :func:`segmenter`.

    Attributes:
        name: what settings and records call it.
        cut: from an (H, W, 3) uint8 picture, a number of segments and options to (H, W) whole numbers; what
            it masks (numpy.ma) belongs to no segment.
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

    best, most = None, 0
    for asked, more in _attempts(segments, options):
        cut = slic(image, n_segments=asked, start_label=0, channel_axis=-1, **options | more)
        cut = np.ma.masked_less(cut, 0)  # what its own mask= leaves out
        found = len(np.unique(cut.compressed()))
        if found > most:
            best, most = cut, found
        enough = 2 * most >= segments and most > 1
        # As told, slic gives an ordinary photograph fewer than half, and that is to stay.
        if enough or ((asked, more) == (segments, {}) and not few(found, segments, cut.count())):
            break
    assert best is not None
    return best


def few(found: int, asked: int, pixels: int) -> bool:
    """Whether so few superpixels say little of a photograph: one, or under a fifth of those asked for."""
    possible = min(asked, pixels)
    return found < possible and (found == 1 or 5 * found < possible)


def _attempts(segments: int, options: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """How slic is asked: as told; and, while that gives next to nothing, smoothed, and for more.

    Grain breaks its clusters to crumbs, which it then melts into one. Of 100 superpixels on three photographs
    with noise of σ = 40 and 80 grey levels it leaves 1; smoothing by 1 pixel brings 9 to 67 back and by 2
    pixels 69 to 89, a compactness of 40 instead 1 to 65. Of a handful it makes one without any grain.
    """
    yield segments, {}
    smoothed: list[dict[str, Any]] = [] if "sigma" in options else [{"sigma": s} for s in (1, 2, 4)]
    for more in smoothed:
        yield segments, more
    if segments < 10:
        for more in ({}, *smoothed[1:2]):
            for asked in range(segments + 1, 2 * segments + 3):
                yield asked, more


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
    cut = watershed(edges, markers=segments, **{"compactness": 0.001} | options)
    return np.ma.masked_equal(cut, 0)  # regions begin at 1; 0 is outside its mask= and on its lines


# --- cutting -------------------------------------------------------------------------------------------


def superpixels(image: Photo, segments: int | None = None, segmenter: str = "slic", **options: Any) -> Labels:
    """Cut an (H, W, 3) uint8 RGB photograph into superpixels: an (H, W) label map 0, 1, …, n−1, int32.

    :func:`cut` takes the same arguments, and its label map is no larger than what was cut.
    """
    found = cut(image, segments, segmenter, **options).labels
    return found if np.ma.is_masked(found) else np.ma.getdata(found)


def cut(
    image: Photo,
    segments: int | None = None,
    segmenter: str = "slic",
    *,
    pixels: int = PIXELS,
    **options: Any,
) -> LabelMap:
    """Cut an (H, W, 3) uint8 RGB photograph into superpixels 0, 1, …, n−1, at a bounded working size.

    ============  ==========================================================================================
    slic          SLIC (Achanta et al. 2012): k-means in colour and place; `compactness` (10 by default)
    watershed     compact watershed (Neubert & Protzel 2014) of the Sobel edges; `compactness` (0.001)
    felzenszwalb  graph-based (Felzenszwalb & Huttenlocher 2004); `scale` (100) and `min_size` (50)
    quickshift    mode seeking (Vedaldi & Soatto 2008); `kernel_size` (5) and `max_dist` (10)
    ============  ==========================================================================================

    A photograph of more than `pixels` pixels is cut at that size, and each pixel of the smaller picture is a
    block of the photograph's: options in pixels, such as `min_size`, are in pixels of the smaller picture.

    Where slic gives next to nothing, as on a grainy photograph, it is asked again with `sigma` of 1, 2 and 4
    pixels, unless you set `sigma`.

    Args:
        segments: how many to ask of slic and watershed (default 100). They give about that many: slic as a
            rule fewer, with a high compactness at times more. The other two find their own number.
        segmenter: a name in :data:`SEGMENTERS`.
        pixels: the working size, of what is set in `mask`; it grows to `EACH` for each superpixel asked
            for. On BSDS500's photographs larger ones recall up to two points more of what people outline, and
            leak more (`benchmarks/segmenting.py`).
        options: handed to scikit-image's function of that name. With `mask=`, (H, W) bool, only what is set
            is cut: the rest belongs to no superpixel, and is masked in the label map (numpy.ma).

    Warns:
        UserWarning: fewer than a fifth of what was asked for came back, or only one.

    Raises:
        ValueError: another segmenter; `segments` below 1, or given for one that finds its own number;
            `pixels` below 100; a picture or a mask of another shape or type.
    """
    chosen = find_segmenter(segmenter)
    if segments is not None and not chosen.counted:
        raise ValueError(f"{segmenter} finds its own number of segments; steer it by {chosen.knobs} instead.")
    segments = SEGMENTS if segments is None else segments
    if segments < 1:
        raise ValueError(f"segments={segments}; ask for at least 1.")
    if pixels < 100:
        raise ValueError(f"pixels={pixels}; a picture of at least 100 can be cut.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"superpixels() cuts (H, W, 3) uint8 RGB pictures, not {image.shape} {image.dtype}. "
            "Read it with xaicore.read_image()."
        )
    size = image.shape[0], image.shape[1]
    if chosen.counted:
        pixels = max(pixels, EACH * segments)
    inside = None
    if options.get("mask") is not None:
        inside = np.asarray(options["mask"], dtype=bool)
        if inside.shape != size or not inside.any():
            raise ValueError(
                f"mask= has shape {inside.shape} and {inside.sum()} pixels set; give one of the photograph's "
                f"shape {size}, set where superpixels are wanted."
            )
        pixels = int(pixels * inside.size / inside.sum())
    small = reduced(image, within(size, pixels))
    if inside is not None:  # a thin part is in a block as soon as one of its pixels is
        height, width = small.shape[:2]
        options["mask"] = sums(sums(inside.astype(np.int64), height).T, width).T > 0
    labels = chosen.cut(small, segments, **options)
    found = LabelMap.of(labels, small.shape[:2])
    if chosen.counted and few(len(found), segments, int((found.index >= 0).sum())):
        tell(
            f"{segmenter} found {len(found)} of the {segments} superpixels asked for. Ask for more, smooth "
            "the photograph, or choose another segmenter=."
        )
    if inside is not None:  # its border is the caller's, to the pixel
        index = nearest(found.index, size)
        return LabelMap.of(np.ma.masked_array(index, ~inside | (index < 0)))
    index = found.index
    own = index if found.everywhere else np.ma.masked_less(index, 0)
    return LabelMap(own, np.arange(len(found), dtype=np.int32), index, size)
