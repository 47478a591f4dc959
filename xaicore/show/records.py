"""What it takes to make a figure again: a record of an explanation, and code for a fresh kernel."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaicore.explanation import Explanation, Settings
from xaicore.networks.provenance import Provenance
from xaicore.pictures.sources import Picture, quoted

PACKAGES = ("xaicore", "torch", "torchvision", "numpy", "scikit-image", "pillow")


def fingerprint(image: NDArray[Any]) -> str:
    """SHA-256 of an array's shape and values, such as a picture's pixels, in hexadecimal digits.

    A label map's is the same whatever its integer type; what is masked in one counts as the value −1.
    """
    sha256 = hashlib.sha256(f"{image.shape}".encode())
    for row in image:  # row by row, so that a large picture isn't copied
        sha256.update(
            row.tobytes() if row.dtype == np.uint8 else np.ma.filled(row.astype("<i8"), -1).tobytes()
        )
    return sha256.hexdigest()


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
        **_rivals(e),
    }
    if e.averages is None:
        name = "cells" if len(heat.cells) == 1 else "cells_of_each_look"
        found[name] = [cells.round(4).tolist() for cells in heat.cells]
    elif e.regions is not None:
        found |= {
            "superpixels": len(e.averages.scores),
            "labels_sha256": fingerprint(e.averages.cut.own),
            "regions": [region._asdict() for region in e.regions],
            "area": e.regions.area,
            "evidence": e.regions.evidence,
        }
    return {
        "photo": photo,
        "pixels_sha256": fingerprint(heat.image),
        "weights": weights_record(e.prediction.provenance),
        "settings": e.settings.as_record(),
        "packages": versions(),
        "found": found,
    }


def _rivals(e: Explanation, most: int = 20) -> dict[str, Any]:
    """The largest shares, and what the rest come to: of a thousand classes most are next to nothing.

    A list, since two classes may bear one name.
    """
    shares = sorted((e.heat.rivals or {}).items(), key=lambda item: -item[1])
    names = e.prediction.categories
    found: dict[str, Any] = {
        "rivals": [{"index": j, "name": names[j], "share": share} for j, share in shares[:most]]
    }
    if rest := shares[most:]:
        found["further_rivals"] = {"number": len(rest), "share": sum(share for _, share in rest)}
    return found


def versions() -> dict[str, str]:
    """The versions of the packages that a result depends on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def weights_record(provenance: Provenance | str) -> dict[str, str]:
    """The weights as a record holds them; without source and checksum where nobody said them."""
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
