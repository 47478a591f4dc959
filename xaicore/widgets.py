"""The explorer: an ipywidgets form around CAM and SeCAM, for a notebook with a live kernel.

    from xaicore.widgets import explorer
    explorer()

The first half is functions of arrays, which need no widgets: :class:`Settings` and a prediction go into
:func:`explain`, an :class:`Explanation` comes out, and :func:`draw` and :func:`snippet` make a figure and
code of it. The second half connects them to controls. The network runs once for each photograph, and again
only if the network or its input changes; every other control does arithmetic on what it said.
"""

from __future__ import annotations

import base64
import binascii
import html
import importlib
import importlib.metadata
import io
import json
import sys
import textwrap
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torchvision.models import get_model, get_model_weights

from xaicore.cam import Alignment, Floats, cam, contrastive_cam, on_photo, relu
from xaicore.images import SAMPLES, ImageError, Photo, Resize, read_image, sample_image
from xaicore.models import GapClassifier, Preprocessing, gap_classifier, load_resnet50
from xaicore.msra import FetchError
from xaicore.plotting import add_colour_bar, cut_out, outlines, overlay, show_images
from xaicore.predictions import ClassScore, Prediction, Target
from xaicore.secam import Regions, SeCAM, Statistic, superpixel_scores
from xaicore.superpixels import Labels, Method, superpixels
from xaicore.weights import SOURCES, Provenance, _probe

View = Literal["cam", "secam"]
Sign = Literal["signed", "positive"]
Loader = GapClassifier | Callable[[], GapClassifier]

LONGEST_SIDE = 800  # pixels: more would slow every control down, and 49 cells have no finer detail to show
MAX_BYTES = 20_000_000
COUNTED = ("slic", "watershed")  # the segmenters that can be asked for a number of segments

# --- photographs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Picture:
    """A photograph (H, W, 3), its name, and the line of code that reads it again.

    `original`: the bytes that came by upload or camera, which no line of code can fetch again; else None.
    """

    image: Photo
    name: str
    code: str
    original: bytes | None = None


def shrink(image: Photo, longest: int = LONGEST_SIDE) -> Photo:
    """The photograph with its longer side brought down to `longest` pixels; a smaller one stays as it is."""
    if max(image.shape[:2]) <= longest:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.array(picture)


def read_url(url: str, max_bytes: int = MAX_BYTES, timeout: float = 15.0) -> bytes:
    """Download one picture, over http or https only, redirections included.

    Args:
        max_bytes: the most that is read.
        timeout: seconds without an answer, and seconds for the whole download.

    Raises:
        ImageError: another scheme, no such host or page, too slow, or too large.
    """
    _check_scheme(url)
    give_up = time.monotonic() + timeout
    request = urllib.request.Request(url, headers={"User-Agent": "xaicore", "Accept": "image/*,*/*;q=0.5"})
    data = bytearray()
    try:
        with urllib.request.build_opener(_WebOnly).open(request, timeout=timeout) as answer:
            while part := answer.read(1 << 16):
                data += part
                if len(data) > max_bytes:
                    raise ImageError(f"{url} is larger than {max_bytes / 1e6:g} MB. Use a smaller one.")
                if time.monotonic() > give_up:
                    raise ImageError(f"{url} took over {timeout:g} s. Download it by hand and upload it.")
    except urllib.error.HTTPError as error:
        raise ImageError(f"{url}: the server answers {error.code} ({error.reason}).") from None
    except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise ImageError(f"{url} can't be reached ({reason}). Check the address and the network.") from None
    return bytes(data)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ImageError(f"{url!r} is not a web address: it has to begin with http:// or https://.")


