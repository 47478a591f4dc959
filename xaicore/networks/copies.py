"""A caller's network, made ready: unwrapped, copied, in evaluation mode, with its own type of number."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter


def unwrapped(network: nn.Module) -> nn.Module:
    """The module inside DataParallel, an average of weights, or torch.compile."""
    wrappers = (
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        torch.optim.swa_utils.AveragedModel,
    )
    while True:
        if isinstance(network, wrappers):
            network = network.module
        elif isinstance(inside := getattr(network, "_orig_mod", None), nn.Module):
            network = inside
        else:
            return network


def copied(network: nn.Module) -> nn.Module:
    """A copy; tensors that a module computed from parameters, as weight norm does, are copied by value.

    Raises ValueError for lazy layers; and whatever a module's own way to be copied raises.
    """
    if any(isinstance(p, UninitializedParameter) for p in network.parameters()):
        raise ValueError("it holds lazy layers that have never run: run it once on a batch")
    computed = [
        value
        for module in network.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    ]
    return copy.deepcopy(network, {id(value): value.detach().clone() for value in computed})


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def number_type(network: nn.Module) -> torch.dtype:
    """The type of number that the network computes in: that of most of its parameters."""
    counts: Counter[torch.dtype] = Counter()
    for tensor in _tensors(network):
        if tensor.is_floating_point():
            counts[tensor.dtype] += tensor.numel()
    return counts.most_common(1)[0][0] if counts else torch.float32


def as_input(batch: Tensor, network: nn.Module, numbers: torch.dtype | None = None) -> Tensor:
    """The batch where the network is, in `numbers` or else :func:`number_type`.

    Raises ValueError for a network without numbers, on the device "meta".
    """
    device = next((t.device for t in _tensors(network)), batch.device)
    if device.type == "meta":
        raise ValueError(f"{type(network).__name__} is on the device 'meta', without numbers. Load it first.")
    return batch.to(device, numbers or number_type(network))


@contextmanager
def no_autocast(network: nn.Module) -> Iterator[None]:
    """Without the caller's autocast, under which scores and maps would silently lose digits."""
    device = next((tensor.device.type for tensor in _tensors(network)), "cpu")
    with ExitStack() as stack:
        for kind in {device, "cpu"}:
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """In evaluation mode for a moment; each module's own mode comes back."""
    modes = [(m, m.training) for m in network.modules() if hasattr(m, "training")]  # frozen ones have none
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def eager() -> Any:
    """Without compiling anything, where PyTorch can be told (2.6 and newer)."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance else nullcontext()
