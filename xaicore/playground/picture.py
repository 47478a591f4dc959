"""The picture that stands where no script runs: the same as the browser's, for every control."""

from __future__ import annotations

import base64
import dataclasses
import html
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaicore.maps.heat import HeatMap, heat_map
from xaicore.maps.kinds import KINDS
from xaicore.networks.looks import Looks
from xaicore.pictures.reading import Photo
from xaicore.playground.controls import State
from xaicore.playground.data import as_jpeg, colour_pair
from xaicore.regions.averages import RegionMap, average
from xaicore.regions.labels import Labels
from xaicore.regions.segmenters import superpixels
from xaicore.show.painting import colour_limit, cut_out, overlay

WHITE, YELLOW = (255, 255, 255), (255, 220, 0)
EXPLAINED = (
    "With its script this picture is a playground: on the book's page, or where this cell is run in a live "
    "notebook."
)


class Shown(NamedTuple):
    """What a state shows: `whole` with all feature maps on, `heat` with those that are; `active` of them."""

    whole: HeatMap
    heat: HeatMap
    active: int
    averaged: RegionMap | None


def compute(looks: Looks, state: State) -> Shown:
    """The map of a state, and its averages over superpixels if the state asks for them."""
    c, kind = state["target"], state["kind"]
    against = None if KINDS[kind].against is None else state["against"]
    whole = heat_map(looks, c, kind, against)
    on = _switched_on(looks, whole, state)
    heat = whole
    if not on.all():
        first = looks.first
        some = dataclasses.replace(first, feature_maps=first.feature_maps * on[:, None, None])
        heat = heat_map(some, c, kind, against)
    averaged = None
    if state["regions"]:
        averaged = average(heat, superpixels(heat.image, state["segments"]), state["statistic"])
    return Shown(whole, heat, int(on.sum()), averaged)


def _switched_on(looks: Looks, heat: HeatMap, state: State) -> NDArray[np.bool_]:
    """Which feature maps are on: the `keep` that add most to the score or take most, without those `off`."""
    first, rivals = looks.first, heat.rivals or {}
    w = first.class_weights[state["target"]].astype(float)
    w = w - sum(share * first.class_weights[j].astype(float) for j, share in rivals.items())
    strength = np.abs(w * first.feature_maps.mean(axis=(1, 2)))
    on = np.zeros(len(w), dtype=bool)
    on[np.argsort(-strength, kind="stable")[: state["keep"]]] = True
    on[list(state["off"])] = False
    return on


def draw(looks: Looks, state: State) -> Photo:
    """The picture of a state, as `js/draw.js` draws it."""
    shown = compute(looks, state)
    image, averaged = shown.heat.image, shown.averaged
    if averaged is not None and state["view"] != "heat":
        how = {"top": state["top"]} if state["choose"] == "top" else {"threshold": state["threshold"]}
        mask = averaged.mask(averaged.regions(**how))
        if state["view"] == "cutout":
            return cut_out(image, mask)
        return _with_borders(image, averaged.labels, YELLOW, mask, more=1)
    values = averaged.map if averaged is not None else _smooth_or_cells(shown.heat, state)
    if state["sign"] == "positive":
        values = np.maximum(values, 0)
    # The colours keep the scale of the whole map, so that what is switched off is seen to fade.
    limit, pair = colour_limit([shown.whole]), tuple(colour_pair(state["colours"]))
    picture = overlay(image, values, limit, state["opacity"], pair)
    return picture if averaged is None else _with_borders(picture, averaged.labels, WHITE)


def _smooth_or_cells(heat: HeatMap, state: State) -> NDArray[np.float64]:
    """The map at each pixel, or that of the pixel's cell. An agreement of looks has no cells of its own."""
    if not state["cells"] or not heat.adds_up:
        return heat.values
    cells, (height, width) = np.asarray(heat.cells[0], dtype=float), heat.values.shape
    rows, columns = (np.arange(n) * m // n for n, m in zip((height, width), cells.shape, strict=True))
    return cells[np.ix_(rows, columns)]


def _with_borders(
    picture: Photo,
    labels: Labels,
    colour: tuple[int, int, int],
    chosen: NDArray[np.bool_] | None = None,
    more: int = 0,
) -> Photo:
    """Draw where a chosen superpixel (or any) meets another one; `more` pixels thicker on each side."""
    border = np.zeros(labels.shape, dtype=bool)
    for across in (False, True):
        side, drawn = (labels.T, border.T) if across else (labels, border)
        meets = side[:-1] != side[1:]
        if chosen is not None:
            mask = chosen.T if across else chosen
            meets = meets & (mask[:-1] | mask[1:])
        rows, columns = np.nonzero(meets)
        for step in range(-more, more + 1):
            inside = (rows + step >= 0) & (rows + step < len(drawn))
            drawn[rows[inside] + step, columns[inside]] = True
    out = picture.copy()
    out[border] = colour
    return out


def static_html(looks: Looks, name: str, state: State) -> str:
    """The picture with its caption."""
    shown = compute(looks, state)
    heat = shown.heat
    title = heat.title if shown.averaged is None else shown.averaged.title
    what = f"{title}, on the photograph '{name}'"
    caption = f"{what}: {_told(looks, shown, state)}. {_legend(shown, state)}{EXPLAINED}"
    alt = f"{what}, in colour over the photograph"
    picture = base64.b64encode(as_jpeg(draw(looks, state), 78)).decode()
    return (
        f'<img class="dark-light" alt="{html.escape(alt)}" src="data:image/jpeg;base64,{picture}">'
        f"<p>{html.escape(caption)}</p>"
    )


def _told(looks: Looks, shown: Shown, state: State) -> str:
    """The score with what it is, or that there is none; and how many feature maps are on."""
    heat, channels = shown.heat, len(looks.first.feature_maps)
    if heat.bias is None:
        return "what the looks at two input sizes agree on, which adds up to no score"
    score = float(np.mean(heat.cells[0])) + heat.bias
    some = "" if shown.active == channels else f", with {shown.active:,} of {channels:,} feature maps"
    if heat.rivals:
        return f"difference of the scores {score:.2f}{some}"
    probability = f", probability {looks.first.score(state['target']).probability:.1%}"
    return f"score {score:.2f}{some or probability}"


def _legend(shown: Shown, state: State) -> str:
    """What the colours say, where there are any."""
    if shown.averaged is not None and state["view"] != "heat":
        return ""
    speaks, against = state["colours"].split("-")
    only = "" if state["sign"] == "positive" else f", {against} against it"
    return f"{speaks.capitalize()} speaks for the class{only}. "