def picture(source: Any) -> Picture:
    """A :class:`Picture` from a sample's name, a path, a web address, or what `read_image` takes.

    Larger photographs are brought down to 800 pixels, see :func:`shrink`. Raises what `read_image` and
    :func:`read_url` raise.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str) and source in SAMPLES:
        return _small(sample_image(source), source, f"xaicore.sample_image({_quoted(source)})")
    if isinstance(source, str) and "://" in source:
        name = Path(urlsplit(source).path).name or str(urlsplit(source).hostname)
        code = f"xaicore.read_image(read_url({_quoted(source)}))"
        return _small(_decode(read_url(source), source), name, code)
    if isinstance(source, (str, Path)):
        return _small(read_image(source), Path(source).name, f"xaicore.read_image({_quoted(str(source))})")
    return _small(read_image(source), "photo", "xaicore.read_image(photo)")


def uploaded(name: str, data: bytes) -> Picture:
    """A :class:`Picture` from the bytes of a file. Its line of code reads a file of that name."""
    name = Path(name.replace("\\", "/")).name or "photo.jpg"
    return _small(_decode(data, name), name, f"xaicore.read_image({_quoted(name)})", data)


def _small(image: Photo, name: str, code: str, original: bytes | None = None) -> Picture:
    smaller = shrink(image)
    return Picture(smaller, name, code if smaller is image else f"shrink({code})", original)


def _decode(data: bytes, name: str) -> Photo:
    try:
        return read_image(data)
    except ImageError as error:
        raise ImageError(str(error).replace("the bytes given", name)) from None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# --- networks ---------------------------------------------------------------------------------------------

TORCHVISION = (
    "resnet18",
    "resnext50_32x4d",
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v2",
    "googlenet",
    "regnet_y_400mf",
)


def load_torchvision(name: str, progress: bool = True) -> GapClassifier:
    """A torchvision CNN with its trained weights `IMAGENET1K_V1`, by torchvision's name for it.

    Raises:
        NotAGapClassifierError: it has another form.
        RuntimeError: the weights are not on this machine and can't be downloaded; says what to do.
    """
    entry = get_model_weights(name)["IMAGENET1K_V1"]
    file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rsplit("/", 1)[-1]
    try:
        if not file.exists():
            _probe(entry.url)  # within seconds; torch.hub itself would wait for minutes
        network = get_model(name, weights=entry, progress=progress)
    except (FetchError, OSError) as error:
        raise RuntimeError(
            f"The trained weights of {name} can't be downloaded ({error}). Where there is a network, fetch "
            f"{entry.url} and put it into the folder {file.parent}."
        ) from error
    return gap_classifier(
        network,
        preprocessing=Preprocessing.of(entry),
        categories=entry.meta["categories"],
        provenance=f"torchvision's {entry}",
    )


def offered_models() -> dict[str, Callable[[], GapClassifier]]:
    """The explorer's choice of networks: ResNet50 from each source of weights, other torchvision CNNs."""
    choices: dict[str, Callable[[], GapClassifier]] = {"resnet50": partial(load_resnet50, "auto")}
    choices |= {f"resnet50, {source}": partial(load_resnet50, source) for source in SOURCES}
    return choices | {name: partial(load_torchvision, name) for name in TORCHVISION}


