"""A playground in the page: CAM and SeCAM recomputed in the reader's browser, without a kernel.

The page carries what the network computed once: photograph, feature maps at 8 bits, the weights of the
offered classes, superpixel label maps. `playground.js` then computes M_c, S_c and SeCAM as this package does.

Codes are whole numbers, value ≈ offset + scale·code, with one scale for each feature map and each class:
|f̂ − f| ≤ s_k/2 and |ŵ − w| ≤ e_c = s_c/2. What that can do to a map is bounded in :func:`error_bound`.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import io
import json
import sys
import zlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import matplotlib as mpl
import numpy as np
from PIL import Image

from xaicore.maps.heat import heat_map
from xaicore.networks.prediction import Prediction, Target
from xaicore.pictures.geometry import Geometry
from xaicore.pictures.reading import Photo
from xaicore.playground.quantise import error_bound, quantise
from xaicore.regions.averages import average
from xaicore.regions.segmenters import superpixels
from xaicore.show.painting import AGAINST, FOR, cut_out, mark_boundaries, overlay

Page = Mapping[str, Any]
SHOWN_PIXELS = 448 * 448  # about as many pixels as the page shows of a photograph
# What the controls start with. A link, `state=` and the JavaScript use the same names and values.
START: dict[str, Any] = {
    "photo": 0,
    "target": None,
    "rival": None,
    "mode": "cam",
    "keep": None,
    "off": (),
    "segments": None,
    "statistic": "mean",
    "choose": "threshold",
    "threshold": 50,
    "top": 5,
    "view": "heat",
    "colours": "red-blue",
    "opacity": 80,
    "sign": "signed",
    "cells": False,
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "mode": ("cam", "secam"),
    "statistic": ("mean", "max", "median"),
    "choose": ("threshold", "top"),
    "view": ("heat", "outline", "cutout"),
    "colours": ("red-blue", "orange-purple", "teal-brown"),
    "sign": ("signed", "positive"),
    "cells": (False, True),
}
_RANGES = {"threshold": (5, 100), "top": (1, 20), "opacity": (10, 100)}


def as_seen(prediction: Prediction) -> Prediction:
    """The same prediction on the part of the photograph that the network saw, at the size the page shows.

    Its `image` has a whole number of pixels for each cell of the map (64 for a 7×7 map), so that
    enlarging the map keeps its mean. `secam(as_seen(prediction), segments=n)` is what the playground shows.

    Raises:
        ValueError: the photograph was padded (resize="pad"): the padding is no part of it.
    """
    g = prediction.geometry
    if min(g.offset) < 0:
        raise ValueError(
            'The playground shows what the network saw, and resize="pad" adds a margin that is no '
            'photograph. Predict with resize="crop", "full" or "squash" instead.'
        )
    height, width = prediction.feature_maps.shape[1:]
    side = max(1, int((SHOWN_PIXELS / (height * width)) ** 0.5))
    size = (height * side, width * side)
    top, left = (offset / scale for offset, scale in zip(g.offset, g.scale, strict=True))
    # one pixel of slack: the resized photograph's side was rounded to a whole number of pixels
    bottom = min((g.offset[0] + g.input_size[0]) / g.scale[0], g.photo_size[0])
    right = min((g.offset[1] + g.input_size[1]) / g.scale[1], g.photo_size[1])
    picture = Image.fromarray(prediction.image).resize(
        size[::-1], Image.Resampling.BICUBIC, box=(left, top, right, bottom)
    )
    scale = (g.input_size[0] / size[0], g.input_size[1] / size[1])
    seen = Geometry(size, g.input_size, scale, (0, 0))
    return dataclasses.replace(prediction, image=np.array(picture), geometry=seen)


@dataclasses.dataclass(frozen=True, repr=False)
class Playground:
    """A playground that shows itself in a notebook and on a page made from it; made by :func:`playground`.

    Attributes:
        predictions: as the page shows them, see :func:`as_seen`. `names`: of the photographs.
        classes: indices of the offered classes. `segments`: the numbers of superpixels on offer.
        state: where the controls start. `embeds`: whether its HTML carries the data, or finds it on the page.
    """

    predictions: tuple[Prediction, ...]
    names: tuple[str, ...]
    classes: tuple[int, ...]
    segments: tuple[int, ...]
    state: Page
    data: str
    embeds: bool = True

    @property
    def key(self) -> str:
        """A short hash of the data: playgrounds and buttons of the same data find each other by it."""
        return hashlib.sha256(self.data.encode()).hexdigest()[:10]

    def another(self, **state: Any) -> Playground:
        """A second playground on the same page that starts in another state and shares this one's data.

        In Colab, where each output is a page of its own, it carries the data itself.
        """
        embeds = "google.colab" in sys.modules
        return dataclasses.replace(self, state=self._checked(state), embeds=embeds)

    def button(self, label: str, **state: Any) -> PlaygroundButton:
        """A button that brings the playground above it into a state. Without scripts it stays hidden."""
        query = _query(self._checked(state))
        return PlaygroundButton(
            f'<button type="button" class="xai-play-go" hidden data-data="{self.key}" '
            f'data-state="{html.escape(query)}">{html.escape(label)}</button>'
            f"<script>window.xaicorePlayground?.start();</script>"
        )

    def _checked(self, state: Page) -> Page:
        return _checked_state(state, self.predictions, self.names, self.classes, self.segments)

    def _repr_html_(self) -> str:
        file = resources.files("xaicore.playground")
        css, js = ((file / f"playground.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
        parts = [
            f'<div class="xai-play" data-data="{self.key}" '
            f'data-state="{html.escape(_query(self.state))}"><div class="xai-play-static">'
            f"{_static_picture(self)}</div></div>"
        ]
        if self.embeds:
            parts += [
                f"<style>{css}</style>",
                f'<script type="application/json" class="xai-play-data" data-key="{self.key}">',
                f"{self.data}</script>",
                f"<script>{js}</script>",
            ]
        else:
            parts.append("<script>window.xaicorePlayground?.start();</script>")
        return "\n".join(parts)

    def __repr__(self) -> str:
        return (
            f"A playground of {len(self.predictions)} photographs ({', '.join(self.names)}) and "
            f"{len(self.classes)} classes. It needs a front end that shows HTML: JupyterLab, VS Code, Colab, "
            "or a page made from the notebook."
        )


@dataclasses.dataclass(frozen=True, repr=False)
class PlaygroundButton:
    """A button that sets the playground above it; made by :meth:`Playground.button`."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "A button that sets the playground above; it works where scripts run."


