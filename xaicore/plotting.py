"""Static figures: signed heat maps over photographs, superpixels, cut-outs.

Arrays go in; RGB arrays or a matplotlib Figure come out. Red is evidence for the class, blue against it, and
an untinted photograph is no evidence: the scale is symmetric about zero, and readable with colour blindness.
Parts that the network never saw are striped.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.segmentation import find_boundaries

from xaicore.cam import Floats
from xaicore.images import Photo
from xaicore.secam import Mask, Regions, SeCAM
from xaicore.superpixels import Labels

# Against and for. The darkest ends of the palette are left out: over a dark photograph they read as black.
AGAINST, FOR = mpl.colormaps["RdBu_r"]([0.1, 0.9])[:, :3]
DIVERGING = LinearSegmentedColormap.from_list("evidence", [AGAINST, (1, 1, 1), FOR])  # as laid over white
WIDTH = 7.5  # inches
STRIPE = 12  # pixels, at a photo height of 300

# --- one picture: arrays in, RGB array out ---------------------------------------------------------------


def overlay(image: Photo, heat: Floats, limit: float | None = None, opacity: float = 0.8) -> Photo:
    """Lay a signed (H, W) map over the grey photograph; NaN (never seen by the network) becomes striped.

    Args:
        limit: the map's value, in its own units, that gets full colour; default max|M|.
        opacity: in [0, 1], of full colour; it is in proportion to |M|, as in the colour bar, so half the
            evidence has half the tint and zero leaves the photo bare.

    Raises:
        ValueError: a map of another size than the photograph.
    """
    if np.shape(heat) != image.shape[:2]:
        raise ValueError(
            f"The map has shape {np.shape(heat)}, the photograph {image.shape[:2]}. Draw the map onto the "
            "photograph first: xaicore.on_photo(map, prediction.geometry)."
        )
    unseen = np.isnan(heat)
    limit = _limit([heat]) if limit is None else limit
    value = np.clip(np.nan_to_num(heat) / limit, -1, 1)
    colour = np.where(value[..., None] < 0, AGAINST, FOR)
    grey = 0.25 + 0.7 * rgb2gray(image)[..., None]
    alpha = opacity * np.abs(value)[..., None]
    return _stripes(_bytes(alpha * colour + (1 - alpha) * grey), unseen)


def outlines(image: Photo, labels: Labels, colour: tuple[int, int, int] = (255, 220, 0)) -> Photo:
    """Draw the borders between superpixels onto a copy of the picture; thicker on larger pictures."""
    drawn = image.copy()
    border = find_boundaries(labels, mode="inner", background=-1)
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


def _limit(heats: Sequence[Floats]) -> float:
    """One symmetric limit for several maps: their largest |M|, or 1 where all are zero."""
    return max((float(np.nanmax(np.abs(heat))) for heat in heats), default=0.0) or 1.0


# --- figures -----------------------------------------------------------------------------------------------


def show_images(
    images: Sequence[NDArray[Any]],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    width: float = WIDTH,
    cmap: str = "gray",
) -> Figure:
    """A grid of pictures, `columns` wide: (H, W, 3) uint8 each, or (H, W) in `cmap`; width in inches."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    tallest = max(image.shape[0] / image.shape[1] for image in images)
    title_height = 0.32 * max((t.count("\n") + 1 for t in titles), default=0) if titles else 0.06
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width, rows * (width / columns * tallest + title_height)),
        layout="constrained",
        squeeze=False,
    )
    for axis in axes.flat:
        axis.axis("off")
    for i, image in enumerate(images):
        axes.flat[i].imshow(image, cmap=cmap)
        if titles:
            axes.flat[i].set_title(titles[i])
    return figure


def show_maps(
    image: Photo | Sequence[Photo],
    heats: Sequence[Floats],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    limit: float | None = None,
    label: str = "evidence M (units of the score)",
    photo: bool = False,
    width: float = WIDTH,
) -> Figure:
    """Signed maps over one photograph (or one each), with one shared symmetric colour scale and its bar.

    Shared, because two maps can be compared only on one scale. `photo=True` puts the bare photograph first.
    """
    pictures = [image] * len(heats) if isinstance(image, np.ndarray) else list(image)
    limit = _limit(heats) if limit is None else limit
    panels = [overlay(p, heat, limit) for p, heat in zip(pictures, heats, strict=True)]
    names = list(titles) if titles else None
    if photo:
        panels.insert(0, pictures[0])
        if names is not None and len(names) < len(panels):
            names.insert(0, "photograph")
    figure = show_images(panels, names, columns, width)
    add_colour_bar(figure, limit, label)
    return figure


def add_colour_bar(figure: Figure, limit: float, label: str, axes: Sequence[Axes] | None = None) -> None:
    """A horizontal bar for the signed scale −limit … limit under the figure."""
    figure.set_figheight(figure.get_figheight() + 0.7)
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), DIVERGING),
        ax=axes or figure.axes,
        orientation="horizontal",
        fraction=0.05,
        pad=0.03,
        aspect=40,
        shrink=0.8,
    )
    bar.set_label(label)
    bar.outline.set_visible(False)


def show_secam(result: SeCAM, regions: Regions | None = None, columns: int = 2, width: float = 4.4) -> Figure:
    """Photograph, CAM, SeCAM and, if `regions` are given, the photograph cut down to them."""
    limit = _limit([result.heat])
    panels = [
        result.image,
        overlay(result.image, result.heat, limit),
        outlines(overlay(result.image, result.map, limit), result.labels, (255, 255, 255)),
    ]
    titles = ["photograph", "CAM", "SeCAM"]
    if regions is not None:
        panels.append(cut_out(result.image, result.mask(regions)))
        titles.append(f"{len(regions)} regions: {regions.area:.0%} of area")
    figure = show_images(panels, titles, columns, width)
    add_colour_bar(figure, limit, f"evidence for '{result.target.name}' (units of the score)")
    return figure


# --- in a notebook -----------------------------------------------------------------------------------------


def use_book_style() -> None:
    """Fonts and sizes of the book's figures; in a notebook, photographs are stored as JPEG, not PNG."""
    mpl.rcParams.update(
        {
            "figure.dpi": 130,
            "figure.figsize": (WIDTH, 3.6),
            "figure.facecolor": "white",
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "svg.hashsalt": "xaicore",
        }
    )
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    shell.run_line_magic("matplotlib", "inline")
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": 85, "optimize": True, "progressive": True})


def as_svg(figure: Figure) -> Any:
    """The figure as IPython SVG, sharp at any size: for line plots and diagrams. Closes the figure."""
    from IPython.display import SVG

    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return SVG(data=file.getvalue())
