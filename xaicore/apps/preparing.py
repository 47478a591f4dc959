"""What a worker process does of a photograph: read it, fit it to the network's input, cut it.

It needs no PyTorch, and gives back small arrays: what the network is to see, and the superpixels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from xaicore.apps.photos import named
from xaicore.explanation import Settings
from xaicore.pictures.blocks import Size
from xaicore.pictures.decoding import decode
from xaicore.pictures.geometry import Geometry, fit
from xaicore.pictures.reading import Photo, read_file
from xaicore.regions.labels import LabelMap


@dataclass(frozen=True)
class Plan:
    """What is to be done of each photograph.

    Attributes:
        settings: how it is explained.
        fittings: for each input size, how it becomes that:
            :attr:`xaicore.networks.preprocessing.Preprocessing.fitting`.
    """

    settings: Settings
    fittings: tuple[dict[str, Any], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A photograph, ready for the network.

    Attributes:
        sha256: of the bytes of its file.
        fitted: the input picture and its geometry, for each input size.
        cut: its superpixels; None where none are asked for.
        notes: the warnings on the way.
    """

    sha256: str
    fitted: tuple[tuple[Photo, Geometry], ...]
    cut: LabelMap | None
    notes: tuple[str, ...]

    @property
    def size(self) -> Size:
        """The photograph's (H, W)."""
        return self.fitted[0][1].photo_size

    @property
    def inputs(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the inputs: photographs that share them go through the network together."""
        return tuple(picture.shape for picture, _ in self.fitted)


def prepare(plan: Plan, photo: Path) -> Prepared | str:
    """A photograph, ready for the network; why not, in words, if it can't be had.

    No error is raised, since not every one can travel from one process to another.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            data, name = read_file(photo.absolute())
            image = decode(data, name)
            fitted = tuple(fit(image, plan.settings.resize, **fitting) for fitting in plan.fittings)
            cut = None if plan.settings.segmenter is None else plan.settings.cut(image)
        return Prepared(sha256(data).hexdigest(), fitted, cut, said(caught))
    except Exception as error:  # of whatever kind: it is told at the end, with the photograph's name
        return named(photo, error)


def said(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """The texts of the warnings for users, each once."""
    return tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)))
