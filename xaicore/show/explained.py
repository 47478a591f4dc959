"""An explanation as a figure, in words, and as a table."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from xaicore.explanation import Explanation
from xaicore.pictures.sources import shrink
from xaicore.regions.averages import Regions
from xaicore.show.figures import LONGEST, add_colour_bar, grid, kept, tinted
from xaicore.show.painting import colour_limit
from xaicore.show.style import plain


def same_units(explanations: Sequence[Explanation]) -> bool:
    """Whether the maps are of one network and in one unit, so that one colour scale may hold them all."""
    first, *rest = explanations
    return all(_same_network(first, e) and _unit(first) == _unit(e) for e in rest)


def _same_network(a: Explanation, b: Explanation) -> bool:
    p, q = a.prediction, b.prediction
    return np.array_equal(p.class_weights, q.class_weights) and np.array_equal(p.bias, q.bias)


def _unit(e: Explanation) -> tuple[str, str]:
    """What the map is in; maps that add up to no score are comparable within their kind alone."""
    return e.heat.unit, "" if e.heat.adds_up else e.heat.kind


def draw(explanations: Sequence[Explanation], names: Sequence[str] = ()) -> Figure:
    """One row for each explanation: photograph, map, and with superpixels the regions kept.

    The colour scale ends at the map's largest absolute value before it was averaged, so it stays when
    superpixels are chosen. All rows share it if :func:`same_units`; else each row has its own. Wide
    photographs stand one below the other. `names`: what stands over the photographs.

    Raises:
        ValueError: explanations with superpixels and without in one figure.
    """
    _refuse_a_mixture(explanations)
    limits = [colour_limit([e.heat]) for e in explanations]
    together = same_units(explanations)
    if together:
        limits = [max(limits)] * len(limits)
    panels, titles = [], []
    each = 2 + any(e.regions is not None for e in explanations)
    wide = all(e.heat.size[1] > 2 * e.heat.size[0] for e in explanations)
    columns = 1 if wide else each
    for i, (e, limit) in enumerate(zip(explanations, limits, strict=True)):
        cut = None if e.averages is None else e.averages.cut
        panels += [shrink(e.heat.image, LONGEST), tinted(e.heat.image, e, limit, e.settings.opacity, cut)]
        titles += [names[i] if i < len(names) else "photograph", e.title]
        if e.averages is not None and e.regions is not None:
            panels.append(kept(e.averages, e.regions))
            titles.append(f"{len(e.regions)} regions: {e.regions.area:.0%} of area")
    letters = 54 // columns  # of a title, on one line above its panel
    sizes = [e.heat.image.shape[:2] for e in explanations for _ in range(each)]
    wrapped = [plain("\n".join(textwrap.wrap(t, letters))) for t in titles]
    figure = grid(panels, sizes, wrapped, columns, 5.4)
    if together:
        add_colour_bar(figure, limits[0], plain(explanations[0].heat.label))
        return figure
    rows = [figure.axes[i : i + each] for i in range(0, len(panels), each)]
    for e, row, limit in zip(explanations, rows, limits, strict=True):
        add_colour_bar(figure, limit, plain(e.heat.label), row)
    return figure


def _refuse_a_mixture(explanations: Sequence[Explanation]) -> None:
    if len({e.averages is None for e in explanations}) > 1:
        raise ValueError("Some have superpixels and some have none: explain all with one segmenter=.")


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
        lines += [_score(e), *_regions(e)]
        if not e.peak > 0:
            lines.append("There is no positive evidence for this class.")
    if len(explanations) > 1:
        lines.append(_comparison(explanations))
    return "\n".join(lines)


def _score(e: Explanation) -> str:
    """What the network says of the class, and whether the map adds up to it."""
    heat, target = e.heat, e.prediction.score(e.settings.target)
    if heat.total is None or heat.bias is None:
        return (
            f"{heat.title}: score of {target.name} {target.score:.2f}, probability {target.probability:.1%}. "
            f"The map is in {heat.unit}, and adds up to no score."
        )
    cells = float(heat.cells[0].mean())
    sum_ = f"Mean of the map {cells:.2f} + bias {heat.bias:.2f} = {cells + heat.bias:.2f}."
    if not heat.rivals:
        return f"{heat.subject}: score {heat.total:.2f}, probability {target.probability:.1%}. {sum_}"
    if len(heat.rivals) == 1 and e.prediction.activation == "sigmoid":
        return (
            f"{heat.subject}: difference of the scores {heat.total:.2f}, of classes that may both be. {sum_}"
        )
    if len(heat.rivals) == 1:
        share = 1 / (1 + np.exp(-heat.total))  # softmax of the two scores alone
        return (
            f"{heat.subject}: difference of the scores {heat.total:.2f}, probability among the two "
            f"{share:.1%}. {sum_}"
        )
    mean = "mean score" if len(set(heat.rivals.values())) == 1 else "mean score, weighted by probability,"
    return (
        f"{heat.subject}: {heat.total:.2f} above the {mean} of {len(heat.rivals)} others, "
        f"probability {target.probability:.1%}. {sum_}"
    )


def _regions(e: Explanation) -> list[str]:
    if e.averages is None or e.regions is None:
        return []
    kept = f"{len(e.regions)} of {len(e.averages.scores)} superpixels"
    if e.regions.evidence is None:
        return [f"{kept} are kept: {e.regions.area:.0%} of the area."]
    return [
        f"{kept} hold {e.regions.evidence:.0%} of the positive evidence on {e.regions.area:.0%} of the area."
    ]


def _comparison(explanations: Sequence[Explanation]) -> str:
    first, *rest = explanations
    two = "two " if len(explanations) == 2 else ""
    if not same_units(explanations):
        foreign = not all(_same_network(first, e) for e in rest)
        scores = foreign and all(e.heat.adds_up for e in explanations)
        what = "networks' scores" if scores else "maps"
        return (
            f"The {two}{what} have different units, so each map has its "
            "own colour scale: compare where the colours lie, not how strong they are."
        )
    both = "Both" if two else "All"
    if not first.heat.adds_up:
        return f"{both} maps are of one network and of one kind, and share a colour scale."
    return f"{both} maps are in units of one network's scores and share a colour scale."


def table(explanations: Sequence[Explanation]) -> str:
    """The region tables as CSV; with more than one, a first column says which (A, B).

    Without superpixels: the map's cells, one row each, as row, column and value; for a map that fuses several
    looks those of each look, before they are fused. As soon as one map does, each row has its look's number
    in front.

    Raises:
        ValueError: explanations with superpixels and without in one table.
    """
    _refuse_a_mixture(explanations)
    of_looks = any(len(e.heat.cells) > 1 for e in explanations)
    parts = [_rows(e, of_looks).splitlines() for e in explanations]
    if len(parts) == 1:
        return "\n".join(parts[0]) + "\n"
    rows = [f"{chr(ord('A') + i)},{row}" for i, part in enumerate(parts) for row in part[1:]]
    return "\n".join([f"map,{parts[0][0]}", *rows]) + "\n"


def _rows(e: Explanation, of_looks: bool) -> str:
    if e.averages is not None:
        return (e.regions or Regions()).to_csv()
    lines = ["look,row,column,value" if of_looks else "row,column,value"]
    for look, values in enumerate(e.heat.cells, start=1):
        where = f"{look}," if of_looks else ""
        lines += [f"{where}{y},{x},{v:.6g}" for y, row in enumerate(values) for x, v in enumerate(row)]
    return "\n".join(lines) + "\n"