# --- from settings to an explanation ----------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """How a prediction is explained; nothing in it needs the network again.

    Attributes:
        method: "cam", or "secam" for its mean over superpixels.
        segmenter, segments: see :func:`xaicore.superpixels.superpixels`; `segments` counts for slic and
            watershed only. `statistic`: see :func:`xaicore.secam.superpixel_scores`.
        top, threshold: which regions are kept; one of the two, None for the other; see
            :func:`xaicore.secam.select`.
        alignment: see :func:`xaicore.cam.upsample`.
        sign: "signed", or "positive" to drop all evidence against the class. `opacity`: in [0, 1].
    """

    method: View = "secam"
    segmenter: Method = "slic"
    segments: int = 100
    statistic: Statistic = "mean"
    top: int | None = 5
    threshold: float | None = None
    alignment: Alignment = "half_pixel"
    sign: Sign = "signed"
    opacity: float = 0.8


@dataclass(frozen=True, repr=False)
class Explanation:
    """What :func:`explain` found.

    Attributes:
        target: the class with score and probability. With a rival: the difference of the two scores, and the
            probability of the class among those two alone.
        contrast: whether there is a rival.
        cells: the map before drawing, (h, w), signed; mean(cells) + bias = target.score.
        result: CAM, superpixels and their scores (for method "cam": one superpixel, unused).
        map: what is drawn, (H, W), in units of the score, NaN where the network saw nothing.
        regions: the chosen superpixels; None for method "cam".
    """

    prediction: Prediction
    settings: Settings
    target: ClassScore
    contrast: bool
    bias: float
    cells: Floats
    result: SeCAM
    map: NDArray[np.float64]
    regions: Regions | None

    def __repr__(self) -> str:
        return f"{self.target.name}: score {self.target.score:.2f}\n{self.regions or ''}".strip()


def cut(image: Photo, settings: Settings) -> Labels:
    """The superpixels that the settings ask for, (H, W)."""
    return superpixels(
        image, settings.segments if settings.segmenter in COUNTED else None, settings.segmenter
    )


def explain(
    prediction: Prediction,
    settings: Settings | None = None,
    target: Target | None = None,
    rival: Target | None = None,
    labels: Labels | None = None,
) -> Explanation:
    """CAM or SeCAM of one class, or of its difference to a rival class, as the settings ask.

    Args:
        target: by default the class with the highest score. `rival`: None for the map of `target` alone.
        labels: superpixels that :func:`cut` made before; by default they are made here.

    Raises:
        ValueError: an unknown class or setting, `rival` the same as `target`, or not exactly one of `top` and
            `threshold`.
    """
    settings = settings or Settings()
    for name, choices in (("method", View), ("sign", Sign)):
        if (value := getattr(settings, name)) not in get_args(choices):
            raise ValueError(f"{name}={value!r}; choose one of {', '.join(get_args(choices))}.")
    c = prediction.index(target)
    score, bias, cells = prediction.score(c), float(prediction.bias[c]), cam(prediction, c)
    if rival is not None:
        other = prediction.score(rival)
        if other.index == c:
            raise ValueError(f"The rival class is the class itself, {score.name!r}. Choose another one.")
        difference = score.score - other.score
        share = score.probability / max(score.probability + other.probability, 1e-300)
        score = ClassScore(c, f"{score.name}, not {other.name}", difference, share)
        bias, cells = bias - float(prediction.bias[other.index]), contrastive_cam(prediction, c, other.index)
    heat = on_photo(cells, prediction.geometry, settings.alignment)
    if settings.method == "cam":
        labels = np.zeros(heat.shape, dtype=np.intp)
    elif labels is None:
        labels = cut(prediction.image, settings)
    result = SeCAM(prediction.image, score, heat, labels, superpixel_scores(heat, labels, settings.statistic))
    regions = None
    if settings.method == "secam":
        regions = result.regions(top=settings.top, threshold=settings.threshold)
    values = result.map if settings.method == "secam" else heat
    if settings.sign == "positive":
        with warnings.catch_warnings():  # an empty picture says it already
            warnings.simplefilter("ignore", UserWarning)
            values = np.asarray(relu(values), dtype=float)
    return Explanation(prediction, settings, score, rival is not None, bias, cells, result, values, regions)


# --- from explanations to a figure, a sentence and code ---------------------------------------------------


def same_units(explanations: Sequence[Explanation]) -> bool:
    """Whether the maps are in units of one network's scores, so that one colour scale may hold them all."""
    first, *rest = (e.prediction for e in explanations)
    return all(
        np.array_equal(first.class_weights, p.class_weights) and np.array_equal(first.bias, p.bias)
        for p in rest
    )


