"""Where other people's networks come from, by name: torchvision and timm, each asked in the same words."""

from __future__ import annotations

import difflib
import importlib
import math
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import torchvision.models
from PIL import Image
from torch import nn
from torchvision.models import get_model, get_model_weights

from xaicore.networks.fetch import FetchError, check_reachable, download
from xaicore.networks.gap import Preprocessing
from xaicore.networks.weights import WeightsUnavailableError, hub_folder

IMAGENET = 1000  # classes; a network with as many has these unless told otherwise


@dataclass(frozen=True)
class Trained:
    """A network with its published weights. `file`: where they are, `address`: where they come from."""

    network: nn.Module
    title: str
    file: Path
    address: str


@dataclass(frozen=True)
class Family:
    """One package of networks.

    Attributes:
        prefix: what stands before the colon: "torchvision", "timm".
        names: the names there are.
        trained: the network of a name, with its published weights; asks for a progress bar or none.
        empty: the network of a name without weights, for so many classes (None: as published) and for the
            names of the tensors that it is to take.
        head: the name of its last linear layer.
        preprocessing: how it wants its photographs.
    """

    prefix: str
    names: Callable[[], list[str]]
    trained: Callable[[str, bool], Trained]
    empty: Callable[[str, int | None, Collection[str]], nn.Module]
    head: Callable[[nn.Module], str]
    preprocessing: Callable[[str, nn.Module], Preprocessing]

    def check(self, name: str) -> None:
        """Raise ValueError, with near names, unless there is a network of that name."""
        names = self.names()
        if name in names:
            return
        near = difflib.get_close_matches(name.lower(), names, n=4, cutoff=0.5)
        hint = f" Did you mean {', '.join(f'{self.prefix}:{n}' for n in near)}?" if near else ""
        raise ValueError(f"{self.prefix} has no network called {name!r}.{hint}")


def unavailable(name: str, error: Exception, address: str, do: str) -> WeightsUnavailableError:
    """The error for weights that are not here and can't be fetched."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return WeightsUnavailableError(
        f"The trained weights of {name} can't be downloaded ({reason}). Where there is a network, fetch "
        f"{address} and {do}."
    )


def _unreadable(file: Path, error: Exception) -> WeightsUnavailableError:
    """The error for published weights that are here, and can't be read."""
    why = f"can't be read ({error})" if isinstance(error, OSError) else f"is damaged ({type(error).__name__})"
    return WeightsUnavailableError(f"The file {file} {why}. Delete it; it is then fetched again.")


def hub_download(url: str, progress: bool) -> Path:
    """Where torch.hub keeps the file of an address; fetched if it isn't there, and then checked.

    A name such as resnet18-f37072fd.pth tells the first digits of its SHA-256.

    Raises:
        FetchError, OSError: it can't be fetched or written, or is another file.
    """
    file = hub_folder() / "checkpoints" / url.rsplit("/", 1)[-1]
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")  # another process may fetch it too
    try:
        download(url, part, progress)
        told = re.search(r"-([0-9a-f]{8,})\.", file.name)
        digest = pooch.file_hash(str(part), alg="sha256")
        if told and not digest.startswith(told[1]):
            raise FetchError(f"wrong checksum, sha256 starts with {digest[:8]} and not with {told[1]}")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


# --- torchvision -----------------------------------------------------------------------------------------


def torchvision_entry(name: str) -> Any:
    """The weights entry of `resnet101` (the first published one) or of `resnet101.IMAGENET1K_V2`."""
    base, _, tag = name.partition(".")
    entries = get_model_weights(base)
    if not tag:
        return entries["IMAGENET1K_V1"] if "IMAGENET1K_V1" in entries.__members__ else entries["DEFAULT"]
    return entries[tag]


def _torchvision_names() -> list[str]:
    names = torchvision.models.list_models(module=torchvision.models)
    return [*names, *(f"{name}.{tag}" for name in names for tag in get_model_weights(name).__members__)]


def _torchvision_trained(name: str, progress: bool) -> Trained:
    entry = torchvision_entry(name)
    try:
        file = hub_download(entry.url, progress)  # torch.hub itself waits for ever for a host that stalls
    except (FetchError, OSError) as error:
        folder = hub_folder() / "checkpoints"
        raise unavailable(name, error, entry.url, f"put it into the folder {folder}") from error
    try:
        network = get_model(name.partition(".")[0], weights=entry, progress=progress)
    except Exception as error:  # a cut file fails in many ways
        raise _unreadable(file, error) from error
    return Trained(network, f"torchvision's {entry}", file, entry.url)


