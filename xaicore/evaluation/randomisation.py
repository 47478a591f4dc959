"""Does a map depend on what the network learned? Its layers lose their training, one after another."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import stats
from torch import nn


def cascading_randomisation(
    network: nn.Module, layers: Sequence[str], seed: int = 0
) -> Iterator[tuple[str, nn.Module]]:
    """Copies of the network whose first 1, 2, … named layers have lost their training.

    The model parameter randomisation test of Adebayo et al. 2018 (section 3). Name the layers from the head
    downwards: each is drawn anew, together with all those before it, by its own `reset_parameters`. Compare
    the maps with :func:`rank_correlation`, which keeps the sign.

    Raises:
        ValueError: a name that isn't one of the network's modules, or a module without parameters.
    """
    network = copy.deepcopy(network)
    known = dict(network.named_modules())
    for name in layers:
        if name not in known:
            raise ValueError(f"No module is called {name!r}; see dict(network.named_modules()).")
        if not list(known[name].parameters()):
            raise ValueError(f"{name!r} has no parameters to draw anew.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in layers:
            for module in known[name].modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
            yield name, copy.deepcopy(network)


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's ρ of two maps, in [−1, 1], signed: an inverted map is −1. NaN if one of them is constant."""
    a, b = np.ravel(np.asarray(a, float)), np.ravel(np.asarray(b, float))
    if a.shape != b.shape:
        raise ValueError(f"The maps have {a.size} and {b.size} pixels; compare maps of one size.")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)