def playground(
    predictions: Prediction | Sequence[Prediction],
    *,
    classes: Sequence[Target] = (),
    top: int = 10,
    segments: Sequence[int] = (25, 50, 100, 200),
    names: Sequence[str] | None = None,
    state: Page | None = None,
) -> Playground:
    """A playground of one or several photographs, for a notebook's output.

    Args:
        predictions: of one network, made with resize="crop", "full" or "squash" (then shown squashed).
        classes: what to offer besides the `top` classes of each photograph.
        segments: numbers of superpixels to ask SLIC for.
        names: one for each photograph.
        state: where the controls start: a dict with any keys of :data:`START`. "photo" is a name or a number
            from 0, "target" and "rival" a class, "keep" the number of strongest feature maps to keep, "off"
            feature maps to leave out, "segments" one of `segments`; "threshold" and "opacity" are per cent.

    Raises:
        ValueError: no photograph, predictions of different networks, a padded photograph, names that are
            too few or not unique, an unknown class, or a state that the controls don't have.
    """
    several = [predictions] if isinstance(predictions, Prediction) else list(predictions)
    if not several or not all(isinstance(one, Prediction) for one in several):
        raise ValueError("Give the playground one prediction or several: model.predict(photo).")
    first = several[0]
    for other in several[1:]:
        if other.categories != first.categories or not np.array_equal(
            other.class_weights, first.class_weights
        ):
            raise ValueError("The predictions come from different networks; make one playground for each.")
    labels = tuple(names) if names is not None else tuple(f"photo {i}" for i in range(1, len(several) + 1))
    if len(labels) != len(several) or len(set(labels)) < len(labels):
        raise ValueError(f"{len(several)} photographs need as many different names, not {list(labels)}.")
    asked = tuple(segments)
    if not asked or len(set(asked)) < len(asked):
        raise ValueError(f"segments={asked}; give one or several different numbers of superpixels.")
    if top < 1:
        raise ValueError(f"top={top}; offer at least 1 class for each photograph.")
    offered = {row.index for one in several for row in one.top(top)} | {first.index(c) for c in classes}
    views = tuple(as_seen(one) for one in several)
    kept = tuple(sorted(offered))
    data = _data(views, labels, kept, asked)
    return Playground(
        views, labels, kept, asked, _checked_state(state or {}, views, labels, kept, asked), data
    )


