"""Many photographs at once: read, cut and explained side by side, into a table of Parquet files."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from xaicore.apps.parts import Parts, check_packages, spelt
from xaicore.apps.photos import find_photos, named
from xaicore.apps.preparing import Plan, Prepared, prepare, said
from xaicore.apps.workers import KILLED, each
from xaicore.explanation import Explanation, Settings, explain
from xaicore.live import somebody_watches
from xaicore.maps.cells import OTHERS, RIVALS
from xaicore.maps.kinds import find_kind
from xaicore.networks.gap import GapClassifier
from xaicore.networks.looks import Looks
from xaicore.networks.names import class_index
from xaicore.networks.prediction import Prediction
from xaicore.pictures.geometry import Geometry
from xaicore.regions.masks import shapes
from xaicore.regions.segmenters import find_segmenter
from xaicore.show.records import versions, weights_record

AHEAD = 2  # batches' worth of photographs that are read before the network asks for them
MOST_WORKERS = 8  # unless more are asked for: each takes some 150 MB
WAITING = 4  # batches' worth of photographs of several input sizes, before an incomplete batch goes

Row = dict[str, Any]
Failure = tuple[Path, str]


@dataclass(frozen=True)
class Summary:
    """What :func:`explain_folder` did.

    Attributes:
        folder: where the table is.
        explained: how many photographs this run explained, and `before`: how many had rows already.
        failures: the photographs that have none, and why, in words that name them.
        seconds: how long it took.
    """

    folder: Path
    explained: int
    before: int
    failures: tuple[Failure, ...]
    seconds: float

    def __str__(self) -> str:
        rate = f", {self.explained / self.seconds:.1f} a second" if self.explained else ""
        before = f", {self.before} were there before" if self.before else ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{self.folder}: {self.explained} photographs explained{rate}{before}{failed}"


def explain_folder(
    photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    model: GapClassifier,
    out: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    classes: int = 1,
    workers: int | None = None,
    batch: int = 16,
    progress: bool = True,
) -> Summary:
    """Explain many photographs, and write what was found into a folder of Parquet files.

    The table has one row for each photograph and class; the page of the command line lists its columns. Maps
    and averages are those of :func:`xaicore.explanation.explain`.

    Worker processes read, fit and cut the photographs while the network looks at others. Memory doesn't grow
    with their number, but for their names and checksums. Killed at any moment, it leaves a table of whole
    rows; called again with the same arguments it goes on, and only what was at work, or was
    finished in the last ten seconds, is done again.
    A photograph that can't be explained is left out, told in the summary, and tried again next time.

    Args:
        photos: a folder, for the pictures in it (:func:`xaicore.apps.photos.find_photos`), or paths.
        out: a folder of its own for the table; it is made if it isn't there.
        settings: how to explain; with a target, that class of each photograph.
        classes: how many classes of each photograph, those with the highest scores. A class that the others
            are set against is passed over.
        workers: processes besides this one, 0 for none; by default as many as there are processors, but no
            more than 8. They give way to the network. A segmenter of your own is called in this process.
        batch: photographs of one input size that go through the network together.
        progress: show a bar where somebody watches.

    Raises:
        ValueError: an argument that can't be, or a kind of map that isn't the package's own. Also PartsError:
            `out` holds other files, or rows that were made by other settings or weights; and NoPhotosError:
            no picture in the folder.
        ImportError: pyarrow or pycocotools is missing: `pip install "xaicore[many]"`.
        xaicore.apps.workers.WorkersError: no worker process can be started.
    """
    check_packages()
    chosen = _checked(settings or Settings(), model, classes, batch, workers)
    paths = _paths(photos, Path(out))
    started = time.monotonic()
    failures: list[Failure] = []
    explained = 0
    with Parts(Path(out), made_by(model, chosen, classes)) as parts:
        left = parts.left(paths)
        before = len(paths) - len(left)
        bar = tqdm(
            total=len(paths),
            initial=before,
            unit="photo",
            disable=not (progress and somebody_watches()),
        )
        with bar:
            made = _explained(left, model, chosen, classes, _number(workers, chosen), batch)
            with closing(made):
                for photo, found in made:
                    if isinstance(found, str):
                        failures.append((photo, found))
                    else:
                        parts.add(found)
                        explained += 1
                    bar.update()
    return Summary(Path(out), explained, before, tuple(failures), time.monotonic() - started)


def made_by(model: GapClassifier, settings: Settings, classes: int) -> dict[str, Any]:
    """What the rows of a table depend on besides the photographs, as JSON can hold it."""
    names = "\n".join(model.categories).encode("utf-8", "backslashreplace")
    head = model.class_weights.tobytes() + model.bias.tobytes()
    return {
        "settings": settings.as_record(),
        "classes": classes,
        "weights": {
            **weights_record(model.provenance),
            "head_sha256": sha256(head).hexdigest(),
            "names_sha256": sha256(names).hexdigest(),
        },
        "preprocessing": {
            **asdict(model.preprocessing),
            "mean": list(model.preprocessing.mean),
            "std": list(model.preprocessing.std),
            "interpolation": model.preprocessing.interpolation.name,
        },
        "versions": versions(),
    }


def _checked(
    settings: Settings, model: GapClassifier, classes: int, batch: int, workers: int | None
) -> Settings:
    """The settings with the class as an index; ValueError for what can't be."""
    if classes < 1 or batch < 1 or (workers or 0) < 0:
        raise ValueError(
            f"classes={classes}, batch={batch}, workers={workers}: the first two are at least 1, and "
            "workers at least 0."
        )
    if not find_kind(settings.kind).cells.__module__.startswith("xaicore."):
        raise ValueError(
            f"kind={settings.kind!r} is your own and may look at the photograph, which is not kept here. "
            "Use xaicore.explain() for each photograph."
        )
    against = settings.against
    if isinstance(against, str) and against not in (OTHERS, RIVALS):
        settings = replace(settings, against=class_index(against, model.categories))
    if settings.target is None:
        return settings
    if classes > 1:
        raise ValueError(
            f"classes={classes} are those with the highest scores, and target={settings.target!r} is one. "
            "Drop one of the two."
        )
    return replace(settings, target=class_index(settings.target, model.categories))


