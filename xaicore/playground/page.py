"""A playground in the page: maps recomputed in the reader's browser, without a kernel.

The page carries what the network computed once, see :mod:`xaicore.playground.data`. The script then computes
each kind of map as this package does. What a notebook's output holds is the data and a picture; the site adds
the script to the page, and a live notebook to the output.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaicore.live import somebody_is_there
from xaicore.maps.cells import STRONGEST
from xaicore.networks.looks import Looks, as_looks
from xaicore.networks.prediction import Prediction, Target
from xaicore.playground.controls import Controls, State, as_link, check_state, page_controls
from xaicore.playground.data import page_data
from xaicore.playground.picture import static_html
from xaicore.playground.script import script, style_sheet
from xaicore.playground.views import as_seen

START_AGAIN = "<script>window.xaicorePlayground?.start();</script>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Playground:
    """A playground that shows itself in a notebook and on a page made from it; made by :func:`playground`.

    Attributes:
        looks: as the page shows them, see :func:`xaicore.playground.views.as_seen`.
        names: of the photographs.
        classes: indices of the offered classes.
        controls: what there is to set, by name. `state`: where each of them starts.
        embeds: whether its HTML carries the data, or finds it on the page.
    """

    looks: tuple[Looks, ...]
    names: tuple[str, ...]
    classes: tuple[int, ...]
    controls: Controls
    state: State
    data: str
    embeds: bool = True

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """The first look at each photograph."""
        return tuple(one.first for one in self.looks)

    @property
    def key(self) -> str:
        """A short hash of the data: playgrounds and buttons of the same data find each other by it."""
        return hashlib.sha256(self.data.encode()).hexdigest()[:10]

    def another(self, **state: Any) -> Playground:
        """A second playground on the same page that starts in another state and shares this one's data.

        In Colab, where each output is a page of its own, it carries the data itself.
        """
        embeds = "google.colab" in sys.modules
        checked = check_state(state, self.controls, self.looks)
        return dataclasses.replace(self, state=checked, embeds=embeds)

    def button(self, label: str, **state: Any) -> PlaygroundButton:
        """A button that brings the playground above it into a state. Without scripts it stays hidden."""
        link = as_link(check_state(state, self.controls, self.looks), self.controls)
        return PlaygroundButton(
            f'<button type="button" class="xai-play-go" hidden data-data="{self.key}" '
            f'data-state="{html.escape(link)}">{html.escape(label)}</button>'
        )

    def _repr_html_(self) -> str:
        photo = self.state["photo"]
        parts = [
            f'<div class="xai-play" data-data="{self.key}" '
            f'data-state="{html.escape(as_link(self.state, self.controls))}"><div class="xai-play-static">'
            f"{static_html(self.looks[photo], self.names[photo], self.state)}</div></div>"
        ]
        if self.embeds:
            parts += [
                f'<script type="application/json" class="xai-play-data" data-key="{self.key}">',
                f"{self.data}</script>",
            ]
        if somebody_is_there():
            parts += [f"<style>{style_sheet()}</style>", f"<script>{script()}</script>"]
        return "\n".join(parts)

    def __repr__(self) -> str:
        return (
            f"A playground of {len(self.looks)} photographs ({', '.join(self.names)}) and "
            f"{len(self.classes)} classes. It needs a front end that shows HTML: JupyterLab, VS Code, Colab, "
            "or a page made from the notebook."
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PlaygroundButton:
    """A button that sets the playground above it; made by :meth:`Playground.button`."""

    html: str

    def _repr_html_(self) -> str:
        return self.html + (START_AGAIN if somebody_is_there() else "")

    def __repr__(self) -> str:
        return "A button that sets the playground above; it works where scripts run."


def playground(
    looks: Looks | Prediction | Sequence[Looks | Prediction],
    *,
    classes: Sequence[Target] = (),
    top: int = STRONGEST + 1,
    segments: Sequence[int] = (25, 50, 100, 200),
    names: Sequence[str] | None = None,
    state: State | None = None,
) -> Playground:
    """A playground of one or several photographs, for a notebook's output.

    Args:
        looks: at each photograph, of one network, made with resize="crop", "full" or "squash" (then shown
            squashed). A prediction counts as one look; the kind "focus" is there for photographs with two.
        classes: what to offer besides the `top` classes of each photograph.
        top: at least eleven: the ten strongest rivals of any class are then among them.
        segments: numbers of superpixels to ask SLIC for.
        names: one for each photograph.
        state: where the controls start, by their names; see :attr:`Playground.controls` for all there are.
            "photo" is a name or a number from 0, "target" a class, "against" a class, "rivals" or "others",
            "keep" the number of strongest feature maps to keep, "off" feature maps to leave out; "threshold"
            and "opacity" are shares, from 0 to 1.

    Raises:
        ValueError: no photograph, looks of different networks or more than two at one photograph, a padded
            photograph, names that are too few or not unique, `top` below eleven, an unknown class, or a state
            that the controls don't have.
    """
    several = _looks([looks] if isinstance(looks, Looks | Prediction) else looks)
    labels = tuple(names) if names is not None else tuple(f"photo {i}" for i in range(1, len(several) + 1))
    if len(labels) != len(several) or len(set(labels)) < len(labels):
        raise ValueError(f"{len(several)} photographs need as many different names, not {list(labels)}.")
    asked = tuple(segments)
    if not asked or len(set(asked)) < len(asked):
        raise ValueError(f"segments={asked}; give one or several different numbers of superpixels.")
    if top <= STRONGEST:
        raise ValueError(f"top={top}; a class and its strongest rivals are {STRONGEST + 1}.")
    first = several[0].first
    offered = {row.index for one in several for row in one.first.top(top)} | {first.index(c) for c in classes}
    views, kept = tuple(as_seen(one) for one in several), tuple(sorted(offered))
    controls = page_controls(labels, first, kept, asked)
    start = check_state(state or {}, controls, views)
    return Playground(views, labels, kept, controls, start, page_data(views, kept, asked, controls))


def _looks(given: Sequence[Looks | Prediction]) -> list[Looks]:
    """Looks at one photograph or several; ValueError unless they are of one network, two of each at most."""
    if not given or not all(isinstance(one, Looks | Prediction) for one in given):
        raise ValueError("Give the playground looks at one photograph or several: model.look(photo).")
    several = [as_looks(one) for one in given]
    if any(len(one) > 2 for one in several):
        raise ValueError("The playground compares two input sizes at most: model.look(photo, scales=(1, 2)).")
    first = several[0].first
    for other in several[1:]:
        same = np.array_equal(other.first.class_weights, first.class_weights)
        if other.first.categories != first.categories or not same:
            raise ValueError("The looks come from different networks; make one playground for each.")
    return several
