"""Trained networks, ready to use: ResNet50 with any of its weights, other people's by name, and yours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pooch
import torch
from torch import nn
from torchvision.models import ResNet50_Weights, resnet50

from xaicore.networks.checkpoints import (
    ClassNames,
    classes_in,
    fitted,
    load_into,
    read_checkpoint,
    read_class_names,
)
from xaicore.networks.families import FAMILIES, IMAGENET, Family
from xaicore.networks.gap import GapClassifier, Preprocessing, gap_classifier
from xaicore.networks.msra import adapt_to_msra
from xaicore.networks.names import class_names
from xaicore.networks.provenance import RESNET50, SOURCES, Provenance, split_checkpoint
from xaicore.networks.weights import fetch_resnet50

TORCHVISION = (
    "resnet18",
    "resnext50_32x4d",
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v2",
    "googlenet",
    "regnet_y_400mf",
)


@contextmanager
def _in_float32() -> Iterator[None]:
    """Networks built here have float32 numbers, as published, whatever torch.set_default_dtype said."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@_in_float32()
def load_network(
    spec: str,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    classes: ClassNames | None = None,
    progress: bool = True,
) -> GapClassifier:
    """Any network of torchvision or timm that has an exact map, with its published weights or your own.

    ==============================  ====================================================================
    `torchvision:resnet101`         with the first weights that torchvision published; others by a dot:
                                    `torchvision:resnet101.IMAGENET1K_V2`
    `timm:resnet50.a1_in1k`         by timm's name for it
    `torchvision:resnet18@my.pth`   with the weights in a file; or say checkpoint="my.pth"
    `resnet50`                      the book's, see :func:`load_resnet50`; `resnet50:msra` for one source
    ==============================  ====================================================================

    Args:
        spec: as in the table.
        checkpoint: a file of weights: PyTorch's or safetensors; see
            :func:`xaicore.networks.checkpoints.read_checkpoint`. How many classes there are is taken from it.
            Photographs are prepared as for the published weights of that name.
        classes: names of the classes, or a file of them; see
            :func:`xaicore.networks.checkpoints.read_class_names` and
            :func:`xaicore.networks.names.class_names`. For one logit also two names, as in
            :func:`xaicore.networks.gap.gap_classifier`. Default: ImageNet's for a network with 1000
            classes, else "class 0", "class 1", …
        progress: show a progress bar while downloading.

    Raises:
        ValueError: a name that there is not (near names are suggested), a file that is missing or doesn't
            fit, or as many names as there are no classes. Also NotAGapClassifierError: of another form.
        ImportError: timm or safetensors is needed and not installed.
        xaicore.networks.weights.WeightsUnavailableError: the published weights can't be downloaded.
    """
    family, name, file = parse_network(spec, checkpoint)
    names = None if classes is None else read_class_names(classes)
    if family is None and file is None:
        return _renamed(load_resnet50(name or "auto", progress), names)
    family = family or FAMILIES["torchvision"]
    family.check(name or RESNET50)
    if file is None:
        return _published(family, name, names, progress)
    return _of_checkpoint(family, name or RESNET50, file, names)


def parse_network(
    spec: str, checkpoint: str | os.PathLike[str] | None = None
) -> tuple[Family | None, str, Path | None]:
    """What a network's name says: its family (None: the book's ResNet50), its name there, its checkpoint.

    Raises:
        ValueError: it says nothing, two checkpoints are named, or one by an empty name.
    """
    named, given = split_checkpoint(spec, checkpoint)
    file = None if given is None else Path(given).expanduser()
    prefix, _, name = named.partition(":")
    if prefix == RESNET50 and (not name or (name in ("auto", *SOURCES) and file is None)):
        return None, name, file
    if prefix in FAMILIES and name:
        return FAMILIES[prefix], name, file
    hint = f" Did you mean torchvision:{named}?" if named in FAMILIES["torchvision"].names() else ""
    if Path(spec).suffix in (".pth", ".pt", ".ckpt", ".bin", ".safetensors"):
        hint = f" For a file say of which architecture it is: torchvision:resnet18@{spec}."
    raise ValueError(
        f"No network is called {spec!r}; write torchvision:NAME, timm:NAME, or {RESNET50}, and @FILE after "
        f"it for weights of your own.{hint}"
    )


def _published(family: Family, name: str, names: Any, progress: bool) -> GapClassifier:
    trained = family.trained(name, progress)
    spec = f"{family.prefix}:{name}"
    title = trained.title if trained.title.split()[-1] == name else f"{spec}, {trained.title}"
    return _classifier(family, name, trained.network, names, title, trained.file, trained.address)


def _of_checkpoint(family: Family, name: str, file: Path, names: Any) -> GapClassifier:
    state = read_checkpoint(file)
    plain = family.empty(name, None, state)
    state = fitted(state, plain.state_dict(), file)
    network = family.empty(name, classes_in(state, family.head(plain), file), state)
    load_into(network, state, file)
    title = f"{family.prefix}:{name} with the weights in {file.name}"
    return _classifier(family, name, network, names, title, file, "a checkpoint")


def _classifier(
    family: Family, name: str, network: nn.Module, names: Any, title: str, file: Path, origin: str
) -> GapClassifier:
    """The network of that name, with the weights that are in `file`; a thousand classes are ImageNet's."""
    model = gap_classifier(
        network,
        categories=names,
        preprocessing=family.preprocessing(name, network),
        provenance=Provenance(
            source=f"{family.prefix}:{name}",
            title=title,
            path=file,
            sha256=pooch.file_hash(str(file), alg="sha256"),
            retrieved_from=origin,
        ),
    )
    if names is None and len(model.categories) == IMAGENET:
        names = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return _renamed(model, names)


def _renamed(model: GapClassifier, names: Any) -> GapClassifier:
    if names is None:
        return model
    return replace(model, categories=class_names(names, len(model.categories)))


def load_torchvision(name: str, progress: bool = True) -> GapClassifier:
    """A torchvision CNN with its trained weights `IMAGENET1K_V1`, by torchvision's name for it.

    Raises:
        NotAGapClassifierError: it has another form.
        ValueError: there is no such network.
        xaicore.networks.weights.WeightsUnavailableError: the weights are not on this machine and can't be
            downloaded; says what to do.
    """
    return load_network(f"torchvision:{name}", progress=progress)


def offered_models() -> dict[str, Callable[[], GapClassifier]]:
    """The explorer's choice of networks: ResNet50 from each source of weights, other torchvision CNNs."""
    choices: dict[str, Callable[[], GapClassifier]] = {"resnet50": partial(load_resnet50, "auto")}
    choices |= {f"resnet50, {source}": partial(load_resnet50, source) for source in SOURCES}
    return choices | {name: partial(load_torchvision, name) for name in TORCHVISION}


@_in_float32()
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
    with torch.device("meta"):  # no random weights first
        network = resnet50()
    if provenance.stride_in_1x1:
        adapt_to_msra(network)
    network.load_state_dict(state, assign=True)
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
