"""Figures of one or several maps, with one colour scale and its bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xaicore.maps.cells import Floats
from xaicore.maps.heat import HeatMap
from xaicore.pictures.blocks import Size, nearest
from xaicore.pictures.reading import Photo
from xaicore.pictures.sources import shrink
from xaicore.regions.averages import RegionMap, Regions
from xaicore.regions.labels import LabelMap
from xaicore.show.painting import DIVERGING, colour_limit, cut_out, mark_boundaries, overlay
from xaicore.show.style import WIDTH, plain

LONGEST = 1000  # pixels of a panel's longer side: more than any page shows of it


class Drawn(Protocol):
    """What can be drawn at any size: a heat map, its averages, an explanation."""

    def at(self, size: Size) -> NDArray[np.float64]:
        """The map, (h, w)."""


def show_images(
    images: Sequence[NDArray[Any]],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    width: float = WIDTH,
    cmap: str = "gray",
) -> Figure:
    """A grid of pictures, `columns` wide: (H, W, 3) uint8 each, or (H, W) in `cmap`; width in inches.

    A picture of more than `LONGEST` pixels is drawn at that size; its axes still count its own pixels.
    In `titles`, what stands between two dollar signs is a formula; :func:`xaicore.show.style.plain` shows a
    name as it is.
    """
    sizes = [image.shape[:2] for image in images]
    return grid([_bounded(image) for image in images], sizes, titles, columns, width, cmap)


def _bounded(image: NDArray[Any]) -> NDArray[Any]:
    if image.ndim == 3:
        return shrink(image, LONGEST) if image.dtype == np.uint8 and image.shape[2] == 3 else image
    factor = min(1.0, LONGEST / max(image.shape))
    return nearest(image, tuple(max(1, round(side * factor)) for side in image.shape))


def grid(
    panels: Sequence[NDArray[Any]],
    sizes: Sequence[tuple[int, ...]],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    width: float = WIDTH,
    cmap: str = "gray",
) -> Figure:
    """:func:`show_images` of panels made at another size than the pictures', whose (H, W) are `sizes`."""
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    tallest = max(height / width for height, width in sizes)
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
    for i, (panel, size) in enumerate(zip(panels, sizes, strict=True)):
        same = panel.shape[:2] == tuple(size)
        extent = None if same else (-0.5, size[1] - 0.5, size[0] - 0.5, -0.5)
        axes.flat[i].imshow(panel, cmap=cmap, extent=extent)
        if titles:
            axes.flat[i].set_title(titles[i])
    return figure


def show_maps(
    image: Photo | Sequence[Photo],
    heats: Sequence[Floats | HeatMap],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    limit: float | None = None,
    label: str | None = None,
    photo: bool = False,
    width: float = WIDTH,
) -> Figure:
    """Signed maps over one photograph (or one each), with one shared symmetric colour scale and its bar.

    Shared, because two maps can be compared only on one scale. `photo=True` puts the bare photograph first.
    `titles`: see :func:`show_images`.
    """
    pictures = [image] * len(heats) if isinstance(image, np.ndarray) else list(image)
    sizes = [picture.shape[:2] for picture in pictures]
    limit = colour_limit(heats) if limit is None else limit
    panels = [tinted(p, heat, limit) for p, heat in zip(pictures, heats, strict=True)]
    names = list(titles) if titles else None
    if photo:
        panels.insert(0, shrink(pictures[0], LONGEST))
        sizes.insert(0, sizes[0])
        if names is not None and len(names) < len(panels):
            names.insert(0, "photograph")
    figure = grid(panels, sizes, names, columns, width)
    add_colour_bar(figure, limit, plain(_label(heats)) if label is None else label)
    return figure


def tinted(
    image: Photo,
    heat: Floats | Drawn,
    limit: float,
    opacity: float = 0.8,
    cut: LabelMap | None = None,
) -> Photo:
    """:func:`xaicore.show.painting.overlay` for a panel, at most `LONGEST` pixels long.

    `cut`: regions whose borders are drawn.
    """
    small = shrink(image, LONGEST)
    if hasattr(heat, "at"):
        values = heat.at(small.shape[:2])
    else:
        values = np.asarray(heat)
        if values.shape == image.shape[:2]:  # overlay() says what is wrong with another
            values = nearest(values, small.shape[:2])
    panel = overlay(small, values, limit, opacity)
    return panel if cut is None else mark_boundaries(panel, cut.places(small.shape[:2]), (255, 255, 255))


def kept(result: RegionMap, regions: Regions) -> Photo:
    """:func:`xaicore.show.painting.cut_out` for a panel, at most `LONGEST` pixels long."""
    small = shrink(result.image, LONGEST)
    return cut_out(small, result.mask(regions, small.shape[:2]))


def _label(heats: Sequence[Floats | HeatMap]) -> str:
    """What the colour bar of several maps says: a map that adds up to no score isn't in its units."""
    own = {heat.label for heat in heats if isinstance(heat, HeatMap) and not heat.adds_up}
    if not own:
        return "evidence M (units of the score)"
    alike = len(own) == 1 and all(isinstance(heat, HeatMap) and not heat.adds_up for heat in heats)
    return own.pop() if alike else "value of the map"


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


def show_regions(
    result: RegionMap, regions: Regions | None = None, columns: int = 2, width: float = 4.4
) -> Figure:
    """Photograph, map, its averages and, if `regions` are given, the photograph cut down to them.

    For averages of any map: the titles and the colour bar say which.
    """
    heat = result.heat
    limit = colour_limit([heat])
    panels = [
        shrink(result.image, LONGEST),
        tinted(result.image, heat, limit),
        tinted(result.image, result, limit, cut=result.cut),
    ]
    titles = ["photograph", heat.name, result.name]
    if regions is not None:
        panels.append(kept(result, regions))
        titles.append(f"{len(regions)} regions: {regions.area:.0%} of area")
    sizes = [result.image.shape[:2]] * len(panels)
    figure = grid(panels, sizes, [plain(title) for title in titles], columns, width)
    what = "evidence" if heat.adds_up else heat.name
    subject = f" for '{heat.subject}'" if heat.subject else ""
    add_colour_bar(figure, limit, plain(f"{what}{subject} ({heat.unit})"))
    return figure