def _checked_state(
    state: Page,
    predictions: Sequence[Prediction],
    names: Sequence[str],
    classes: Sequence[int],
    segments: Sequence[int],
) -> Page:
    """The whole state, with photograph and classes as numbers; ValueError where the controls have no such."""
    if unknown := sorted(set(state) - set(START)):
        raise ValueError(f"No control is called {', '.join(unknown)}; there are {', '.join(START)}.")
    full = {**START, **state}
    photo = names.index(full["photo"]) if full["photo"] in names else full["photo"]
    if not isinstance(photo, int) or not 0 <= photo < len(names):
        raise ValueError(f"photo={full['photo']!r}; choose one of {', '.join(names)}.")
    prediction = predictions[photo]
    full["photo"], full["target"] = photo, prediction.index(full["target"])
    if full["rival"] is not None:
        full["rival"] = prediction.index(full["rival"])
    for c in (full["target"], full["rival"]):
        if c is not None and c not in classes:
            raise ValueError(f"'{prediction.categories[c]}' is not offered; name it in classes=.")
    if full["segments"] is None:
        full["segments"] = min(segments, key=lambda n: abs(n - 100))
    for name, values in {**_CHOICES, "segments": tuple(segments)}.items():
        if full[name] not in values:
            raise ValueError(f"{name}={full[name]!r}; choose one of {', '.join(map(str, values))}.")
    channels = len(prediction.feature_maps)
    for name, (low, high) in {**_RANGES, "keep": (1, channels)}.items():
        if full[name] is not None and not low <= full[name] <= high:
            raise ValueError(f"{name}={full[name]!r}; choose a number from {low} to {high}.")
    full["off"] = tuple(sorted(set(full["off"])))
    if full["off"] and not 0 <= full["off"][0] <= full["off"][-1] < channels:
        raise ValueError(f"off={full['off']}; feature maps have the numbers 0 to {channels - 1}.")
    return full


def _query(state: Page) -> str:
    """The state as a link holds it: what differs from the start, photograph and class always."""
    kept = {k: v for k, v in state.items() if k in ("photo", "target", "segments") or v != START[k]}
    if "off" in kept:
        kept["off"] = ",".join(map(str, kept["off"]))
    if "cells" in kept:
        kept["cells"] = 1
    return urlencode(kept)


