"""What xaicore says, as JSON for the script's own tests: python tests/js/write_vectors.py

A small random network looks at a photograph at two input sizes. `vectors.json` holds the page's data, states
with their links and what follows from them, and the inputs and outputs of single equations.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tiny_network import tiny  # noqa: E402

from xaicore import class_activation_map, sample_image, superpixels, upsample  # noqa: E402
from xaicore.maps.cells import OTHERS, RIVALS, rival_shares  # noqa: E402
from xaicore.maps.focus import agreement  # noqa: E402
from xaicore.playground.codes import dequantise, error_bound, quantise  # noqa: E402
from xaicore.playground.controls import as_link, check_state  # noqa: E402
from xaicore.playground.page import Playground, playground  # noqa: E402
from xaicore.playground.picture import compute, draw  # noqa: E402
from xaicore.regions.averages import select, superpixel_scores  # noqa: E402

CLASSES = 40
EVERY = 5  # of the pixels of a picture, one is told

# One state for each value of each control, and some that go together.
STATES: list[dict[str, Any]] = [
    {},
    {"target": 7},
    {"keep": 3},
    {"off": (0, 5, 11)},
    {"keep": 4, "off": (2,), "regions": True, "statistic": "max"},
    {"kind": "contrast"},
    {"kind": "contrast", "against": OTHERS},
    {"kind": "contrast", "target": 7, "against": "class 3"},
    {"kind": "contrast", "keep": 5},
    {"kind": "focus"},
    {"kind": "focus", "against": OTHERS},
    {"kind": "focus", "against": "class 3", "regions": True},
    {"regions": True},
    {"regions": True, "segments": 50},
    {"regions": True, "statistic": "max"},
    {"regions": True, "statistic": "median"},
    {"regions": True, "view": "outline"},
    {"regions": True, "view": "cutout"},
    {"regions": True, "view": "cutout", "threshold": 0.7},
    {"regions": True, "view": "cutout", "choose": "top"},
    {"regions": True, "view": "outline", "choose": "top", "top": 12},
    {"colours": "orange-purple"},
    {"colours": "teal-brown"},
    {"opacity": 0.35},
    {"sign": "positive"},
    {"cells": True},
    {"cells": True, "sign": "positive", "colours": "teal-brown", "opacity": 1.0},
    {"kind": "focus", "cells": True},
    {"photo": 1, "target": 3, "kind": "contrast"},
]


def example() -> Playground:
    # of this seed no region lies at the threshold, where the rounding of the page's features would decide
    model = tiny(6, CLASSES, [f"class {i}" for i in range(CLASSES)])
    looks = [
        model.look(sample_image("chelsea"), scales=(1, 2)),
        model.predict(sample_image("coffee"), resize="full"),
    ]
    return playground(looks, classes=[3, 7], segments=(25, 50, 100), names=["cat", "cup"])


def told(play: Playground, wanted: dict[str, Any]) -> dict[str, Any]:
    """A state, its link, and every number that follows from it."""
    state = check_state(wanted, play.controls, play.looks)
    looks = play.looks[state["photo"]]
    shown = compute(looks, state)
    heat, averaged, first = shown.heat, shown.averaged, looks.first
    rivals = heat.rivals or {}
    bound = error_bound(first.feature_maps, first.class_weights)
    reach = bound[state["target"]] + sum(share * bound[j] for j, share in rivals.items())
    out = {
        "state": {**state, "off": list(state["off"])},
        "link": as_link(state, play.controls),
        "title": heat.title if averaged is None else averaged.title,
        "cells": np.ravel(heat.cells[0]).tolist(),
        "bound": float(reach.max()),
        "active": shown.active,
        "heat": sampled(heat.values),
        "picture": base64.b64encode(draw(looks, state).reshape(-1, 3)[::EVERY].tobytes()).decode(),
    }
    if heat.adds_up and heat.bias is not None:
        out |= {"score": float(np.mean(heat.cells[0])) + heat.bias}
    if averaged is not None:
        how = {"top": state["top"]} if state["choose"] == "top" else {"threshold": state["threshold"]}
        regions = averaged.regions(**how)
        out |= {"scores": averaged.scores.tolist(), "chosen": regions.superpixels}
        out |= {"area": regions.area, "evidence": regions.evidence}
    return out


def sampled(values: Any) -> list[float]:
    return np.ravel(values)[:: 10 * EVERY].tolist()


def equations(play: Playground) -> dict[str, Any]:
    """Inputs and outputs of single functions, where nothing is rounded between the two."""
    rng = np.random.default_rng(0)
    view = play.predictions[0]
    signed = quantise(view.feature_maps - 0.05)
    weights = quantise(view.class_weights[:5], 16)
    high, low = weights.codes >> 8, weights.codes & 255
    small = rng.normal(size=(3, 4))
    labels = superpixels(view.image, 25)[::8, ::8]
    heat = rng.normal(size=labels.shape)
    other = rng.normal(size=labels.shape)
    f, w = dequantise(signed), rng.normal(size=len(view.feature_maps))
    scores = {name: superpixel_scores(heat, labels, name) for name in ("mean", "max", "median")}
    return {
        "eight": {
            "codes": signed.codes.ravel().tolist(),
            "scale": signed.scale.astype(float).tolist(),
            "offset": signed.offset.astype(float).tolist(),
            "w": w.tolist(),
            "F": f.mean(axis=(1, 2)).tolist(),
            "map": class_activation_map(f, w).ravel().tolist(),
        },
        "sixteen": {
            "codes": [*high.ravel().tolist(), *low.ravel().tolist()],
            "scale": weights.scale.astype(float).tolist(),
            "offset": weights.offset.astype(float).tolist(),
            "rows": dequantise(weights).tolist(),
        },
        "upsample": {
            "cells": small.ravel().tolist(),
            "grid": {"h": 3, "w": 4},
            "size": {"height": 20, "width": 28},
            "heat": upsample(small, (20, 28)).ravel().tolist(),
        },
        "agreement": [
            heat.ravel().tolist(),
            other.ravel().tolist(),
            agreement([heat, other]).ravel().tolist(),
        ],
        "regions": {
            "label": labels.ravel().tolist(),
            "n": int(labels.max()) + 1,
            "width": labels.shape[1],
            "heat": heat.ravel().tolist(),
            "scores": {name: values.tolist() for name, values in scores.items()},
            "top": select(scores["mean"], top=4).tolist(),
            "threshold": select(scores["mean"], threshold=0.3).tolist(),
        },
        "shares": {
            "scores": view.scores.astype(float).tolist(),
            "of": [
                {"c": c, "against": against, "q": shares_of(view, c, against)}
                for c in (0, 7)
                for against in (RIVALS, OTHERS, 3)
            ],
        },
    }


def shares_of(view: Any, c: int, against: Any) -> list[float]:
    shares = rival_shares(view, c, against)
    return [shares.get(j, 0.0) for j in range(CLASSES)]


def main() -> None:
    play = example()
    vectors = {
        "page": json.loads(play.data),
        "photographs": [
            base64.b64encode(
                np.dstack([view.image, np.full(view.image.shape[:2], 255, np.uint8)]).tobytes()
            ).decode()
            for view in play.predictions
        ],
        "every": EVERY,
        "states": [told(play, state) for state in STATES],
        "equations": equations(play),
    }
    (HERE / "vectors.json").write_text(json.dumps(vectors), encoding="utf-8")


if __name__ == "__main__":
    main()
