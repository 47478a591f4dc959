"""Figures of one or several maps, with one colour scale and its bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xaicore.maps.cells import Floats
from xaicore.maps.heat import HeatMap
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import RegionMap, Regions
from xaicore.show.painting import DIVERGING, colour_limit, cut_out, mark_boundaries, overlay
from xaicore.show.style import WIDTH


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
    """
    pictures = [image] * len(heats) if isinstance(image, np.ndarray) else list(image)
    limit = colour_limit(heats) if limit is None else limit
    panels = [overlay(p, heat, limit) for p, heat in zip(pictures, heats, strict=True)]
    names = list(titles) if titles else None
    if photo:
        panels.insert(0, pictures[0])
        if names is not None and len(names) < len(panels):
            names.insert(0, "photograph")
    figure = show_images(panels, names, columns, width)
    add_colour_bar(figure, limit, _label(heats) if label is None else label)
    return figure


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
        result.image,
        overlay(result.image, heat, limit),
        mark_boundaries(overlay(result.image, result.map, limit), result.labels, (255, 255, 255)),
    ]
    titles = ["photograph", heat.name, result.name]
    if regions is not None:
        panels.append(cut_out(result.image, result.mask(regions)))
        titles.append(f"{len(regions)} regions: {regions.area:.0%} of area")
    figure = show_images(panels, titles, columns, width)
    what = "evidence" if heat.adds_up else heat.name
    subject = f" for '{heat.subject}'" if heat.subject else ""
    add_colour_bar(figure, limit, f"{what}{subject} ({heat.unit})")
    return figure