def _data(
    views: Sequence[Prediction], names: Sequence[str], classes: Sequence[int], segments: Sequence[int]
) -> str:
    """Everything the browser needs, as JSON that can stand inside a script element."""
    chosen = list(classes)
    weights = views[0].class_weights[chosen]
    coded = quantise(weights, 16)
    low, high = (coded.codes & 255).astype(np.uint8), (coded.codes >> 8).astype(np.uint8)
    data = {
        "classes": [
            {
                "index": c,
                "name": views[0].categories[c],
                "bias": float(views[0].bias[c]),
                "scale": float(coded.scale[i]),
                "offset": float(coded.offset[i]),
            }
            for i, c in enumerate(chosen)
        ],
        "total": len(views[0].categories),
        # high and low bytes apart: like bytes side by side deflate better
        "weights": _deflated(high.tobytes() + low.tobytes()),
        "colours": {name: _base64(_pair(name)) for name in _CHOICES["colours"]},
        "segments": list(segments),
        "photos": [
            _photo_data(view, name, chosen, segments) for view, name in zip(views, names, strict=True)
        ],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")  # a class name can't end the script element


def _photo_data(view: Prediction, name: str, classes: list[int], segments: Sequence[int]) -> dict[str, Any]:
    coded = quantise(view.feature_maps)
    bound = error_bound(view.feature_maps, view.class_weights[classes])
    scores = view.scores.astype(float)
    others = np.delete(scores, classes)
    cuts = {n: superpixels(view.image, n) for n in segments}
    return {
        "name": name,
        "size": list(view.image.shape[:2]),
        "jpeg": _base64(_jpeg(view.image, 85)),
        "shape": list(view.feature_maps.shape),
        "features": _deflated(coded.codes.tobytes()),
        "scale": _base64(coded.scale.astype("<f4").tobytes()),
        "offset": _base64(coded.offset.astype("<f4").tobytes()) if coded.offset.any() else None,
        "scores": [float(s) for s in scores[classes]],
        # log Σ exp(S) over the classes that are not offered: with it, probabilities are among all classes
        "others": float(np.logaddexp.reduce(others)) if len(others) else None,
        # four digits are enough, but never rounded down
        "bound": [float(f"{1.001 * b:.4g}") for b in bound.max(axis=(1, 2))],
        "score_bound": [float(f"{1.001 * b:.4g}") for b in bound.mean(axis=(1, 2))],
        "labels": {
            n: _deflated(cut.astype(np.uint8 if cut.max() < 256 else "<u2").tobytes())
            for n, cut in cuts.items()
        },
        "superpixels": {n: int(cut.max()) + 1 for n, cut in cuts.items()},
    }


def _pair(name: str) -> bytes:
    """The colours against and for, as RGB bytes; each pair can be told apart with colour blindness."""
    pairs = {"red-blue": np.array([AGAINST, FOR])}
    for other, source in (("orange-purple", "PuOr_r"), ("teal-brown", "BrBG_r")):
        pairs[other] = mpl.colormaps[source]([0.1, 0.9])[:, :3]
    return bytes(np.rint(pairs[name] * 255).astype(np.uint8))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _deflated(data: bytes) -> str:
    return _base64(zlib.compress(data, 9))


def _jpeg(picture: Photo, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, optimize=True, progressive=True)
    return file.getvalue()


def _static_picture(play: Playground) -> str:
    """The picture of the state with a caption: all that is shown without scripts, or untrusted."""
    state, view = play.state, play.predictions[play.state["photo"]]
    target, rival = view.score(state["target"]), state["rival"]
    if rival is None:
        what = f"'{target.name}', score {target.score:.2f}, probability {target.probability:.1%}"
    else:
        other = view.score(rival)
        what = (
            f"'{target.name}' minus '{other.name}', difference of the scores {target.score - other.score:.2f}"
        )
    method = "SeCAM" if state["mode"] == "secam" else "CAM"
    photo = play.names[state["photo"]]
    alt = f"{method} of {what}, in colour over the photograph '{photo}'"
    caption = (
        f"{method} of {what}, on the photograph '{photo}'. Red adds to the score, blue takes from it. "
        "Where scripts run, this picture is a playground: open the page in a browser with JavaScript, or "
        "trust the notebook and run this cell."
    )
    picture = _base64(_jpeg(_drawn(play, view), 78))
    return (
        f'<img class="dark-light" alt="{html.escape(alt)}" src="data:image/jpeg;base64,{picture}">'
        f"<p>{html.escape(caption)}</p>"
    )


def _drawn(play: Playground, view: Prediction) -> Photo:
    state = play.state
    c, rival, statistic = state["target"], state["rival"], state["statistic"]
    heat = heat_map(view, c, "cam" if rival is None else "contrast", rival)
    result = average(heat, superpixels(view.image, state["segments"]), statistic)
    if state["mode"] == "cam":
        return overlay(view.image, result.heat)
    if state["view"] == "heat":
        limit = float(np.abs(result.heat.values).max()) or 1.0
        return mark_boundaries(overlay(view.image, result.map, limit), result.labels, (255, 255, 255))
    how = {"top": state["top"]} if state["choose"] == "top" else {"threshold": state["threshold"] / 100}
    mask = result.mask(result.regions(**how))
    if state["view"] == "cutout":
        return cut_out(view.image, mask)
    return mark_boundaries(view.image, np.where(mask, result.labels + 1, 0))
