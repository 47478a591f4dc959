"""What the page carries, as JSON: all that the browser needs to compute every map that the page offers.

Of the first look: feature maps at 8 bits, and weights at 16 of the offered classes. All other classes travel
as one, with the mean of their weights by probability, so that a contrast with all others is exact. Of the
second look: finished maps of classes at 16 bits, which take less room than its feature maps and are all that
a contrast needs, being linear in the weights.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xaicore.maps.cells import STRONGEST, class_activation_map
from xaicore.maps.kinds import KINDS
from xaicore.networks.looks import Looks
from xaicore.networks.prediction import Prediction
from xaicore.pictures.reading import Photo
from xaicore.playground.codes import Codes, error_bound, quantise
from xaicore.playground.controls import COMPUTED, Controls, as_json
from xaicore.regions.segmenters import superpixels
from xaicore.show.painting import AGAINST, FOR

Pair = NDArray[np.float64]  # two RGB colours in [0, 1]: against, for


def colour_pair(name: str) -> Pair:
    """The colours against and for; a pair's name has them the other way round."""
    source = {"orange-purple": "PuOr_r", "teal-brown": "BrBG"}.get(name)
    if source is None:
        return np.array([AGAINST, FOR])
    return np.asarray(mpl.colormaps[source]([0.1, 0.9])[:, :3])


def page_data(
    views: Sequence[Looks], classes: Sequence[int], segments: Sequence[int], controls: Controls
) -> str:
    """Everything the browser needs, as JSON that can stand inside a script element.

    Args:
        views: the looks at each photograph, see :func:`xaicore.playground.views.as_seen`.
        classes: the offered ones. Among them must be the ten strongest rivals of each, for every photograph.
    """
    first, chosen = views[0].first, list(classes)
    coded = quantise(first.class_weights[chosen], 16)
    data = {
        "controls": [as_json(control) for control in controls.values()],
        "kinds": {name: _kind(name) for name in COMPUTED},
        "classes": [
            {
                "index": c,
                "name": first.categories[c],
                "bias": float(first.bias[c]),
                "scale": float(coded.scale[i]),
                "offset": float(coded.offset[i]),
            }
            for i, c in enumerate(chosen)
        ],
        "total": len(first.categories),
        "strongest": STRONGEST,
        "weights": _sixteen_bits(coded.codes),
        "colours": {
            name: _base64(bytes(np.rint(colour_pair(name) * 255).astype(np.uint8)))
            for name in controls["colours"].choices or ()
        },
        "photos": [
            _photo(looks, name, chosen, segments)
            for looks, name in zip(views, (controls["photo"].choices or {}).values(), strict=True)
        ],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")  # a class name can't end the script element


def rows_needed(prediction: Prediction, classes: Sequence[int]) -> list[int]:
    """The classes and, so that each has its strongest rivals, the strongest of all; in order of index."""
    return sorted({*classes, *(row.index for row in prediction.top(STRONGEST + 1))})


def _kind(name: str) -> dict[str, Any]:
    kind = KINDS[name]
    return {
        "title": kind.title,
        "averaged": kind.averaged,
        "unit": kind.unit,
        "adds_up": kind.adds_up,
        "rivals": kind.against is not None,
        "looks": len(kind.scales),
    }


def _photo(looks: Looks, name: str, classes: list[int], segments: Sequence[int]) -> dict[str, Any]:
    view = looks.first
    coded = quantise(view.feature_maps)
    bound = error_bound(view.feature_maps, view.class_weights[classes])
    cuts = {n: superpixels(view.image, n) for n in segments}
    return {
        "name": name,
        "size": list(view.image.shape[:2]),
        "jpeg": _base64(as_jpeg(view.image, 85)),
        "shape": list(view.feature_maps.shape),
        "features": _deflated(coded.codes.tobytes()),
        "scale": _floats(coded.scale),
        "offset": _floats(coded.offset) if coded.offset.any() else None,
        "scores": [float(s) for s in view.scores[classes]],
        "rest": _rest(view, classes),
        "bound": [_at_most(b) for b in bound.max(axis=(1, 2))],
        "score_bound": [_at_most(b) for b in bound.mean(axis=(1, 2))],
        "second": _second(looks.predictions[1], classes) if len(looks) > 1 else None,
        "labels": {
            n: _deflated(cut.astype(np.uint8 if cut.max() < 256 else "<u2").tobytes())
            for n, cut in cuts.items()
        },
        "superpixels": {n: int(cut.max()) + 1 for n, cut in cuts.items()},
    }


def _rest(view: Prediction, classes: Sequence[int]) -> dict[str, Any] | None:
    """The classes that are not offered, as one; None where all are."""
    left, score, shares = _left(view, classes)
    if not len(left):
        return None
    weights = (shares @ view.class_weights[left])[None]
    coded = quantise(weights, 16)
    bound = error_bound(view.feature_maps, weights)
    return {
        "score": score,
        "mean": float(shares @ view.scores[left]),
        "bias": float(shares @ view.bias[left]),
        "weights": _sixteen_bits(coded.codes),
        "scale": float(coded.scale[0]),
        "offset": float(coded.offset[0]),
        "bound": _at_most(bound.max()),
        "score_bound": _at_most(bound.mean()),
    }


def _second(view: Prediction, classes: Sequence[int]) -> dict[str, Any]:
    """The larger input's maps of the offered classes and of its own strongest, and of all others as one."""
    rows = rows_needed(view, classes)
    left, score, shares = _left(view, rows)
    weights, scores = view.class_weights[rows].astype(float), view.scores[rows].astype(float)
    if len(left):
        weights = np.vstack([weights, shares @ view.class_weights[left]])
        scores = np.append(scores, score)
    coded = quantise(class_activation_map(view.feature_maps.astype(float), weights), 16)
    return {
        "shape": list(view.feature_maps.shape[1:]),
        "classes": rows,
        "scores": scores.tolist(),
        "rest": len(left) > 0,
        "maps": _sixteen_bits(coded.codes),
        "scale": _floats(coded.scale),
        "offset": _floats(coded.offset),
    }


def _left(view: Prediction, classes: Sequence[int]) -> tuple[NDArray[Any], float, NDArray[np.float64]]:
    """The other classes, log Σ exp(S) over them, and the share of each in that sum."""
    left = np.delete(np.arange(len(view.scores)), classes)
    scores = view.scores[left].astype(float)
    score = float(np.logaddexp.reduce(scores)) if len(left) else -np.inf
    return left, score, np.exp(scores - score)


def _at_most(value: Any) -> float:
    """Four digits of a bound are enough, but never rounded down."""
    return float(f"{1.001 * value:.4g}")


def as_jpeg(picture: Photo, quality: int) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, optimize=True, progressive=True)
    return file.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _deflated(data: bytes) -> str:
    return _base64(zlib.compress(data, 9))


def _floats(values: NDArray[np.float32]) -> str:
    return _base64(values.astype("<f4").tobytes())


def _sixteen_bits(codes: Codes) -> str:
    """High bytes before low bytes: like bytes side by side deflate better."""
    high, low = (codes >> 8).astype(np.uint8), (codes & 255).astype(np.uint8)
    return _deflated(high.tobytes() + low.tobytes())
