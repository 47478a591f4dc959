"""What it takes to make a figure again: a record of an explanation, and code for a fresh kernel."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from xaicore.explanation import Explanation, Settings
from xaicore.networks.provenance import Provenance
from xaicore.pictures.sources import Picture, quoted

PACKAGES = ("xaicore", "torch", "torchvision", "numpy", "scikit-image", "pillow")


def fingerprint(image: NDArray[Any]) -> str:
    """SHA-256 of an array's shape and values, such as a picture's pixels, in hexadecimal digits."""
    return hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()


def record(explanation: Explanation, photo: str) -> dict[str, Any]:
    """The explanation as JSON can hold it, with all that makes its figure again.

    `Settings.of(record["settings"])`, the same photograph (`photo` and `pixels_sha256`) and the same weights
    give the same figure; `found` is what it showed.

    Args:
        photo: where the photograph is.
    """
    e, heat = explanation, explanation.heat
    target = e.prediction.score(e.settings.target)
    found: dict[str, Any] = {
        "title": e.title,
        "class": asdict(target),
        "top5": [asdict(row) for row in e.prediction.top()],
        "unit": heat.unit,
        "adds_up_to": heat.total,
        "bias": heat.bias,
        "rivals": {e.prediction.categories[j]: share for j, share in _first(heat.rivals or {}).items()},
    }
    if e.averages is None:
        name = "cells" if len(heat.cells) == 1 else "cells_of_each_look"
        found[name] = [cells.round(4).tolist() for cells in heat.cells]
    elif e.regions is not None:
        found |= {
            "superpixels": len(e.averages.scores),
            "labels_sha256": fingerprint(e.averages.labels),
            "regions": [region._asdict() for region in e.regions],
            "area": e.regions.area,
            "evidence": e.regions.evidence,
        }
    return {
        "photo": photo,
        "pixels_sha256": fingerprint(heat.image),
        "weights": _weights(e.prediction.provenance),
        "settings": e.settings.as_record(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "found": found,
    }


def _first(rivals: Any, most: int = 20) -> dict[int, float]:
    """The largest shares: of a thousand classes most are next to nothing."""
    return dict(sorted(rivals.items(), key=lambda item: -item[1])[:most])


def _weights(provenance: Provenance | str) -> dict[str, str]:
    if isinstance(provenance, Provenance):
        return {name: getattr(provenance, name) for name in ("source", "title", "sha256")}
    return {"source": "", "title": provenance, "sha256": ""}


# --- code ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """What code needs to make one explanation again; `model` is a line of code, as in Picture."""

    picture: Picture
    model: str
    provenance: str
    settings: Settings
    name: str


def snippet(recipes: Sequence[Recipe], names: Sequence[str] = ()) -> str:
    """Code that gives the same figure and table in a fresh kernel: it leaves `explanations` and `figure`.

    The recipes differ in photograph, network and classes; what else is set is said once, from the first.
    """
    code = "\n".join([r.picture.code + r.model for r in recipes])
    needed = [n for n in ("read_url", "shrink") if f"{n}(" in code]
    lines = [f"# Made with xaicore {importlib.metadata.version('xaicore')}"]
    lines += dict.fromkeys(f"# {r.provenance}" for r in recipes)
    shared = {k: v for k, v in recipes[0].settings.as_record().items() if k not in ("target", "against")}
    lines += [
        "import xaicore",
        "from xaicore.explanation import Settings, explain",
        *(["from xaicore.networks.load import load_torchvision"] if "load_torchvision(" in code else []),
        *([f"from xaicore.pictures.sources import {', '.join(needed)}"] if needed else []),
        "from xaicore.show import draw",
        "",
        "settings = Settings(",
        *(f"    {k}={_literal(v)}," for k, v in shared.items()),
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
        against = recipe.settings.against
        rivals = "" if against is None else f", against={_literal(against)}"
        lines += [
            f"photo = {recipe.picture.code}",
            "looks = settings.look(model, photo)",
            f"# class {recipe.settings.target} is {recipe.name}",
            f"explanations.append(explain(looks, settings, target={recipe.settings.target}{rivals}))",
        ]
    lines += ["", f"figure = draw(explanations, [{', '.join(map(quoted, names))}])"]
    if recipes[0].settings.segmenter is not None:
        lines.append("print(explanations[0].regions)")
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)
