"""Files that come with a trained network: its weights (a checkpoint), and the names of its classes.

A checkpoint is only ever read as tensors: nothing in a file is run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
ClassNames = str | os.PathLike[str] | Sequence[Any] | Mapping[Any, Any]

# under which name training scripts keep the weights beside the optimiser's state, the likeliest first
_KEPT_UNDER = ("state_dict", "model", "model_state_dict", "model_state", "net", "network", "weights")
_SOME = 4  # names in a message


class CheckpointError(ValueError):
    """A file of weights that can't be read, or isn't of this architecture; the message says what to do."""


# --- weights ---------------------------------------------------------------------------------------------


def read_checkpoint(path: Path) -> State:
    """The tensors in a file of weights, by name: PyTorch's (.pth, .pt, .ckpt, .bin) or safetensors.

    Where a training script put the weights beside other things, those under "state_dict", "model" and the
    like are taken; `torch.compile`'s "_orig_mod." is dropped from the names.

    Raises:
        CheckpointError: no such file, another kind of file, or one with more in it than tensors.
        ImportError: it is a safetensors file, and that package is missing.
    """
    if not path.is_file():
        raise CheckpointError(f"No file of weights at {path} (looked from {Path.cwd()}). Check the path.")
    held = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    if (state := _tensors(held)) is None:
        found = ", ".join(map(str, list(held)[:_SOME])) if isinstance(held, Mapping) else type(held).__name__
        raise CheckpointError(
            f"{path} holds no weights by name (but {found}). Save them by "
            "torch.save(network.state_dict(), path)."
        )
    return {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}


def _safetensors(path: Path) -> Any:
    try:
        safetensors = importlib.import_module("safetensors")
        torch_files = importlib.import_module("safetensors.torch")
    except ImportError:
        raise ImportError(f"{path} needs the package safetensors: pip install safetensors") from None
    try:
        return torch_files.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error}).") from None


def _pickled(path: Path) -> Any:
    # torchvision's and timm's training scripts put their options beside the weights (PyTorch 2.5 or newer)
    allowing = getattr(torch.serialization, "safe_globals", nullcontext)
    try:
        with allowing([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of another kind fails in many ways
        raise CheckpointError(
            f"{path} can't be read as weights alone ({type(error).__name__}). It is damaged, or holds a "
            "whole network or other Python objects, which are not loaded since they could run code. Where it "
            "was made, load it and save the weights alone: torch.save(network.state_dict(), path)."
        ) from error


def _tensors(held: Any, depth: int = 3) -> State | None:
    """The mapping of names to tensors in what a file holds, which may lie some mappings deep."""
    if not isinstance(held, Mapping) or not held or not depth:
        return None
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in held.items()):
        return dict(held)
    for name in _KEPT_UNDER:
        if (found := _tensors(held.get(name), depth - 1)) is not None:
            return found
    return None


def fitted(state: State, wanted: Iterable[str], where: object) -> State:
    """The tensors under an architecture's own names: without what stands before all of them.

    That is `module.` of a parallel network, `model.` of a Lightning module, or a prefix of another kind: the
    one with which most of the wanted names are there. Tensors without it belong to something else.

    Raises:
        CheckpointError: two parts of the file fit alike.
    """
    names = list(wanted)
    first = next((name for name in names if any(_ends(key, name) for key in state)), None)
    if first is None:
        return state
    prefixes = {key.removesuffix(first) for key in state if _ends(key, first)}
    counts = {prefix: sum(prefix + name in state for name in names) for prefix in prefixes}
    best = sorted(prefix for prefix, count in counts.items() if count == max(counts.values()))
    if len(best) > 1 and counts[best[0]] == len(names):
        raise CheckpointError(
            f"{where} holds this architecture {len(best)} times, under {', '.join(map(repr, best))}. "
            "Save the one that you mean by itself."
        )
    return {key.removeprefix(best[0]): value for key, value in state.items() if key.startswith(best[0])}


def _ends(key: str, name: str) -> bool:
    return key == name or key.endswith(f".{name}")


def classes_in(state: State, head: str, where: object) -> int:
    """How many classes the linear layer `head` of a checkpoint has: the rows of its weight (C, K).

    Raises:
        CheckpointError: it has no such layer, or one without rows.
    """
    weight = state.get(f"{head}.weight")
    if weight is None:
        raise CheckpointError(
            f"{where} has no last layer {head}.weight, but {_few(list(state)[-_SOME:])}. Is it of another "
            "architecture, or was the last layer replaced by something else than one linear layer?"
        )
    if (kind := _without_numbers(weight)) is not None:
        raise CheckpointError(f"{where} holds {head}.weight as a {kind} tensor. Save it as a plain one.")
    if weight.ndim == 0 or not len(weight):
        raise CheckpointError(
            f"{where} has no classes: its last layer {head}.weight has the shape {tuple(weight.shape)}, not "
            "(classes, feature maps)."
        )
    return len(weight)


def _without_numbers(tensor: Tensor) -> str | None:
    """What a tensor is if its numbers can't be taken as they are: sparse, say; None for a plain one."""
    if tensor.is_meta:
        return "meta"
    if tensor.is_quantized:
        return "quantised"
    return None if tensor.layout == torch.strided else str(tensor.layout).removeprefix("torch.")