def _torchvision_empty(name: str, classes: int | None, keys: Collection[str]) -> nn.Module:
    base = name.partition(".")[0]
    options: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if base in ("googlenet", "inception_v3"):  # as they are built with trained weights
        auxiliary = any("aux1." in key or "AuxLogits." in key for key in keys)
        options |= {"aux_logits": auxiliary, "transform_input": True, "init_weights": False}
    network: nn.Module = get_model(base, weights=None, **options)
    return network


def _last_linear(network: nn.Module) -> str:
    linear: list[str] = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"{type(network).__name__} has no linear layer, so it has no exact map.")
    return linear[-1]


# --- timm ------------------------------------------------------------------------------------------------


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise ImportError(f"This network needs the package timm ({error}): pip install timm") from None


def _timm_names() -> list[str]:
    timm = _timm()
    return [*timm.list_models(), *timm.list_pretrained()]


def _timm_trained(name: str, progress: bool) -> Trained:
    timm = _timm()
    settings = timm.models.get_pretrained_cfg(name)
    if not settings or not (settings.hf_hub_id or settings.url):
        raise ValueError(f"timm has no trained weights for {name}. Name a file of yours: timm:{name}@FILE.")
    file, address = hub_file(name, settings, progress)
    try:
        network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(file)})
    except Exception as error:  # a cut file fails in many ways
        raise _unreadable(file, error) from error
    return Trained(network, f"timm's {name}", file, address)


def hub_file(name: str, settings: Any, progress: bool) -> tuple[Path, str]:
    """Where timm's weights for a network are on this machine, fetched if they weren't, and their address.

    Raises:
        WeightsUnavailableError: they can't be fetched.
    """
    do = f"name the file: timm:{name}@FILE"
    if not settings.hf_hub_id:
        try:
            return hub_download(settings.url, progress), settings.url
        except (FetchError, OSError) as error:
            raise unavailable(name, error, settings.url, do) from error
    hub = importlib.import_module("huggingface_hub")
    wanted = settings.hf_hub_filename or "model.safetensors"
    address = hub.hf_hub_url(settings.hf_hub_id, wanted)
    cached = hub.try_to_load_from_cache(settings.hf_hub_id, wanted)
    if isinstance(cached, str):  # asked first, so that no network is needed
        return Path(cached), address
    try:
        check_reachable(address)  # within seconds; the hub's own client tries again and again
        return Path(hub.hf_hub_download(settings.hf_hub_id, wanted)), address
    except Exception as error:  # the client's errors are of many types
        raise unavailable(name, error, address, do) from error


def _timm_empty(name: str, classes: int | None, keys: Collection[str]) -> nn.Module:
    options = {} if classes is None else {"num_classes": classes}
    network: nn.Module = _timm().create_model(name, pretrained=False, **options)
    return network


def _timm_head(network: nn.Module) -> str:
    head: Any = getattr(network, "pretrained_cfg", {}).get("classifier")
    return head if isinstance(head, str) else _last_linear(network)


def _timm_preprocessing(name: str, network: nn.Module) -> Preprocessing:
    """From the network's data settings; the shorter side becomes ⌊input size / crop share⌋, as in timm."""
    _timm()
    data: Any = importlib.import_module("timm.data")
    wants = data.resolve_model_data_config(network)
    channels, height, width = wants["input_size"]
    if channels != 3 or height != width:
        raise ValueError(f"timm:{name} takes {channels} × {height} × {width} inputs; only 3 × n × n will do.")
    word = wants["interpolation"].upper()
    return Preprocessing(
        resize_size=math.floor(height / wants["crop_pct"]),
        crop_size=height,
        mean=tuple(wants["mean"]),
        std=tuple(wants["std"]),
        interpolation=Image.Resampling[word]
        if word in Image.Resampling.__members__
        else Image.Resampling.BICUBIC,
    )


FAMILIES = {
    family.prefix: family
    for family in (
        Family(
            "torchvision",
            _torchvision_names,
            _torchvision_trained,
            _torchvision_empty,
            _last_linear,
            lambda name, network: Preprocessing.of(torchvision_entry(name)),
        ),
        Family("timm", _timm_names, _timm_trained, _timm_empty, _timm_head, _timm_preprocessing),
    )
}
