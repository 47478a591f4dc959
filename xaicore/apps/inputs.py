"""The inputs of the form: those of one photograph and one network, and one for each setting."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaicore.controls import NONE, Control
from xaicore.maps.cells import OTHERS, RIVALS
from xaicore.networks.prediction import Prediction, Target
from xaicore.pictures.samples import SAMPLES
from xaicore.pictures.sources import Picture

# what a map can be set against besides one class, in the form's words
AGAINST = {"the strongest rivals": RIVALS, "all other classes": OTHERS}
NO_AGAINST = next(iter(AGAINST))
SLIDER = 200  # a number with more steps than this is typed, not dragged
THRESHOLD = 0.5  # what the form offers first
TAKE_PHOTO = """
(async button => {
  const box = button.parentElement, video = box.querySelector('video'), say = box.querySelector('span');
  const field = button.closest('.xaicore-side').querySelector('.xaicore-camera textarea');
  say.textContent = '';
  if (!video.srcObject) {
    if (!navigator.mediaDevices) { say.textContent = 'No camera in this front end: upload a file.'; return; }
    try { video.srcObject = await navigator.mediaDevices.getUserMedia({video: true}); }
    catch (error) { say.textContent = 'No camera: ' + error.message; return; }
    video.style.display = 'block';
    await video.play();
    button.textContent = 'Take the photo';
    return;
  }
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  video.srcObject.getTracks().forEach(track => track.stop());
  video.srcObject = null; video.style.display = 'none'; button.textContent = 'Camera';
  field.value = canvas.toDataURL('image/jpeg', 0.92);
  for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true}));
})(this)
"""
CAMERA = (
    '<button type="button" class="jupyter-button widget-button lm-Widget" style="width: 9em" onclick="{}">'
    'Camera</button><video muted playsinline aria-label="what the camera sees" style="display: none; '
    'max-width: 100%"></video> <span role="status"></span>'
)


class Side:
    """The controls and the state of one photograph and one network."""

    def __init__(self, w: Any, letter: str, models: Sequence[str]) -> None:
        self.letter = letter
        self.picture: Picture
        self.model: str = models[0]
        self.prediction: Prediction
        self.names: list[str] = []  # of the classes, each unique
        samples = [("(your own)", ""), *((name, name) for name in SAMPLES)]
        self.sample = w.Dropdown(description="Sample", options=samples)
        self.address = w.Text(
            description="File or URL", placeholder="photo.jpg or https://…", continuous_update=False
        )
        self.upload = w.FileUpload(description="Upload", accept="image/*", layout=w.Layout(width="9em"))
        self.camera = w.Textarea(layout=w.Layout(display="none"), continuous_update=False)
        self.camera.add_class("xaicore-camera")
        self.network = w.Dropdown(description="Network", options=list(models))
        self.best = w.Dropdown(description="Its answers", options=[])
        self.target = w.Combobox(
            description="Class", placeholder="type to find a class", continuous_update=False
        )
        self.against = w.Combobox(
            description="Against", placeholder="type to find a class", continuous_update=False
        )
        camera = w.HTML(CAMERA.format(html.escape(TAKE_PHOTO.strip())))
        sources = w.HBox([self.upload, camera], layout=w.Layout(flex_flow="row wrap"))
        self.photo_box = group(w, f"Photograph {letter}", [self.sample, self.address, sources, self.camera])
        self.class_box = group(
            w, f"Network and class {letter}", [self.network, self.best, self.target, self.against]
        )
        self.box = w.HBox([self.photo_box, self.class_box], layout=w.Layout(flex_flow="row wrap"))
        self.box.add_class("xaicore-side")

    def classes(self) -> tuple[int, Target | None]:
        """Index of the class, and what it is set against. Raises ValueError for a name that isn't one."""
        chosen = self.against.value.strip()
        against = AGAINST.get(chosen) or (self._index(chosen) if chosen else None)
        return self._index(self.target.value), against

    def _index(self, text: str) -> int:
        text = text.strip()
        return self.names.index(text) if text in self.names else self.prediction.index(text)

    def show_classes(self) -> None:
        """Fill the lists for the present prediction, best class first, and choose the best one."""
        p = self.prediction
        count: dict[str, int] = {}
        for name in p.categories:
            count[name] = count.get(name, 0) + 1
        self.names = [n if count[n] == 1 else f"{n} ({i})" for i, n in enumerate(p.categories)]
        order = np.argsort(-p.scores, kind="stable")
        listed = [self.names[i] for i in order]
        self.best.options = [
            (f"{self.names[r.index]} · {r.probability:.1%}", self.names[r.index]) for r in p.top(10)
        ] + [("(another class)", "")]
        self.best.value = listed[0]
        self.target.options, self.against.options = listed, [*AGAINST, *listed]
        self.target.value, self.against.value = listed[0], NO_AGAINST

    def show_best(self) -> None:
        """Point at the chosen class in the list of best answers, or at none of them."""
        listed = {value for _, value in self.best.options}
        self.best.value = self.target.value if self.target.value in listed else ""

    def show_source(self) -> None:
        """Make the controls say which photograph and network are shown."""
        is_sample = "xaicore.sample_image(" in self.picture.code
        self.sample.value = self.picture.name if is_sample else ""
        self.network.value = self.model


def group(w: Any, title: str, controls: Sequence[Any]) -> Any:
    """A titled column of controls, all alike."""
    for control in controls:
        if getattr(control, "description", "") and not isinstance(control, (w.FileUpload, w.Button)):
            control.style.description_width = "7em"
            control.layout.width = "auto"
    heading = w.HTML(f'<div role="heading" aria-level="3"><b>{html.escape(title)}</b></div>')
    return w.VBox([heading, *controls], layout=w.Layout(flex="1 1 20em", margin="0 1em 0.6em 0"))


def setting_input(w: Any, control: Control) -> Any:
    """The widget of a setting: a list to choose from, a slider, or a number to type."""
    if control.choices is not None:
        options = [(label, NONE if value is None else value) for value, label in control.choices.items()]
        return w.Dropdown(
            description=control.label, options=options, value=control.default, tooltip=control.help
        )
    assert control.low is not None and control.high is not None and control.step is not None
    ends = {"min": control.low, "max": control.high, "step": control.step}
    start = THRESHOLD if control.default is None else control.default
    dragged = (control.high - control.low) / control.step <= SLIDER
    make = (
        (w.IntSlider if control.whole else w.FloatSlider)
        if dragged
        else (w.BoundedIntText if control.whole else w.BoundedFloatText)
    )
    more = {"value": start, "continuous_update": False, "tooltip": control.help}
    return make(description=control.label, **ends, **more)
