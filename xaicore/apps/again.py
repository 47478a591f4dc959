"""`xaicore again`: the figure of a record, from the same photograph and the same weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaicore.apps.outputs import Outputs, figure_of
from xaicore.apps.photos import read_photo
from xaicore.apps.writing import expanded, write_files
from xaicore.explanation import Settings, explain
from xaicore.networks.gap import GapClassifier
from xaicore.networks.provenance import RESNET50
from xaicore.pictures.reading import ImageError
from xaicore.show.records import fingerprint


@dataclass(frozen=True)
class Record:
    """What `xaicore explain` wrote about one photograph, as far as its figure needs it.

    `weights`: the name of their source. `network`, `checkpoint`, `classes`: what was asked for by the options
    of these names. `labels_sha256`: of the superpixels, None where there were none.
    """

    photo: str
    pixels_sha256: str
    settings: Settings
    weights: str
    weights_sha256: str
    network: str
    checkpoint: str | None
    classes: tuple[str, ...] | None
    labels_sha256: str | None


def read_record(path: Path) -> Record:
    """Read a record; ValueError, which says what is missing or of another type, for any other file.

    Raises OSError too, for a file that can't be read.
    """
    data = path.read_bytes()
    try:
        held = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _no_record(path, f"it is no JSON: {error}") from None
    try:
        settings = Settings.of(_get(held, "settings", dict))
    except (TypeError, AttributeError) as error:
        raise _no_record(path, f"its settings are none: {error}") from None
    except ValueError as error:
        raise _no_record(path, str(error)) from None
    try:
        weights, network = _get(held, "weights", dict), _get(held, "network", dict, {})
        classes = _get(network, "classes", list, None)
        return Record(
            photo=_get(held, "photo", str),
            pixels_sha256=_get(held, "pixels_sha256", str),
            settings=settings,
            weights=_get(weights, "source", str),
            weights_sha256=_get(weights, "sha256", str),
            network=_get(network, "spec", str, RESNET50),
            checkpoint=_get(network, "checkpoint", str, None),
            classes=None if classes is None else tuple(map(str, classes)),
            labels_sha256=_get(_get(held, "found", dict), "labels_sha256", str, None),
        )
    except ValueError as error:
        raise _no_record(path, str(error)) from None


def _no_record(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is no record of `xaicore explain` ({why.rstrip('.')}).")


_NEEDED = object()


def _get(held: Any, name: str, kind: type, default: Any = _NEEDED) -> Any:
    """The value of that name, of that type; ValueError if there is none and no default."""
    if not isinstance(held, dict):
        raise ValueError(f"it holds a {type(held).__name__}, not names and values")
    value = held.get(name, default)
    if value is _NEEDED:
        raise ValueError(f"it has no {name!r}")
    if value is not default and not isinstance(value, kind):
        raise ValueError(f"its {name!r} is a {type(value).__name__}, not a {kind.__name__}")
    return value


def make_again(
    record: Record, photo: Path | None, outputs: Outputs, stem: str, load: Callable[[Record], GapClassifier]
) -> Path:
    """Make the figure of a record again; returns where it is.

    Args:
        photo: where the photograph is; None for where the record says that it was.
        load: gives the record's network.

    Raises:
        ValueError: the picture, the weights or the superpixels are others than the record's.
        OSError: a file can't be read or written. Also whatever `load` raises.
    """
    photo = photo or expanded(record.photo)
    image = read_photo(photo)
    if fingerprint(image) != record.pixels_sha256:
        raise ImageError(f"{photo} is another picture than the record's. Name the right one: --photo.")
    model = load(record)
    if getattr(model.provenance, "sha256", "") != record.weights_sha256:
        raise ValueError(
            f"The weights {record.checkpoint or record.weights} here are others than the record's."
        )
    explanation = explain(record.settings.look(model, image), record.settings)
    averages = explanation.averages
    if averages is not None and fingerprint(averages.cut.own) != record.labels_sha256:
        raise ValueError(
            "The superpixels are others than the record's: it was made with other packages, or by an xaicore "
            "that cut photographs at another size. Explain the photograph again."
        )
    name, _ = outputs.claim(photo, stem, fingerprint(image))
    figure = outputs.folder / f"{name}.png"
    write_files({figure: figure_of(explanation)})
    return figure
