"""Made-up pictures, and whether the places of the maps are those of the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from xaicore.networks.copies import as_input
from xaicore.networks.extractor import Extractor, NotAGapClassifierError, Place
from xaicore.networks.preprocessing import PLAIN, Preprocessing


def made_up(preprocessing: Preprocessing, height: int, width: int, seed: int) -> Tensor:
    """Four unlike inputs (4, channels, h, w): noise, faint noise, stripes, and a ramp that is half dark.

    They are normalised pictures with values in [0, 1]: some networks take no others.
    """
    random = torch.Generator().manual_seed(seed)
    channels = len(preprocessing.mean)
    noise = torch.rand(4, channels, height, width, generator=random, **PLAIN)
    sides = (torch.linspace(0, 1, side, **PLAIN) for side in (height, width))
    rows, columns = torch.meshgrid(*sides, indexing="ij")
    tints = torch.rand(channels, 1, 1, generator=random, **PLAIN)
    stripes = (0.5 + 0.5 * torch.sin(columns * (16 + 6 * seed))) * tints
    ramp = (rows * (columns > 0.5) + 0.1 * noise[3]).clamp(max=1) * tints.flip(0)
    pictures = torch.stack([noise[0], 0.4 + 0.1 * noise[1], stripes, ramp])
    return preprocessing.standardise(pictures)


def check_places(network: nn.Module, preprocessing: Preprocessing, size: int, place: Place) -> None:
    """Places have to lie where the picture has them, so far as a change of half the picture tells.

    A network that mixes all places, as untrained attention does, changes everywhere alike, and passes. One
    that mirrors or turns its input doesn't, nor do heads of attention as a grid. Tokens may be in any order,
    so that their halves have to tell.
    """
    random = torch.Generator().manual_seed(5)
    noise = torch.rand(2, len(preprocessing.mean), size, size, generator=random, **PLAIN)
    noise = as_input(preprocessing.standardise(noise), network)
    halves = [(axis, first) for axis in (2, 3) for first in (True, False)]
    pictures = noise[:1].repeat(1 + len(halves), 1, 1, 1)
    for picture, (axis, first) in zip(pictures[1:], halves, strict=True):
        _half(picture[None], axis, first).copy_(_half(noise[1:], axis, first))
    with torch.no_grad():
        whole, *changed = Extractor(network, place)(pictures)["features"].double().split(1)
    _, channels, height, width = whole.shape
    if not 0.5 < height / width < 2:
        raise NotAGapClassifierError(
            f"the average is over a grid of {height}×{width} for a square picture, so that its axes are not "
            "the picture's; they may be heads of attention, several maps of a class, or views side by side"
        )
    if min(height, width) < 2:
        return

    def ratios(axis: int, along: int) -> list[float]:
        """How many times as much that half changes, with one half of the picture and the other replaced."""
        parts = []
        for maps, (replaced, first) in zip(changed, halves, strict=True):
            if replaced == axis:
                change = (maps - whole).abs()
                inside, outside = (_half(change, along, side).mean().item() for side in (first, not first))
                parts.append((inside + 1e-12) / (outside + 1e-12))
        return parts

    for axis, other in ((2, 3), (3, 2)):
        own, others = ratios(axis, axis), ratios(axis, other)
        on, off = (math.prod(parts) ** 0.5 for parts in (own, others))
        astray = max(off, 1 / max(off, 1e-9)) > 2.5 * on
        if astray or (min(own) < 1.1 if place.tokens else on < 0.9):
            raise NotAGapClassifierError(
                "the places of the averaged maps are not those of the picture, as with sorted values or an "
                "input that is mirrored or turned: where half of the picture is replaced, that half of the "
                f"maps changes {on:.2f} times as much as the other ({channels} maps of {height}×{width})"
            )


def _half(tensor: Tensor, axis: int, first: bool) -> Tensor:
    """The upper or left, or else the lower or right half; of an odd number without the middle."""
    length = tensor.shape[axis] // 2
    return tensor.narrow(axis, 0 if first else tensor.shape[axis] - length, length)