def draw(explanations: Sequence[Explanation], names: Sequence[str] = ()) -> Figure:
    """One row for each explanation: photograph, map, and for SeCAM the regions kept.

    The colour scale ends at the largest |CAM|, so it stays when CAM is changed for SeCAM. All rows share it
    if :func:`same_units`; else each row has its own. `names`: what stands over the photographs.
    """
    limits = [float(np.nanmax(np.abs(e.result.heat))) or 1.0 for e in explanations]
    together = same_units(explanations)
    if together:
        limits = [max(limits)] * len(limits)
    panels, titles = [], []
    columns = 2 + any(e.regions is not None for e in explanations)
    for i, (e, limit) in enumerate(zip(explanations, limits, strict=True)):
        tinted = overlay(e.prediction.image, e.map, limit, e.settings.opacity)
        if e.regions is not None:
            tinted = outlines(tinted, e.result.labels, (255, 255, 255))
        panels += [e.prediction.image, tinted]
        words = f"{'CAM' if e.regions is None else 'SeCAM'}: {e.target.name}"
        titles += [names[i] if i < len(names) else "photograph", words]
        if e.regions is not None:
            panels.append(cut_out(e.prediction.image, e.result.mask(e.regions)))
            titles.append(f"{len(e.regions)} regions: {e.regions.area:.0%} of area")
    figure = show_images(panels, ["\n".join(textwrap.wrap(t, 26)) for t in titles], columns)
    label = "evidence (units of the score)"
    if together:
        add_colour_bar(figure, limits[0], label)
        return figure
    rows = [figure.axes[i : i + columns] for i in range(0, len(panels), columns)]
    for row, limit in zip(rows, limits, strict=True):
        add_colour_bar(figure, limit, label, row)
    return figure


