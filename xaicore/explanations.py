"""From a prediction and a few settings to an explanation, and on to a figure, a sentence and code.

:class:`Settings` and a prediction go into :func:`explain`, an :class:`Explanation` comes out;
:func:`draw`, :func:`describe`, :func:`table` and :func:`snippet` make a figure, words, a table and code of
it. Nothing here runs the network.
"""

from __future__ import annotations

import importlib.metadata
import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xaicore.cam import Alignment, Floats, cam, contrastive_cam, on_photo, relu
from xaicore.images import Photo, Resize
from xaicore.plotting import add_colour_bar, cut_out, outlines, overlay, show_images
from xaicore.predictions import ClassScore, Prediction, Target
from xaicore.secam import Regions, SeCAM, Statistic, superpixel_scores
from xaicore.sources import Picture, quoted
from xaicore.superpixels import Labels, Method, superpixels

View = Literal["cam", "secam"]
Sign = Literal["signed", "positive"]

COUNTED = ("slic", "watershed")  # the segmenters that can be asked for a number of segments

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
    if :func:`same_units`; else each row has its own. Wide photographs stand one below the
    other. `names`: what stands over the photographs.
    """
    limits = [float(np.nanmax(np.abs(e.result.heat))) or 1.0 for e in explanations]
    together = same_units(explanations)
    if together:
        limits = [max(limits)] * len(limits)
    panels, titles = [], []
    each = 2 + any(e.regions is not None for e in explanations)
    wide = all(e.map.shape[1] > 2 * e.map.shape[0] for e in explanations)
    columns = 1 if wide else each
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
    letters = 54 // columns  # of a title, on one line above its panel
    figure = show_images(panels, ["\n".join(textwrap.wrap(t, letters)) for t in titles], columns, 5.4)
    label = "evidence (units of the score)"
    if together:
        add_colour_bar(figure, limits[0], label)
        return figure
    rows = [figure.axes[i : i + each] for i in range(0, len(panels), each)]
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
        "from xaicore.explanations import Settings, draw, explain",
        *([f"from xaicore.sources import {', '.join(needed)}"] if needed else []),
        "",
        "settings = Settings(",
        *(f"    {k}={quoted(v) if isinstance(v, str) else repr(v)}," for k, v in asdict(settings).items()),
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
    lines += ["", f"figure = draw(explanations, [{', '.join(map(quoted, names))}])"]
    if settings.method == "secam":
        lines.append("print(explanations[0].regions)")
    return "\n".join(lines) + "\n"


def table(explanations: Sequence[Explanation]) -> str:
    """The region tables as CSV; with more than one, a first column says which (A, B)."""
    parts = [(e.regions or Regions()).to_csv().splitlines() for e in explanations]
    if len(parts) == 1:
        return "\n".join(parts[0]) + "\n"
    rows = [f"{'AB'[i]},{row}" for i, part in enumerate(parts) for row in part[1:]]
    return "\n".join([f"map,{parts[0][0]}", *rows]) + "\n"
