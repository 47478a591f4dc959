"""Trained networks, ready to use: ResNet50 with any of its weights, and other CNNs of torchvision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torchvision.models import ResNet50_Weights, get_model, get_model_weights, resnet50

from xaicore.networks.fetch import FetchError, check_reachable
from xaicore.networks.gap import GapClassifier, Preprocessing, gap_classifier
from xaicore.networks.msra import adapt_to_msra
from xaicore.networks.weights import SOURCES, fetch_resnet50

TORCHVISION = (
    "resnet18",
    "resnext50_32x4d",
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v2",
    "googlenet",
    "regnet_y_400mf",
)


def load_torchvision(name: str, progress: bool = True) -> GapClassifier:
    """A torchvision CNN with its trained weights `IMAGENET1K_V1`, by torchvision's name for it.

    Raises:
        NotAGapClassifierError: it has another form.
        RuntimeError: the weights are not on this machine and can't be downloaded; says what to do.
    """
    entry = get_model_weights(name)["IMAGENET1K_V1"]
    file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rsplit("/", 1)[-1]
    try:
        if not file.exists():
            check_reachable(entry.url)  # within seconds; torch.hub itself would wait for minutes
        network = get_model(name, weights=entry, progress=progress)
    except (FetchError, OSError) as error:
        raise RuntimeError(
            f"The trained weights of {name} can't be downloaded ({error}). Where there is a network, fetch "
            f"{entry.url} and put it into the folder {file.parent}."
        ) from error
    return gap_classifier(
        network,
        preprocessing=Preprocessing.of(entry),
        categories=entry.meta["categories"],
        provenance=f"torchvision's {entry}",
    )


def offered_models() -> dict[str, Callable[[], GapClassifier]]:
    """The explorer's choice of networks: ResNet50 from each source of weights, other torchvision CNNs."""
    choices: dict[str, Callable[[], GapClassifier]] = {"resnet50": partial(load_resnet50, "auto")}
    choices |= {f"resnet50, {source}": partial(load_resnet50, source) for source in SOURCES}
    return choices | {name: partial(load_torchvision, name) for name in TORCHVISION}


def load_resnet50(weights: str = "auto", progress: bool = True) -> GapClassifier:
    """ResNet50 trained on ImageNet-1k (He et al. 2016).

    Args:
        weights: "imagenet1k_v1" or "imagenet1k_v2" (torchvision), "msra" (He et al.'s own release), or
            "auto": the first of V1 and MSRA that is in the cache, else V1, else, where its host can't be
            reached, MSRA.
        progress: show a progress bar while downloading.

    Raises:
        ValueError: an unknown name.
        xaicore.networks.weights.WeightsUnavailableError: no source could be had; it says how to help.
    """
    state, provenance = fetch_resnet50(weights, progress)
    network = resnet50()
    if provenance.stride_in_1x1:
        adapt_to_msra(network)
    network.load_state_dict(state)
    entry = (
        ResNet50_Weights.IMAGENET1K_V2
        if provenance.source == "imagenet1k_v2"
        else ResNet50_Weights.IMAGENET1K_V1
    )
    return gap_classifier(
        network,
        preprocessing=Preprocessing.of(entry),
        categories=entry.meta["categories"],
        provenance=provenance,
    )
