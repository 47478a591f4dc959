"""The playground's controls, said once: the page's inputs, links and `state=` all come from this table.

The table travels in the page's data. The script builds its inputs from it and holds links against it, so a
name, a range, a default or a choice stands here and nowhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from xaicore.controls import Control
from xaicore.maps.cells import OTHERS, RIVALS, STRONGEST
from xaicore.maps.kinds import KINDS
from xaicore.networks.looks import Looks
from xaicore.networks.prediction import Prediction

State = Mapping[str, Any]
Controls = Mapping[str, Control]

COMPUTED = ("cam", "contrast", "focus")  # the kinds that the script can compute
USUAL_SEGMENTS = 100
MANY_REGIONS = 20

OFF_ON = {False: "off", True: "on"}

# Those that are the same on every page.
KIND = Control("kind", "Map", "cam", "What the map tells.", {name: KINDS[name].title for name in COMPUTED})
REGIONS = Control(
    "regions",
    "Average over superpixels",
    False,
    "One value for each region of like colour. Of a CAM that is SeCAM.",
    OFF_ON,
)
STATISTIC = Control(
    "statistic",
    "Value of a superpixel",
    "mean",
    "What stands for a region. Only the mean keeps the sum.",
    {"mean": "mean", "max": "maximum", "median": "median"},
)
CHOOSE = Control(
    "choose",
    "Choose superpixels",
    "threshold",
    "How many of the best superpixels outline and cut-out show.",
    {"threshold": "by a threshold", "top": "the best few"},
)
THRESHOLD = Control(
    "threshold", "From this share of the best score up", 0.5, "0 to 1.", low=0.05, high=1.0, step=0.05
)
TOP = Control("top", "How many", 5, "The best superpixels.", low=1, high=MANY_REGIONS, step=1)
VIEW = Control(
    "view",
    "Show",
    "heat",
    "All superpixels in colour, or the chosen ones on the photograph.",
    {"heat": "heat", "outline": "outline", "cutout": "cut-out"},
)
COLOURS = Control(
    "colours",
    "Colours for and against",
    "red-blue",
    "Each pair can be told apart with colour blindness.",
    {"red-blue": "red – blue", "orange-purple": "orange – purple", "teal-brown": "teal – brown"},
)
OPACITY = Control(
    "opacity", "Opacity", 0.8, "Of full colour over the photograph, 0 to 1.", low=0.1, high=1.0, step=0.05
)
SIGN = Control(
    "sign",
    "Evidence shown",
    "signed",
    "Whether evidence against the class is shown too.",
    {"signed": "for and against", "positive": "only for"},
)
CELLS = Control(
    "cells",
    "Show the cells as they are, not smoothed",
    False,
    "The map before it is enlarged.",
    OFF_ON,
)


def page_controls(
    names: Sequence[str], prediction: Prediction, classes: Sequence[int], segments: Sequence[int]
) -> dict[str, Control]:
    """The whole table of one page, by name, in the order in which links are written.

    Args:
        names: of the photographs. `prediction`: of any of them, for the names and numbers of its network.
        classes: the offered ones. `segments`: the numbers of superpixels on offer.
    """
    offered = {c: prediction.categories[c] for c in classes}
    rivals = min(STRONGEST, len(prediction.categories) - 1)
    groups = {RIVALS: f"its {rivals} strongest rivals", OTHERS: "the other classes"}
    channels = len(prediction.feature_maps)
    usual = min(segments, key=lambda n: abs(n - USUAL_SEGMENTS))
    rows = (
        Control("photo", "Photograph", 0, "By name, or by number from 0.", dict(enumerate(names))),
        KIND,
        Control("target", "Class", None, "The class that the map is of.", offered),
        Control(
            "against",
            "Against",
            RIVALS,
            "What a contrast and a focus set the class against.",
            groups | offered,
        ),
        Control(
            "keep",
            "Keep only",
            None,
            "The feature maps that add most to the score, or take most from it.",
            low=1,
            high=channels,
            step=1,
            optional=True,
        ),
        Control(
            "off", "Off", (), "Feature maps to leave out.", low=0, high=channels - 1, step=1, several=True
        ),
        REGIONS,
        Control(
            "segments",
            "Superpixels asked of SLIC",
            usual,
            "It gives about so many.",
            {n: str(n) for n in segments},
        ),
        STATISTIC,
        CHOOSE,
        THRESHOLD,
        TOP,
        VIEW,
        COLOURS,
        OPACITY,
        SIGN,
        CELLS,
    )
    return {row.name: row for row in rows}


def as_json(control: Control) -> dict[str, Any]:
    """A row as the page carries it. JSON has no 1.0 beside 1, and no keys but text: both are spelt out."""
    choices = None if control.choices is None else [list(item) for item in control.choices.items()]
    return dataclasses.asdict(control) | {"choices": choices, "whole": control.whole}


def check_state(state: State, controls: Controls, looks: Sequence[Looks]) -> dict[str, Any]:
    """The whole state, with photograph and classes as numbers.

    Args:
        state: any of the controls; photograph and classes by name or number.

    Raises:
        ValueError: no such control, or a value that it doesn't take; a class against itself; a focus without
            a second look, or with feature maps switched off.
    """
    if unknown := [name for name in state if name not in controls]:
        raise ValueError(f"No control is called {', '.join(unknown)}; there are {', '.join(controls)}.")
    full = {name: state.get(name, control.default) for name, control in controls.items()}
    full["photo"] = _photo(full["photo"], controls["photo"])
    first = looks[full["photo"]].first
    full["target"] = _class(full["target"], first, controls["target"])
    if full["against"] not in (RIVALS, OTHERS):
        full["against"] = _class(full["against"], first, controls["against"])
    checked = {name: controls[name].check(value) for name, value in full.items()}
    if checked["against"] == checked["target"]:
        raise ValueError(f"'{first.categories[checked['target']]}' can't be set against itself.")
    if checked["kind"] == "focus" and len(looks[checked["photo"]]) < 2:
        raise ValueError(
            "kind='focus' needs a second look at the photograph: model.look(photo, scales=(1, 2))."
        )
    if checked["kind"] == "focus" and (checked["keep"] is not None or checked["off"]):
        raise ValueError(
            "kind='focus' needs all feature maps, as the page carries finished maps only of its second look; "
            "leave keep and off out."
        )
    return checked


def _photo(photo: Any, control: Control) -> Any:
    """The number of a photograph given by its name; anything else as it is."""
    names = {name: i for i, name in (control.choices or {}).items()}
    if isinstance(photo, str) and photo not in names:
        raise ValueError(f"photo={photo!r}; choose one of {', '.join(names)}.")
    return control.check(names[photo] if isinstance(photo, str) else photo)


def _class(target: Any, prediction: Prediction, control: Control) -> int:
    """The index of an offered class; the first answer for None."""
    c = prediction.index(target)
    if c not in (control.choices or {}):
        raise ValueError(f"'{prediction.categories[c]}' is not offered; name it in classes=.")
    return c


def as_link(state: State, controls: Controls) -> str:
    """The state as a link writes it: photograph and class, and what differs from the start."""
    always = ("photo", "target")
    return urlencode(
        {
            name: _written(value)
            for name, value in state.items()
            if name in always or value != controls[name].default
        },
        safe=",",
    )


def _written(value: Any) -> str:
    """As JavaScript writes it: true as 1, 1.0 as 1, several with commas between them."""
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(int(value) if isinstance(value, bool) else value)
