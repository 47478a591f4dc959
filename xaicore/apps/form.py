"""The explorer: an ipywidgets form around CAM and SeCAM, for a notebook with a live kernel.

    from xaicore.apps.form import explorer
    explorer()

It connects controls to :mod:`xaicore.pictures.sources` and :mod:`xaicore.explanation`. The network runs once
for each photograph, and again only if the network or its input changes; every other control does arithmetic
on what it said.
"""

from __future__ import annotations

import base64
import binascii
import html
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from xaicore.apps.inputs import Side, group, setting_input
from xaicore.apps.saving import Photographs, save
from xaicore.apps.writing import expanded
from xaicore.controls import NONE
from xaicore.explanation import Explanation, Settings, controls, explain
from xaicore.live import somebody_is_there
from xaicore.maps.kinds import find_kind
from xaicore.networks.gap import GapClassifier
from xaicore.networks.load import load_network, load_resnet50, load_torchvision, offered_models
from xaicore.networks.looks import Looks
from xaicore.networks.prediction import Prediction
from xaicore.networks.provenance import Provenance
from xaicore.pictures.reading import ImageError
from xaicore.pictures.sources import Picture, quoted, uploaded
from xaicore.regions.labels import LabelMap
from xaicore.regions.segmenters import find_segmenter
from xaicore.show.explained import describe, draw, render
from xaicore.show.records import Recipe, snippet

Loader = GapClassifier | Callable[[], GapClassifier]


def explorer(photo: Any = "chelsea", models: Mapping[str, Loader] | None = None) -> Explorer:
    """The form, ready to show: name it last in a cell.

    The cell's output also holds the picture that the form opens with, for pages that show no widgets. In a
    script, and where ``XAICORE_STATIC`` is set (see :mod:`xaicore.live`), it is the figure alone.

    Args:
        photo: what it opens with: anything that :func:`~xaicore.pictures.sources.picture` takes.
        models: networks by the name to show, ready ones or functions that load one; the first is used at
            first, the others load when chosen. Default: :func:`~xaicore.networks.load.offered_models`.
            Add yours: ``{"mine": gap_classifier(net), **offered_models()}``

    Raises:
        ImportError: ipywidgets is missing.
        Exception: whatever loading the first network or photograph raises.
    """
    return Explorer(photo, models or offered_models())


def _ipywidgets() -> Any:
    try:
        return importlib.import_module("ipywidgets")
    except ImportError:
        raise ImportError(
            "The explorer needs ipywidgets: pip install ipywidgets, then restart the kernel and reload the "
            "page."
        ) from None


@dataclass
class _Caches:
    models: dict[str, GapClassifier] = field(default_factory=dict)
    predictions: dict[tuple[Picture, str, str, float], Prediction] = field(default_factory=dict)
    labels: dict[tuple[Picture, str, int, int], LabelMap] = field(default_factory=dict)

    @staticmethod
    def trim(cache: dict[Any, Any], keep: int = 12) -> None:
        """Forget the oldest entries: a notebook stays open for days."""
        while len(cache) > keep:
            del cache[next(iter(cache))]


