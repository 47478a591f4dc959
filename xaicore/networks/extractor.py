"""One run of a network: where its feature maps f and its scores S are, and what it returned them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xaicore.networks.watch import Step, Tape

# where the channels are: (N, K, …) or (N, …, K)
Channels = Literal[1, -1]


class NotAGapClassifierError(ValueError):
    """The network is not of the form feature maps → global average pooling → one linear layer.

    Attributes:
        cells: how many places the last maps have that reach the scores; 0 without any.
    """

    def __init__(self, message: str, cells: int = 0) -> None:
        super().__init__(message)
        self.cells = cells


@dataclass(frozen=True)
class Place:
    """Where in a run of a network its feature maps and scores are.

    Attributes:
        features: how many steps ran after the one that made f, and which of its outputs f is.
        channels: which axis of f counts k: (N, K, …) or (N, …, K). `tokens`: whether its places are in a row.
        module: the module that returns f, by its path; None if no module does. `calls`: how often it is
            called again after that.
        scores: the same as `features` for S, where the network goes on to a softmax or the like; else None.
        output: which part of what the network returns the scores are in; None if it returns one tensor.
    """

    features: tuple[int, int]
    channels: Channels
    tokens: bool
    module: str | None
    calls: int
    scores: tuple[int, int] | None
    output: int | str | None


class Extractor(nn.Module):
    """A network that returns {"features": f (N, K, h, w), "scores": S (N, C)} of a batch, both its own.

    Gradients flow from S to f where a module returns f as (N, K, h, w), and not where f had to be rearranged.
    """

    def __init__(self, network: nn.Module, place: Place) -> None:
        super().__init__()
        self.network, self.place = network, place

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """One run of the network on (N, channels, h', w')."""
        place = self.place
        caught: list[Tensor] = []
        if place.module is not None and place.scores is None:
            home = self.network.get_submodule(place.module)
            hook = home.register_forward_hook(lambda module, args, out: caught.append(out))
            try:
                returned = self.network(batch)
            finally:
                hook.remove()
            f, s = caught[-1 - place.calls], pick(returned, place.output)
        else:
            last = 1 + max(place.features[0], place.scores[0] if place.scores else 0)
            with torch.no_grad(), Tape(last) as tape:
                returned = self.network(batch)
            f = _at(tape.steps, place.features)
            s = _at(tape.steps, place.scores) if place.scores else pick(returned, place.output)
        maps = as_grid(f, place.channels, batch.shape[-2:])
        return {"features": maps, "scores": s.reshape(len(batch), -1)}


def _at(steps: Sequence[Step], where: tuple[int, int]) -> Tensor:
    return steps[-1 - where[0]].tensors()[where[1]]


def as_grid(f: Tensor, channels: Channels, size: Sequence[int]) -> Tensor:
    """Feature maps in whatever form as (N, K, h, w); tokens are taken row by row.

    Raises NotAGapClassifierError for tokens that don't fill a grid over an input of `size` = (h', w').
    """
    if f.ndim == 4:
        return f if channels == 1 else f.movedim(-1, 1)
    f = f if channels == 1 else f.movedim(-1, 1)
    tokens = f.shape[2]
    side = (size[0] * size[1] / tokens) ** 0.5  # of the square of pixels behind one token
    height, width = round(size[0] / side), round(size[1] / side)
    if height * width != tokens:
        raise NotAGapClassifierError(
            f"The average is over {tokens} places, which don't fill a grid over {size[0]}×{size[1]} pixels: "
            "a token that stands for no place, such as a class token, may be among them"
        )
    return f.reshape(*f.shape[:2], height, width)


# --- what the network returned ---------------------------------------------------------------------------


def parts(returned: Any) -> dict[Any, Tensor]:
    """The tensors of floating point numbers in what a network returned, by name or number."""
    if isinstance(returned, Mapping):
        named: Any = returned.items()
    elif is_dataclass(returned):
        named = ((f.name, getattr(returned, f.name)) for f in fields(returned))
    elif hasattr(returned, "_asdict"):
        named = returned._asdict().items()
    elif isinstance(returned, (tuple, list)):
        named = enumerate(returned)
    else:
        raise NotAGapClassifierError(
            f"The network returns {type(returned).__name__}, not a tensor of scores. Wrap it in a module "
            "that returns the scores alone."
        )
    return {name: t for name, t in named if isinstance(t, Tensor) and t.is_floating_point()}


def choose_output(
    returned: Any, batch: int, output: int | str | None
) -> list[tuple[int | str | None, Tensor]]:
    """What may be the scores, likeliest first: what was asked for, else "logits", else all (N, C) there are.

    Raises NotAGapClassifierError if there is none.
    """
    if isinstance(returned, Tensor):
        if output is not None:
            raise ValueError(f"output={output!r}: the network returns one tensor. Leave output= out.")
        return [(None, as_scores(returned, batch))]
    named = parts(returned)
    if output is None and isinstance(getattr(returned, "logits", None), Tensor):
        named["logits"] = returned.logits
    if output is not None:
        if output not in named:
            raise ValueError(f"output={output!r}: the network returns {', '.join(map(repr, named))}.")
        return [(output, as_scores(named[output], batch))]
    if "logits" in named:
        return [("logits", as_scores(named["logits"], batch))]
    fit: list[tuple[int | str | None, Tensor]] = [
        (name, as_scores(t, batch)) for name, t in named.items() if t.ndim == 2 and len(t) == batch
    ]
    if not fit:
        raise NotAGapClassifierError(
            f"The network returns {type(returned).__name__} without a tensor of scores of shape (N, C). "
            "Wrap it in a module that returns the scores alone."
        )
    return fit


def pick(returned: Any, output: int | str | None) -> Tensor:
    """The part of what the network returned that `output` names."""
    if output is None:
        assert isinstance(returned, Tensor)
        return returned
    if isinstance(output, str) and not isinstance(returned, Mapping):
        return getattr(returned, output)  # type: ignore[no-any-return]
    return returned[output]  # type: ignore[no-any-return]


def as_scores(tensor: Tensor, batch: int) -> Tensor:
    """(N, C) as it is, (N,) as the one logit of a binary network; everything else is refused."""
    if tensor.ndim not in (1, 2) or len(tensor) != batch or not tensor.is_floating_point():
        raise NotAGapClassifierError(
            f"The network returns a tensor of shape {tuple(tensor.shape)} for {batch} pictures; scores have "
            "shape (N, C), one for each picture and class. Wrap it in a module that returns such scores."
        )
    return tensor
