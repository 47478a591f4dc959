"""`xaicore explain`, once the command is understood: photographs in, figures and records out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from xaicore.apps.outputs import Outputs, figure_of
from xaicore.apps.photos import named, read_photo
from xaicore.apps.writing import write_files
from xaicore.explanation import Settings, explain
from xaicore.live import somebody_watches
from xaicore.networks.gap import GapClassifier
from xaicore.networks.names import Target, class_index
from xaicore.show.explained import table
from xaicore.show.records import fingerprint, record


def with_classes(
    settings: Settings, target: str | None, against: str | None, model: GapClassifier
) -> Settings:
    """The settings with the classes looked up by name, else by index; ValueError for one that isn't there."""

    def known(name: str | None, words: tuple[str, ...] = ()) -> Target | None:
        if name is None or name in words:
            return name
        is_index = name.isdecimal() and name not in model.categories
        return class_index(int(name) if is_index else name, model.categories)

    chosen, rival = known(target), known(against, ("rivals", "others"))
    if chosen is not None and chosen == rival:
        raise ValueError(f"{model.categories[int(chosen)]!r} against itself is zero everywhere.")
    return Settings.of({**settings.as_record(), "target": chosen, "against": rival})


def explain_photos(
    photos: Sequence[Path],
    model: GapClassifier,
    settings: Settings,
    outputs: Outputs,
    suffix: str,
    network: Mapping[str, Any],
    say: Callable[[str], None],
    failures: list[str],
) -> None:
    """Explain each photograph and write its figure and its record (.json) or table (.csv).

    What can't be read, explained or written stops none of the others.

    Args:
        network: what a record says of the network, besides its weights.
        say: is told of each photograph that is done.
        failures: of each that isn't, its name and why are added here.
    """
    for photo in tqdm(photos, disable=not somebody_watches() or len(photos) < 2, unit="photo"):
        try:
            say(_explain(photo, model, settings, outputs, suffix, network))
        except Exception as error:  # of whatever kind: it is told at the end, with the photograph's name
            failures.append(named(photo, error))


def _explain(
    photo: Path,
    model: GapClassifier,
    settings: Settings,
    outputs: Outputs,
    suffix: str,
    network: Mapping[str, Any],
) -> str:
    explanation = explain(settings.look(model, read_photo(photo)), settings)
    figure = figure_of(explanation)
    if suffix == ".csv":
        text = table([explanation])
    else:
        held = record(explanation, str(photo)) | {"network": dict(network)}
        text = json.dumps(held, indent=1, ensure_ascii=False, default=str)
    name, passed = outputs.claim(photo, photo.stem, fingerprint(explanation.heat.image), suffix)
    target = outputs.folder / name
    # a file's name that is no Unicode becomes JSON's own escape
    tables = {Path(f"{target}{suffix}"): text.encode("utf-8", "backslashreplace")}
    write_files({Path(f"{target}.png"): figure, **tables})
    taken = f"  ({outputs.folder / photo.stem} is taken by files that are not its own)" if passed else ""
    return f"{photo}\n{explanation.prediction.top()}\n→ {target}.png, {suffix}{taken}\n"
