"""An explanation as a figure, in words, as a table, and as the code that makes it again."""

from __future__ import annotations

import importlib.metadata
import io
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from xaicore.explanation import Explanation, Settings
from xaicore.pictures.geometry import Resize
from xaicore.pictures.sources import Picture, quoted
from xaicore.regions.averages import Regions
from xaicore.show.figures import add_colour_bar, show_images
from xaicore.show.painting import cut_out, outlines, overlay


def same_units(explanations: Sequence[Explanation]) -> bool:
    """Whether the maps are in units of one network's scores, so that one colour scale may hold them all."""
    first, *rest = (e.prediction for e in explanations)
    return all(
        np.array_equal(first.class_weights, p.class_weights) and np.array_equal(first.bias, p.bias)
        for p in rest
    )


def draw(explanations: Sequence[Explanation], names: Sequence[str] = ()) -> Figure:
    """One row for each explanation: photograph, map, and for SeCAM the regions kept.

    The colour scale ends at the largest |CAM|, so it stays when CAM is changed for SeCAM. All rows share it
    if :func:`same_units`; else each row has its own. Wide photographs stand one below the
    other. `names`: what stands over the photographs.
    """
    limits = [float(np.nanmax(np.abs(e.result.heat))) or 1.0 for e in explanations]
    together = same_units(explanations)
    if together:
        limits = [max(limits)] * len(limits)
    panels, titles = [], []
    each = 2 + any(e.regions is not None for e in explanations)
    wide = all(e.map.shape[1] > 2 * e.map.shape[0] for e in explanations)
    columns = 1 if wide else each
    for i, (e, limit) in enumerate(zip(explanations, limits, strict=True)):
        tinted = overlay(e.prediction.image, e.map, limit, e.settings.opacity)
        if e.regions is not None:
            tinted = outlines(tinted, e.result.labels, (255, 255, 255))
        panels += [e.prediction.image, tinted]
        words = f"{'CAM' if e.regions is None else 'SeCAM'}: {e.target.name}"
        titles += [names[i] if i < len(names) else "photograph", words]
        if e.regions is not None:
            panels.append(cut_out(e.prediction.image, e.result.mask(e.regions)))
            titles.append(f"{len(e.regions)} regions: {e.regions.area:.0%} of area")
    letters = 54 // columns  # of a title, on one line above its panel
    figure = show_images(panels, ["\n".join(textwrap.wrap(t, letters)) for t in titles], columns, 5.4)
    label = "evidence (units of the score)"
    if together:
        add_colour_bar(figure, limits[0], label)
        return figure
    rows = [figure.axes[i : i + each] for i in range(0, len(panels), each)]
    for row, limit in zip(rows, limits, strict=True):
        add_colour_bar(figure, limit, label, row)
    return figure


def render(figure: Figure, kind: Literal["png", "jpeg", "svg"] = "png", dpi: int = 130) -> bytes:
    """The figure as the bytes of a file; the same figure gives the same bytes. Closes it."""
    file = io.BytesIO()
    with plt.rc_context({"svg.hashsalt": "xaicore"}):
        figure.savefig(file, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    plt.close(figure)
    return file.getvalue()


def describe(explanations: Sequence[Explanation]) -> str:
    """The same in words: score, completeness, regions, and whether the colours may be compared."""
    lines = list(dict.fromkeys(str(e.prediction.provenance).split("\n")[0] + "." for e in explanations))
    for e in explanations:
        kind = "difference of the scores" if e.contrast else "score"
        among = " among the two" if e.contrast else ""
        lines.append(
            f"{e.target.name}: {kind} {e.target.score:.2f}, probability{among} {e.target.probability:.1%}. "
            f"Mean of the map {e.cells.mean():.2f} + bias {e.bias:.2f} = "
            f"{e.cells.mean() + e.bias:.2f}."
        )
        if e.regions is not None:
            lines.append(
                f"{len(e.regions)} of {len(e.result.scores)} superpixels hold {e.regions.evidence:.0%} of "
                f"the positive evidence on {e.regions.area:.0%} of the area."
            )
        if not np.nanmax(e.map) > 0:
            lines.append("There is no positive evidence for this class.")
    if len(explanations) > 1:
        lines.append(
            "Both maps are in units of one network's scores and share a colour scale."
            if same_units(explanations)
            else "The two networks' scores have different units, so each map has its own colour scale: "
            "compare where the colours lie, not how strong they are."
        )
    return "\n".join(lines)


@dataclass(frozen=True)
class Recipe:
    """What code needs to make one :class:`Explanation` again; `model` is a line of code, as in Picture."""

    picture: Picture
    model: str
    provenance: str
    target: int
    name: str
    rival: int | None


def snippet(recipes: Sequence[Recipe], settings: Settings, resize: Resize, names: Sequence[str] = ()) -> str:
    """Code that gives the same figure and table in a fresh kernel: it leaves `explanations` and `figure`."""
    code = "\n".join([r.picture.code + r.model for r in recipes])
    needed = [n for n in ("read_url", "shrink") if f"{n}(" in code]
    lines = [f"# Made with xaicore {importlib.metadata.version('xaicore')}"]
    lines += dict.fromkeys(f"# {r.provenance}" for r in recipes)
    lines += [
        "import xaicore",
        "from xaicore.explanation import Settings, explain",
        *(["from xaicore.networks.load import load_torchvision"] if "load_torchvision(" in code else []),
        *([f"from xaicore.pictures.sources import {', '.join(needed)}"] if needed else []),
        "from xaicore.show import draw",
        "",
        "settings = Settings(",
        *(f"    {k}={quoted(v) if isinstance(v, str) else repr(v)}," for k, v in asdict(settings).items()),
        ")",
        "explanations = []",
    ]
    loaded = ""
    for recipe in recipes:
        lines.append("")
        if recipe.model != loaded:
            lines.append(f"model = {recipe.model}")
        loaded = recipe.model
        if recipe.picture.original is not None:
            lines.append("# the file that you uploaded; Save puts it beside this code")
        rival = "" if recipe.rival is None else f", rival={recipe.rival}"
        lines += [
            f"photo = {recipe.picture.code}",
            f'prediction = model.predict(photo, resize="{resize}")',
            f"# class {recipe.target} is {recipe.name}",
            f"explanations.append(explain(prediction, settings, {recipe.target}{rival}))",
        ]
    lines += ["", f"figure = draw(explanations, [{', '.join(map(quoted, names))}])"]
    if settings.method == "secam":
        lines.append("print(explanations[0].regions)")
    return "\n".join(lines) + "\n"


def table(explanations: Sequence[Explanation]) -> str:
    """The region tables as CSV; with more than one, a first column says which (A, B)."""
    parts = [(e.regions or Regions()).to_csv().splitlines() for e in explanations]
    if len(parts) == 1:
        return "\n".join(parts[0]) + "\n"
    rows = [f"{'AB'[i]},{row}" for i, part in enumerate(parts) for row in part[1:]]
    return "\n".join([f"map,{parts[0][0]}", *rows]) + "\n"