def render(figure: Figure, kind: Literal["png", "jpeg", "svg"] = "png", dpi: int = 130) -> bytes:
    """The figure as the bytes of a file; the same figure gives the same bytes. Closes it."""
    file = io.BytesIO()
    with plt.rc_context({"svg.hashsalt": "xaicore"}):
        figure.savefig(file, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    plt.close(figure)
    return file.getvalue()


def describe(explanations: Sequence[Explanation]) -> str:
    """The same in words: score, completeness, regions, and whether the colours may be compared."""
    lines = list(dict.fromkeys(str(e.prediction.provenance).split("\n")[0] + "." for e in explanations))
    for e in explanations:
        kind = "difference of the scores" if e.contrast else "score"
        among = " among the two" if e.contrast else ""
        lines.append(
            f"{e.target.name}: {kind} {e.target.score:.2f}, probability{among} {e.target.probability:.1%}. "
            f"Mean of the map {e.cells.mean():.2f} + bias {e.bias:.2f} = "
            f"{e.cells.mean() + e.bias:.2f}."
        )
        if e.regions is not None:
            lines.append(
                f"{len(e.regions)} of {len(e.result.scores)} superpixels hold {e.regions.evidence:.0%} of "
                f"the positive evidence on {e.regions.area:.0%} of the area."
            )
        if not np.nanmax(e.map) > 0:
            lines.append("There is no positive evidence for this class.")
    if len(explanations) > 1:
        lines.append(
            "Both maps are in units of one network's scores and share a colour scale."
            if same_units(explanations)
            else "The two networks' scores have different units, so each map has its own colour scale: "
            "compare where the colours lie, not how strong they are."
        )
    return "\n".join(lines)


@dataclass(frozen=True)
class Recipe:
    """What code needs to make one :class:`Explanation` again; `model` is a line of code, as in Picture."""

    picture: Picture
    model: str
    provenance: str
    target: int
    name: str
    rival: int | None


def snippet(recipes: Sequence[Recipe], settings: Settings, resize: Resize, names: Sequence[str] = ()) -> str:
    """Code that gives the same figure and table in a fresh kernel: it leaves `explanations` and `figure`."""
    code = "\n".join([r.picture.code + r.model for r in recipes])
    needed = [n for n in ("load_torchvision", "read_url", "shrink") if f"{n}(" in code]
    lines = [f"# Made with xaicore {importlib.metadata.version('xaicore')}"]
    lines += dict.fromkeys(f"# {r.provenance}" for r in recipes)
    lines += [
        "import xaicore",
        f"from xaicore.widgets import {', '.join(sorted(['Settings', 'draw', 'explain', *needed]))}",
        "",
        "settings = Settings(",
        *(f"    {k}={_quoted(v) if isinstance(v, str) else repr(v)}," for k, v in asdict(settings).items()),
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
        rival = "" if recipe.rival is None else f", rival={recipe.rival}"
        lines += [
            f"photo = {recipe.picture.code}",
            f'prediction = model.predict(photo, resize="{resize}")',
            f"# class {recipe.target} is {recipe.name}",
            f"explanations.append(explain(prediction, settings, {recipe.target}{rival}))",
        ]
    lines += ["", f"figure = draw(explanations, {_quoted_list(names)})"]
    if settings.method == "secam":
        lines.append("print(explanations[0].regions)")
    return "\n".join(lines) + "\n"


def _quoted_list(names: Sequence[str]) -> str:
    return "[" + ", ".join(map(_quoted, names)) + "]"


def table(explanations: Sequence[Explanation]) -> str:
    """The region tables as CSV; with more than one, a first column says which (A, B)."""
    parts = [(e.regions or Regions()).to_csv().splitlines() for e in explanations]
    if len(parts) == 1:
        return "\n".join(parts[0]) + "\n"
    rows = [f"{'AB'[i]},{row}" for i, part in enumerate(parts) for row in part[1:]]
    return "\n".join([f"map,{parts[0][0]}", *rows]) + "\n"


# --- the form ----------------------------------------------------------------------------------------------


def explorer(photo: Any = "chelsea", models: Mapping[str, Loader] | None = None) -> Explorer:
    """The form, ready to show: name it last in a cell.

    Where nobody sits at the notebook (nbval, a build of the book), the cell shows the figure alone.

    Args:
        photo: what it opens with: anything that :func:`picture` takes.
        models: networks by the name to show, ready ones or functions that load one; the first is used at
            first, the others load when chosen. Default: :func:`offered_models`. Add your own:
            ``{"mine": gap_classifier(net)} | offered_models()``

    Raises:
        ImportError: ipywidgets is missing.
        Exception: whatever loading the first network or photograph raises.
    """
    return Explorer(picture(photo), models or offered_models())


def _ipywidgets() -> Any:
    try:
        return importlib.import_module("ipywidgets")
    except ImportError:
        raise ImportError(
            "The explorer needs ipywidgets: pip install ipywidgets, then restart the kernel and reload the "
            "page."
        ) from None


NO_RIVAL = ""
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


class _Side:
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
        self.rival = w.Combobox(
            description="Rather than", placeholder="no other class", continuous_update=False
        )
        camera = w.HTML(CAMERA.format(html.escape(TAKE_PHOTO.strip())))
        sources = w.HBox([self.upload, camera], layout=w.Layout(flex_flow="row wrap"))
        self.photo_box = _group(w, f"Photograph {letter}", [self.sample, self.address, sources, self.camera])
        self.class_box = _group(
            w, f"Network and class {letter}", [self.network, self.best, self.target, self.rival]
        )
        self.box = w.HBox([self.photo_box, self.class_box], layout=w.Layout(flex_flow="row wrap"))
        self.box.add_class("xaicore-side")

    def classes(self) -> tuple[int, int | None]:
        """Indices of the class and its rival. Raises ValueError for a name that isn't one."""
        target = self._index(self.target.value)
        rival = self.rival.value.strip()
        return target, self._index(rival) if rival else None

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
        self.target.options = self.rival.options = listed
        self.target.value, self.rival.value = listed[0], NO_RIVAL

    def show_best(self) -> None:
        """Point at the chosen class in the list of best answers, or at none of them."""
        listed = {value for _, value in self.best.options}
        self.best.value = self.target.value if self.target.value in listed else ""

    def show_source(self) -> None:
        """Make the controls say which photograph and network are shown."""
        is_sample = "xaicore.sample_image(" in self.picture.code
        self.sample.value = self.picture.name if is_sample else ""
        self.network.value = self.model


def _group(w: Any, title: str, controls: Sequence[Any]) -> Any:
    """A titled column of controls, all alike."""
    for control in controls:
        if getattr(control, "description", "") and not isinstance(control, (w.FileUpload, w.Button)):
            control.style.description_width = "7em"
            control.layout.width = "auto"
    heading = w.HTML(f'<div role="heading" aria-level="3"><b>{html.escape(title)}</b></div>')
    return w.VBox([heading, *controls], layout=w.Layout(flex="1 1 20em", margin="0 1em 0.6em 0"))


@dataclass
class _Caches:
    models: dict[str, GapClassifier] = field(default_factory=dict)
    predictions: dict[tuple[Picture, str, str], Prediction] = field(default_factory=dict)
    labels: dict[tuple[Picture, str, int], Labels] = field(default_factory=dict)

    @staticmethod
    def trim(cache: dict[Any, Any], keep: int = 12) -> None:
        """Forget the oldest entries: a notebook stays open for days."""
        while len(cache) > keep:
            del cache[next(iter(cache))]


class Explorer:
    """The form that :func:`explorer` makes.

    Attributes:
        widget: the whole form, an ipywidgets box.
        explanations: what is shown at present: one, or two if two are compared.
        code: the snippet for it.
    """

    def __init__(self, first: Picture, models: Mapping[str, Loader]) -> None:
        w = self._w = _ipywidgets()
        self._loaders = dict(models)
        self._caches = _Caches()
        self._quiet = False
        self._live = somebody_is_there()  # asked here: within a callback nobody says so
        self.explanations: list[Explanation] = []
        self.code = ""
        self._make_controls(w)
        self.sides = [_Side(w, letter, list(models)) for letter in "AB"]
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
        by_top = self.choose.value == "top"
        return Settings(
            method=self.method.value,
            segmenter=self.segmenter.value,
            segments=self.segments.value,
            statistic=self.statistic.value,
            top=self.top.value if by_top else None,
            threshold=None if by_top else self.threshold.value,
            alignment=self.alignment.value,
            sign=self.sign.value,
            opacity=self.opacity.value,
        )

    def figure(self) -> Figure:
        """The figure that is shown, drawn anew."""
        return draw(self.explanations, self._names())

    def save(self, folder: str | Path = "explained") -> list[Path]:
        """Write figure.png, figure.svg, regions.csv, explain.py and uploads; returns their paths."""
        folder = Path(folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "figure.png": render(self.figure(), "png", 200),
            "figure.svg": render(self.figure(), "svg"),
            "explain.py": self.code.encode(),
        }
        if self.settings.method == "secam":
            files["regions.csv"] = table(self.explanations).encode()
        for side in self._shown():
            if side.picture.original is not None:
                files[side.picture.name] = side.picture.original
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return [folder / name for name in files]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self._live:
            display(self.widget)
        else:
            display(self.figure())
            plt.close("all")

    # --- the controls ---

    def _make_controls(self, w: Any) -> None:
        late = {"continuous_update": False}
        self.resize = w.Dropdown(description="Input", options=get_args(Resize), value="full")
        self.method = w.Dropdown(description="Method", options=[("SeCAM", "secam"), ("CAM", "cam")])
        self.segmenter = w.Dropdown(description="Superpixels", options=get_args(Method))
        self.segments = w.IntSlider(description="Segments", value=100, min=5, max=400, step=5, **late)
        self.statistic = w.Dropdown(description="Statistic", options=get_args(Statistic))
        self.choose = w.Dropdown(
            description="Keep", options=[("the best regions", "top"), ("from a threshold up", "threshold")]
        )
        self.top = w.IntSlider(description="How many", value=5, min=1, max=50, **late)
        self.threshold = w.FloatSlider(description="Threshold", value=0.5, min=0.05, max=1, step=0.05, **late)
        self.alignment = w.Dropdown(description="Alignment", options=get_args(Alignment))
        self.sign = w.Dropdown(
            description="Show", options=[("for and against", "signed"), ("only for", "positive")]
        )
        self.opacity = w.FloatSlider(description="Opacity", value=0.8, min=0, max=1, step=0.05, **late)
        self._settings_controls = [self.method, self.segmenter, self.segments, self.statistic, self.choose]
        self._settings_controls += [self.top, self.threshold, self.alignment, self.sign, self.opacity]
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
        regions = [self.segmenter, self.segments, self.statistic, self.choose, self.top, self.threshold]
        settings = w.HBox(
            [
                _group(w, "Map", [self.method, self.sign, self.opacity, self.alignment, self.resize]),
                _group(w, "Regions (SeCAM)", regions),
            ],
            layout=wrap,
        )
        export = _group(w, "Export", [self.folder, self.save_button, self.links, self.listing])
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
            self._on(side.rival, self._update)
        self._on(self.resize, self._choose_resize)
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

    def _choose_sample(self, side: _Side) -> None:
        if side.sample.value:
            self._change(side, lambda: picture(side.sample.value))

    def _choose_address(self, side: _Side) -> None:
        if address := side.address.value.strip():
            self._change(side, lambda: picture(address))

    def _choose_upload(self, side: _Side) -> None:
        value = side.upload.value
        if not value:
            return
        # ipywidgets 8 gives a tuple of files, ipywidgets 7 (in Colab) a dictionary by name.
        if isinstance(value, dict):
            name, file = list(value.items())[-1]
        else:
            name, file = value[-1]["name"], value[-1]
        self._change(side, lambda: uploaded(name, bytes(file["content"])))

    def _choose_camera(self, side: _Side) -> None:
        if not side.camera.value:
            return
        try:
            data = base64.b64decode(side.camera.value.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise ImageError(f"The camera's picture did not arrive whole ({error}). Take it again.") from None
        self._set(side.camera, "")
        self._change(side, lambda: uploaded("camera.jpg", data))

    def _change(self, side: _Side, make: Callable[[], Picture]) -> None:
        self._step(1, "Reading the photograph …")
        chosen = make()
        side.prediction = self._predict(chosen, side.model)
        side.picture = chosen
        self._classes_anew(side)

    def _choose_network(self, side: _Side) -> None:
        side.prediction = self._predict(side.picture, side.network.value)
        side.model = side.network.value
        self._classes_anew(side)

    def _choose_resize(self) -> None:
        found = [self._predict(side.picture, side.model) for side in self.sides]
        for side, prediction in zip(self.sides, found, strict=True):
            side.prediction = prediction
            self._classes_anew(side)

    def _choose_best(self, side: _Side) -> None:
        if side.best.value:
            self._set(side.target, side.best.value)
            self._update()

    def _choose_compare(self) -> None:
        self.sides[1].box.layout.display = "flex" if self.compare.value else "none"
        self._update()

    def _classes_anew(self, side: _Side) -> None:
        with self._quietly():
            side.show_classes()
            side.show_source()
        self._update()

    def _predict(self, photo: Picture, name: str) -> Prediction:
        """From the cache, or by one forward pass."""
        key = (photo, name, self.resize.value)
        if key not in self._caches.predictions:
            if name not in self._caches.models:
                self._step(1, f"Loading {name} …")
                self._caches.models[name] = self._load(name)
            self._step(2, f"Running {name} …")
            self._caches.predictions[key] = self._caches.models[name].predict(photo.image, self.resize.value)
            _Caches.trim(self._caches.predictions)
        return self._caches.predictions[key]

    def _load(self, name: str) -> GapClassifier:
        loader = self._loaders[name]
        if isinstance(loader, GapClassifier):
            return loader
        loaded: GapClassifier | Exception
        self.log.outputs = ()
        # It shows a download's progress bar and warnings. It would swallow an error, and nbclient has no such
        # place.
        with self.log if self._live else nullcontext():
            try:
                loaded = loader()
            except Exception as error:
                loaded = error
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    def _explain(self, side: _Side, settings: Settings) -> Explanation:
        labels = None
        if settings.method == "secam":
            key = (side.picture, settings.segmenter, settings.segments)
            if key not in self._caches.labels:
                self._step(3, "Cutting the photograph into superpixels …")
                self._caches.labels[key] = cut(side.picture.image, settings)
                _Caches.trim(self._caches.labels)
            labels = self._caches.labels[key]
        return explain(side.prediction, settings, *side.classes(), labels)

    def _update(self) -> None:
        """Explain, draw and describe; no forward pass. Nothing changes if a setting is refused."""
        settings = self.settings
        found = [self._explain(side, settings) for side in self._shown()]
        self._step(4, "Drawing …")
        self.explanations = found
        recipes = [self._recipe(side) for side in self._shown()]
        self.code = snippet(recipes, settings, self.resize.value, self._names())
        with self._quietly():
            for side in self._shown():
                side.show_best()
            self._enable(settings)
        words = describe(found)
        image = base64.b64encode(render(self.figure(), "jpeg")).decode()
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
        secam = settings.method == "secam"
        for control in (self.segmenter, self.statistic, self.choose):
            control.disabled = not secam
        self.segments.disabled = not (secam and settings.segmenter in COUNTED)
        self.top.disabled = not (secam and settings.top is not None)
        self.threshold.disabled = not (secam and settings.threshold is not None)

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

    def _shown(self) -> list[_Side]:
        return self.sides if self.compare.value else self.sides[:1]

    def _names(self) -> list[str]:
        if not self.compare.value:
            return [self.sides[0].picture.name]
        return [f"{s.letter}: {s.picture.name}, {s.model}" for s in self.sides]

    def _recipe(self, side: _Side) -> Recipe:
        target, rival = side.classes()
        loader = self._loaders[side.model]
        function = loader.func if isinstance(loader, partial) else None
        provenance = side.prediction.provenance
        code = f"models[{_quoted(side.model)}]"
        if function is load_resnet50 and isinstance(provenance, Provenance):
            code = f'xaicore.load_resnet50("{provenance.source}")'  # what "auto" came to
        elif isinstance(loader, partial) and function is load_torchvision:
            code = f'load_torchvision("{loader.args[0]}")'
        elif not isinstance(loader, GapClassifier):
            code += "()"
        words = str(provenance).replace("\n", ", ")
        return Recipe(side.picture, code, words, target, side.prediction.categories[target], rival)

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
            (s, s.picture, s.model, s.prediction, s.target.value, s.rival.value) for s in self.sides
        ]
        self._kept_controls = [(c, c.value) for c in (*self._settings_controls, self.resize, self.compare)]

    def _restore(self) -> None:
        with self._quietly():
            for side, photo, model, prediction, target, rival in self._kept:
                if side.prediction is not prediction:
                    side.picture, side.model, side.prediction = photo, model, prediction
                    side.show_classes()
                side.show_source()
                side.target.value, side.rival.value = target, rival
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


def somebody_is_there() -> bool:
    """Whether a person may be looking at this notebook: False under nbval, nbclient, or in a script.

    A front end that shows a notebook says with each request whether it can answer `input()`; a program that
    only runs the cells says that it can't.
    """
    if "google.colab" in sys.modules:
        return True
    from IPython import get_ipython

    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    return bool(parent.get("content", {}).get("allow_stdin", False))