def load_into(network: nn.Module, state: State, where: object) -> None:
    """Load a checkpoint into its architecture, in place.

    Raises:
        CheckpointError: a name or a shape is not the architecture's, or a tensor is not a plain one; a few
            are listed.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    others = [name for name in state if name not in own]
    shapes = [
        f"{name} is {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and value.shape != own[name].shape
    ]
    odd = [f"{name} ({kind})" for name, value in state.items() if (kind := _without_numbers(value))]
    wrong = [
        f"{len(names)} {words}: {_few(names)}"
        for names, words in (
            (missing, "of its tensors are missing"),
            (others, "are not its own"),
            (shapes, "have another shape"),
        )
        if names
    ]
    if wrong:
        raise CheckpointError(
            f"{where} is not of the architecture {type(network).__name__}: {'; '.join(wrong)}. Name the "
            "architecture that it was trained as."
        )
    if odd:
        raise CheckpointError(f"{where} holds tensors that are not plain ones: {_few(odd)}. Save plain ones.")
    network.load_state_dict(state, strict=False)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SOME]) + (", …" if len(names) > _SOME else "")


# --- names of classes ------------------------------------------------------------------------------------


def read_class_names(source: ClassNames) -> Any:
    """Class names as :func:`xaicore.networks.names.class_names` takes them, which puts them in order.

    Args:
        source: a text file with one name a line, a JSON file, or what such a file may hold: a list of names,
            or a dictionary from index to name or from name to index. Of several names for one class the last
            counts (as in `{"0": ["n01440764", "tench"]}`), and of a model's config.json its `id2label`.

    Raises:
        ValueError: no such file, or one of another form; says what is wrong.
    """
    held = _in_file(Path(source).expanduser()) if isinstance(source, (str, os.PathLike)) else source
    if isinstance(held, Mapping) and isinstance(held.get("id2label"), Mapping):
        held = held["id2label"]
    if isinstance(held, Mapping):
        return {key: _last(name) for key, name in held.items()}
    return [_last(name) for name in held] if isinstance(held, (list, tuple)) else held


def _in_file(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The class names can't be read from {path} ({error}).") from None
    if path.suffix.lower() != ".json":
        names = [line.strip() for line in text.rstrip().splitlines()]
        if not names:
            raise ValueError(f"{path} holds no class names: write one a line.")
        if "" in names:
            raise ValueError(f"{path} has no name for class {names.index('')}: that line is empty.")
        return names
    try:
        held = json.loads(text)
    except RecursionError:
        raise ValueError(f"{path} is no JSON file of class names: it is nested too deep.") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file ({error}).") from None
    if not isinstance(held, (list, dict)):
        raise ValueError(f"{path} holds a {type(held).__name__}, not a list or a dictionary of class names.")
    return held


def _last(name: Any) -> Any:
    return name[-1] if isinstance(name, list) and name else name