def _paths(photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], out: Path) -> list[Path]:
    """Each photograph once."""
    if isinstance(photos, (str, os.PathLike)):
        found, errors = find_photos([os.fspath(photos)], without=out)
        if errors:
            raise errors[0]
        return found
    return list({os.path.abspath(photo): Path(photo) for photo in photos}.values())


def _number(workers: int | None, settings: Settings) -> int:
    """How many worker processes; another process doesn't know a segmenter that was registered in this one."""
    name = settings.segmenter
    if name is not None and not find_segmenter(name).cut.__module__.startswith("xaicore."):
        return 0
    return min(MOST_WORKERS, _processors()) if workers is None else workers


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- from photographs to rows ----------------------------------------------------------------------------


def _explained(
    photos: Sequence[Path], model: GapClassifier, settings: Settings, classes: int, workers: int, batch: int
) -> Generator[tuple[Path, list[Row] | str]]:
    """Each photograph with its rows, or why it has none; in the order in which batches are full."""
    models = [model.at_scale(scale) for scale in find_kind(settings.kind).scales]
    plan = Plan(settings, tuple(m.preprocessing.fitting for m in models))
    waiting: dict[Any, list[tuple[Path, Prepared]]] = {}
    with closing(each(partial(prepare, plan), photos, workers, AHEAD * batch)) as prepared:
        for photo, found in prepared:
            if isinstance(found, BrokenProcessPool):
                yield photo, f"{photo}: {KILLED}"
            elif isinstance(found, str):
                yield photo, found
            else:
                group = waiting.setdefault(found.inputs, [])
                group.append((photo, found))
                if len(group) == batch:
                    yield from _of_group(waiting.pop(found.inputs), models, settings, classes)
                elif sum(map(len, waiting.values())) >= WAITING * batch:
                    largest = max(waiting, key=lambda inputs: len(waiting[inputs]))
                    yield from _of_group(waiting.pop(largest), models, settings, classes)
        for group in waiting.values():
            yield from _of_group(group, models, settings, classes)


def _of_group(
    group: Sequence[tuple[Path, Prepared]], models: Sequence[GapClassifier], settings: Settings, classes: int
) -> Iterator[tuple[Path, list[Row] | str]]:
    """Photographs of one input size, in one pass for each size that the kind of map looks at."""
    # a map needs no more of a photograph than its size
    photos = [np.broadcast_to(np.uint8(0), (*prepared.size, 3)) for _, prepared in group]
    try:
        looks = [
            m.predict_fitted(photos, [prepared.fitted[i] for _, prepared in group], settings.resize)
            for i, m in enumerate(models)
        ]
    except Exception as error:
        if len(group) == 1:
            yield group[0][0], named(group[0][0], error)
        else:  # it may be one photograph's fault
            for one in group:
                yield from _of_group([one], models, settings, classes)
        return
    scales = find_kind(settings.kind).scales
    for (photo, prepared), predictions in zip(group, zip(*looks, strict=True), strict=True):
        try:
            yield photo, _rows(photo, prepared, Looks(predictions, scales), settings, classes)
        except Exception as error:  # of whatever kind: it is told at the end, with the photograph's name
            yield photo, named(photo, error)


def _rows(photo: Path, prepared: Prepared, looks: Looks, settings: Settings, classes: int) -> list[Row]:
    rows = []
    for c in _targets(looks.first, settings, classes):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            explanation = explain(looks, settings, labels=prepared.cut, target=c)
        notes = [*prepared.notes, *said(caught)]
        rows.append(
            {
                "photo": spelt(photo),
                "sha256": prepared.sha256,
                "width": prepared.size[1],
                "height": prepared.size[0],
                **_found(explanation),
                "notes": notes,
            }
        )
    return rows


def _targets(prediction: Prediction, settings: Settings, classes: int) -> list[int]:
    if settings.target is not None:
        return [prediction.index(settings.target)]
    best = np.argsort(-prediction.scores, kind="stable")[: classes + 1]
    return [int(c) for c in best if int(c) != settings.against][:classes]


def _found(explanation: Explanation) -> Row:
    """What an explanation adds to a row."""
    e = explanation
    target = e.prediction.score(e.settings.target)
    row = {
        "rank": 1 + int((e.prediction.scores > target.score).sum()),
        "index": target.index,
        "class": target.name,
        "probability": target.probability,
        "score": target.score,
        "adds_up_to": e.heat.total,
        "bias": e.heat.bias,
    }
    if e.averages is None or e.regions is None:
        return row
    cut = e.averages.cut
    geometries: list[Geometry] = [look.geometry for look in e.looks]
    rows, columns = (np.all([g.inside(axis) for g in geometries], axis=0) for axis in (0, 1))
    places = np.searchsorted(cut.ids, e.regions.superpixels)
    regions = [
        region._asdict() | {"box": shape.box, "mask": {"size": shape.size, "counts": shape.counts}}
        for region, shape in zip(e.regions, shapes(cut, places.tolist(), (rows, columns)), strict=True)
    ]
    return row | {"superpixels": len(cut), "evidence_kept": e.regions.evidence, "regions": regions}