class Explorer:
    """The form that :func:`explorer` makes.

    Attributes:
        widget: the whole form, an ipywidgets box.
        inputs: the widgets of the settings, by the setting's name; see
            :func:`xaicore.explanation.controls`. `choose` says which of top and threshold counts.
        explanations: what is shown at present: one, or two if two are compared.
        code: the snippet for it.
    """

    def __init__(self, photo: Any, models: Mapping[str, Loader]) -> None:
        w = self._w = _ipywidgets()
        self._photographs = Photographs()
        first = self._photographs.of(photo)
        self._loaders = dict(models)
        self._caches = _Caches()
        self._quiet = False
        self._live = somebody_is_there()
        self.explanations: list[Explanation] = []
        self.code = ""
        self._make_controls(w)
        self.sides = [Side(w, letter, list(models)) for letter in "AB"]
        self.widget = self._arrange(w)
        for side in self.sides:
            side.picture = first
            side.prediction = self._predict(first, side.model)
            side.show_classes()
            side.show_source()
        self._update()
        self._connect()
        self.bar.layout.visibility = "hidden"
        self._say("Ready.")

    # --- what there is ---

    @property
    def settings(self) -> Settings:
        """The settings that the controls stand for."""
        unused = "threshold" if self.choose.value == "top" else "top"
        chosen = {name: None if box.value == NONE else box.value for name, box in self.inputs.items()}
        return Settings.of(chosen | {unused: None})

    def figure(self) -> Figure:
        """The figure that is shown, drawn anew."""
        return draw(self.explanations, self._names())

    def save(self, folder: str | Path = "explained") -> list[Path]:
        """Write figure.png, figure.svg, regions.csv, explain.py and uploads; returns their paths.

        Another file is never replaced, see :func:`xaicore.apps.saving.save`.
        """
        return save(expanded(str(folder)), self.explanations, self._recipes, self._titles)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self._live and hasattr(self.widget, "_repr_mimebundle_"):
            bundle = self.widget._repr_mimebundle_()
            display({**bundle, "image/jpeg": self._jpeg}, raw=True)
        elif self._live:  # ipywidgets 7 shows itself only
            display(self.widget)
        else:
            display(self.figure())
            plt.close("all")

    # --- the controls ---

    def _make_controls(self, w: Any) -> None:
        self.inputs = {control.name: setting_input(w, control) for control in controls()}
        self.choose = w.Dropdown(
            description="Keep", options=[("the best regions", "top"), ("from a threshold up", "threshold")]
        )
        shown = [box for name, box in self.inputs.items() if name != "resize"]
        self._settings_controls = [*shown, self.choose]
        self.compare = w.Checkbox(description="Compare with a second photo or network", indent=False)
        self.compare.layout.width = "auto"
        self.folder = w.Text(description="Folder", value="explained")
        self.save_button = w.Button(description="Save figure, table, code", layout=w.Layout(width="16em"))
        self.links = w.HTML()
        self.status, self.bar = w.HTML(), w.IntProgress(min=0, max=4, layout=w.Layout(width="8em"))
        self.bar.layout.visibility = "hidden"
        self.log = w.Output()
        self.picture, self.words, self.rows, self.listing = w.HTML(), w.HTML(), w.HTML(), w.HTML()

    def _arrange(self, w: Any) -> Any:
        wrap = w.Layout(flex_flow="row wrap")
        a, b = self.sides
        b.box.layout.display = "none"
        of_map = [self.inputs[name] for name in ("kind", "sign", "opacity", "alignment", "resize")]
        cut, kept = (
            [self.inputs[name] for name in names]
            for names in (("segmenter", "segments", "pixels", "statistic"), ("top", "threshold"))
        )
        settings = w.HBox(
            [
                group(w, "Map", of_map),
                group(w, "Regions", [*cut, self.choose, *kept]),
            ],
            layout=wrap,
        )
        export = group(w, "Export", [self.folder, self.save_button, self.links, self.listing])
        progress = w.HBox([self.status, self.bar], layout=w.Layout(min_height="2.2em", flex_flow="row wrap"))
        shown = [progress, self.log, self.picture, self.words, self.rows]
        return w.VBox([a.box, self.compare, b.box, settings, *shown, export])

    def _connect(self) -> None:
        for side in self.sides:
            self._on(side.sample, partial(self._choose_sample, side))
            self._on(side.address, partial(self._choose_address, side))
            self._on(side.upload, partial(self._choose_upload, side))
            self._on(side.camera, partial(self._choose_camera, side))
            self._on(side.network, partial(self._choose_network, side))
            self._on(side.best, partial(self._choose_best, side))
            self._on(side.target, self._update)
            self._on(side.against, self._update)
        self._on(self.inputs["resize"], self._choose_resize)
        self._on(self.compare, self._choose_compare)
        for control in self._settings_controls:
            self._on(control, self._update)
        self.save_button.on_click(lambda _: self._attempt(self._save))

    def _on(self, control: Any, react: Callable[[], None]) -> None:
        def changed(_: Any) -> None:
            if not self._quiet:
                self._attempt(react)

        control.observe(changed, "value")

    # --- what they do ---

    def _choose_sample(self, side: Side) -> None:
        if side.sample.value:
            self._change(side, lambda: self._photographs.of(side.sample.value))

    def _choose_address(self, side: Side) -> None:
        if address := side.address.value.strip():
            self._change(side, lambda: self._photographs.of(address))

    def _choose_upload(self, side: Side) -> None:
        value = side.upload.value
        if not value:
            return
        # ipywidgets 8 gives a tuple of files, ipywidgets 7 (in Colab) a dictionary by name.
        if isinstance(value, dict):
            name, file = list(value.items())[-1]
        else:
            name, file = value[-1]["name"], value[-1]
        self._change(side, lambda: self._photographs.of(uploaded(name, bytes(file["content"]))))

    def _choose_camera(self, side: Side) -> None:
        if not side.camera.value:
            return
        try:
            data = base64.b64decode(side.camera.value.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise ImageError(f"The camera's picture did not arrive whole ({error}). Take it again.") from None
        self._set(side.camera, "")
        self._change(side, lambda: self._photographs.of(uploaded("camera.jpg", data)))

    def _change(self, side: Side, make: Callable[[], Picture]) -> None:
        self._step(1, "Reading the photograph …")
        chosen = make()
        side.prediction = self._predict(chosen, side.model)
        side.picture = chosen
        self._classes_anew(side)

    def _choose_network(self, side: Side) -> None:
        side.prediction = self._predict(side.picture, side.network.value)
        side.model = side.network.value
        self._classes_anew(side)

    def _choose_resize(self) -> None:
        found = [self._predict(side.picture, side.model) for side in self.sides]
        for side, prediction in zip(self.sides, found, strict=True):
            side.prediction = prediction
            self._classes_anew(side)

    def _choose_best(self, side: Side) -> None:
        if side.best.value:
            self._set(side.target, side.best.value)
            self._update()

    def _choose_compare(self) -> None:
        self.sides[1].box.layout.display = "flex" if self.compare.value else "none"
        self._update()

    def _classes_anew(self, side: Side) -> None:
        with self._quietly():
            side.show_classes()
            side.show_source()
        self._update()

    def _predict(self, photo: Picture, name: str, scale: float = 1) -> Prediction:
        """From the cache, or by one forward pass."""
        resize = self.inputs["resize"].value
        key = (photo, name, resize, scale)
        if key not in self._caches.predictions:
            if name not in self._caches.models:
                self._step(1, f"Loading {name} …")
                self._caches.models[name] = self._load(name)
            self._step(2, f"Running {name} …")
            model = self._caches.models[name].at_scale(scale)
            self._caches.predictions[key] = model.predict(photo.image, resize)
            _Caches.trim(self._caches.predictions)
        return self._caches.predictions[key]

    def _look(self, side: Side, scales: Sequence[float]) -> Looks:
        """At the sizes that the kind of map needs; those that were looked at before cost nothing."""
        predictions = (self._predict(side.picture, side.model, scale) for scale in scales)
        return Looks(tuple(predictions), tuple(scales))

    def _load(self, name: str) -> GapClassifier:
        loader = self._loaders[name]
        if isinstance(loader, GapClassifier):
            return loader
        loaded: GapClassifier | Exception
        self.log.outputs = ()
        # It shows a download's progress bar and warnings. It would swallow an error.
        with self.log if self._live else nullcontext():
            try:
                loaded = loader()
            except Exception as error:
                loaded = error
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    def _explain(self, side: Side, settings: Settings) -> Explanation:
        labels = None
        if settings.segmenter is not None:
            key = (side.picture, settings.segmenter, settings.segments, settings.pixels)
            if key not in self._caches.labels:
                self._step(3, "Cutting the photograph into superpixels …")
                self._caches.labels[key] = settings.cut(side.picture.image)
                _Caches.trim(self._caches.labels)
            labels = self._caches.labels[key]
        kind = find_kind(settings.kind)
        target, against = side.classes()
        against = None if kind.against is None else against
        return explain(self._look(side, kind.scales), settings, labels=labels, target=target, against=against)

    def _update(self) -> None:
        """Explain, draw and describe; no forward pass. Nothing changes if a setting is refused."""
        settings = self.settings
        found = [self._explain(side, settings) for side in self._shown()]
        self._step(4, "Drawing …")
        self.explanations = found
        self._recipes = [self._recipe(side, e) for side, e in zip(self._shown(), found, strict=True)]
        self.code = snippet(self._recipes, self._names())
        with self._quietly():
            for side in self._shown():
                side.show_best()
            self._enable(settings)
        words = describe(found)
        image = self._jpeg = base64.b64encode(render(self.figure(), "jpeg")).decode()
        self.picture.value = (
            f'<img alt="{html.escape(words)}" style="max-width: 100%" src="data:image/jpeg;base64,{image}">'
        )
        self.words.value = "".join(f"<div>{html.escape(line)}</div>" for line in words.splitlines())
        self.rows.value = "".join(
            f"<div><b>Regions {side.letter}</b></div>{e.regions._repr_html_()}"
            for side, e in zip(self._shown(), found, strict=True)
            if e.regions is not None
        ).replace("<table>", '<table style="border-spacing: 1.2em 0; text-align: right">')
        self.links.value = ""
        code = html.escape(self.code)
        self.listing.value = (
            f"<details><summary>The code for this picture</summary><pre>{code}</pre></details>"
        )
        self._remember()

    def _enable(self, settings: Settings) -> None:
        """Switch off what has no effect at present."""
        cut = settings.segmenter
        off = {
            "segments": cut is None or not find_segmenter(cut).counted,
            "statistic": cut is None,
            "top": cut is None or settings.top is None,
            "threshold": cut is None or settings.threshold is None,
        }
        for name, is_off in off.items():
            self.inputs[name].disabled = is_off
        self.choose.disabled = cut is None
        for side in self.sides:
            side.against.disabled = find_kind(settings.kind).against is None

    def _save(self) -> None:
        self._step(4, "Saving …")
        paths = self.save(self.folder.value)
        links = []
        for path in paths:
            data = base64.b64encode(path.read_bytes()).decode()
            name = html.escape(path.name)
            address = f"data:application/octet-stream;base64,{data}"
            links.append(f'<a download="{name}" href="{address}">{name}</a>')
        where = html.escape(str(paths[0].parent))
        self.links.value = f"<p>Saved in the folder {where}. To download: {', '.join(links)}</p>"

    # --- helpers ---

    def _shown(self) -> list[Side]:
        return self.sides if self.compare.value else self.sides[:1]

    def _names(self) -> list[str]:
        return self._titles([side.picture.name for side in self._shown()])

    def _titles(self, names: Sequence[str]) -> list[str]:
        """What stands over the photographs of these names."""
        if len(names) == 1:
            return list(names)
        return [f"{s.letter}: {name}, {s.model}" for s, name in zip(self.sides, names, strict=True)]

    def _recipe(self, side: Side, explanation: Explanation) -> Recipe:
        loader = self._loaders[side.model]
        function = loader.func if isinstance(loader, partial) else None
        provenance = side.prediction.provenance
        if function is load_resnet50 and isinstance(provenance, Provenance):
            code = f'xaicore.load_resnet50("{provenance.source}")'  # what "auto" came to
        elif isinstance(loader, partial) and function is load_torchvision:
            code = f'load_torchvision("{loader.args[0]}")'
        elif isinstance(loader, partial) and function is load_network:
            named = [f"{name}={value!r}" for name, value in loader.keywords.items()]
            code = f"xaicore.load_network({', '.join([*map(repr, loader.args), *named])})"
        else:
            call = "" if isinstance(loader, GapClassifier) else "()"
            code = f"models[{quoted(side.model)}]{call}  # models: what you gave to explorer()"
        words = str(provenance).replace("\n", ", ")
        target = explanation.prediction.score(explanation.settings.target)
        return Recipe(side.picture, code, words, explanation.settings, target.name)

    def _set(self, control: Any, value: Any) -> None:
        with self._quietly():
            control.value = value

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change controls without their reacting."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _remember(self) -> None:
        """Note the state that is shown, to go back to if the next choice fails."""
        self._kept = [
            (s, s.picture, s.model, s.prediction, s.target.value, s.against.value) for s in self.sides
        ]
        self._kept_controls = [
            (c, c.value) for c in (*self._settings_controls, self.inputs["resize"], self.compare)
        ]

    def _restore(self) -> None:
        with self._quietly():
            for side, photo, model, prediction, target, against in self._kept:
                if side.prediction is not prediction:
                    side.picture, side.model, side.prediction = photo, model, prediction
                    side.show_classes()
                side.show_source()
                side.target.value, side.against.value = target, against
                side.show_best()
            for control, value in self._kept_controls:
                control.value = value

    def _attempt(self, react: Callable[[], None]) -> None:
        """React to a control; an error is shown, and what was shown before stays."""
        try:
            react()
        except Exception as error:  # a loader may be the reader's own, and raise anything
            self._restore()
            self._say(str(error) or type(error).__name__, failed=True)
        else:
            self._say("Ready.")
        self.bar.layout.visibility = "hidden"

    def _step(self, number: int, words: str) -> None:
        self.bar.value, self.bar.layout.visibility = number, "visible"
        self._say(words)

    def _say(self, words: str, failed: bool = False) -> None:
        sign = "<b>Not done.</b> " if failed else ""
        role = "alert" if failed else "status"
        text = sign + html.escape(words)
        self.status.value = f'<div role="{role}" style="white-space: pre-wrap">{text}</div>'
