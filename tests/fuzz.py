"""Throw damaged input at what reads strangers' files and links: python tests/fuzz.py [SECONDS] [TARGET …]

    pictures   bytes → read_image: a picture, or an ImageError
    weights    a model's folder → convert_msra, a checkpoint → read_checkpoint: tensors, or their error
    links      a query → the playground's readLink (needs node): a state that its own link gives back

SECONDS is for each target. Anything else that is raised, a crash, gigabytes of memory or HANGS seconds at one
input is a finding: its input is kept in a file, which is named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import io
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HANGS = 30
GIGABYTES = 4
WORDS = (
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x80",
    b"\0\1",
    b"II*\0",
    b"IDAT",
)


# --- damage ----------------------------------------------------------------------------------------------


def damaged(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The bytes with one to six changes, mostly near their beginning, where formats keep their structure."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        if not found:
            break
        at = int(len(found) * chance.random() ** chance.choice((1, 3)))
        what = chance.randrange(7)
        if what == 0:
            found[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            word = chance.choice(WORDS)
            found[at : at + len(word)] = word
        elif what == 2:
            found[at : at + chance.randint(1, 8)] = chance.randbytes(chance.randint(0, 8))
        elif what == 3:
            del found[at : at + chance.randint(1, 64)]
        elif what == 4:
            found[at:at] = found[chance.randrange(len(found)) :][: chance.randint(1, 64)]
        elif what == 5:
            other = chance.choice(others)
            found[at : at + 64] = other[at : at + chance.randint(1, 128)]
        elif chance.random() < 0.3:
            del found[at:]
    return bytes(found)


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums that they should, so that damage gets past them."""
    at, kept = 8, [data[:8]]
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunk = data[at + 4 : at + 8 + length]
        kept.append(data[at : at + 4] + chunk + struct.pack(">I", zlib.crc32(chunk)))
        at += 12 + length
    return b"".join(kept)


def replaced(value: Any, chance: random.Random) -> Any:
    """The same JSON with something odd in one place."""
    odd = [None, True, -1, 0, 2**31, 2**63, 1e308, "", "x", [], {}, [[]], "../../../etc/passwd", "/dev/zero"]
    if chance.random() < 0.2 or not isinstance(value, (dict, list)) or not value:
        return chance.choice(odd)
    key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    value = copy.copy(value)
    if chance.random() < 0.2:
        del value[key]
    else:
        value[key] = replaced(value[key], chance)
    return value


# --- targets ---------------------------------------------------------------------------------------------


def pictures(chance: random.Random, folder: Path) -> Iterator[tuple[bytes, Callable[[], bool]]]:
    """Endless damaged files, each with what reads it and says whether it was still a picture."""
    from xaicore.pictures.reading import ImageError, read_image

    files = list(_picture_files())

    def read(data: bytes) -> bool:
        try:
            photo = read_image(data, max_pixels=1_000_000)
        except ImageError as error:
            assert "the bytes given" in str(error).lower(), error
            return False
        assert photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == "uint8", photo.shape
        return True

    while True:
        data = damaged(chance.choice(files), files, chance)
        if data.startswith(b"\x89PNG") and chance.random() < 0.7:
            data = with_checksums(data)
        yield data, lambda data=data: read(data)  # type: ignore[misc]


def _picture_files() -> Iterator[bytes]:
    import cv2
    import numpy as np
    import pillow_heif
    from PIL import Image, ImageCms, PngImagePlugin

    values = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photo = Image.fromarray(values)
    info = PngImagePlugin.PngInfo()
    info.add_text("words", "x" * 50, zip=True)
    turned = Image.Exif()
    turned[0x0112], turned[0x010F] = 6, "maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"exif": turned, "icc_profile": profile}
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((photo, form, {}) for form in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")),
        *((photo, form, {}) for form in ("JPEG2000", "PPM", "TGA")),
        *((photo, form, more) for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")),
        *((photo, "TIFF", {"compression": how}) for how in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
        *((photo.convert(mode), "TIFF", {}) for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F")),
        (ImageCms.profileToProfile(photo, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"),
                                   outputMode="LAB"), "TIFF", {}),
        *((photo.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo, "JPEG", {"progressive": True}),
        (photo, "PNG", {"pnginfo": info}),
        (photo, "TGA", {"compression": "tga_rle"}),
        (photo.convert("P"), "GIF", {"save_all": True, "append_images": [photo, photo]}),
        (photo, "WEBP", {"save_all": True, "append_images": [photo], "lossless": True}),
        (photo, "PNG", {"save_all": True, "append_images": [photo]}),
        (photo, "MPO", {"save_all": True, "append_images": [photo]}),
    ]  # fmt: skip
    for picture, form, options in kinds:
        file = io.BytesIO()
        picture.save(file, form, **options)
        yield file.getvalue()
    file = io.BytesIO()
    pillow_heif.from_pillow(photo).save(file, exif=turned)
    yield file.getvalue()
    for form in (".png", ".tiff"):
        yield cv2.imencode(form, values.astype(np.uint16) * 257)[1].tobytes()
    planes = bytes([0, 0]) + values.transpose(2, 0, 1).tobytes()
    yield b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHHIIIH", 3, 12, 16, 8, 3, 0, 0, 0, 0) + planes


def weights(chance: random.Random, folder: Path) -> Iterator[tuple[bytes, Callable[[], bool]]]:
    """Endless damaged models of TensorFlow.js and checkpoints of PyTorch, each with what reads it."""
    import torch

    from xaicore.networks.checkpoints import CheckpointError, read_checkpoint
    from xaicore.networks.fetch import FetchError
    from xaicore.networks.msra import convert_msra

    manifest, shard = _model()
    state = {"state_dict": {"fc.weight": torch.zeros(2, 3), "fc.bias": torch.ones(2)}, "epoch": 3}
    checkpoints = []
    for zipped in (True, False):
        torch.save(state, file := io.BytesIO(), _use_new_zipfile_serialization=zipped)
        checkpoints.append(file.getvalue())
    (folder / "model").mkdir()

    def tensors(read: Callable[[Path], Any], place: Path, refusal: type[Exception]) -> bool:
        try:
            found = read(place)
        except refusal:
            return False
        assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
        return True

    def convert(text: bytes, numbers: bytes) -> bool:
        (folder / "model/model.json").write_bytes(text)
        (folder / "model/shard").write_bytes(numbers)
        return tensors(convert_msra, folder / "model", FetchError)

    def load(data: bytes) -> bool:
        (folder / "a.pth").write_bytes(data)
        return tensors(read_checkpoint, folder / "a.pth", CheckpointError)

    assert convert(json.dumps(manifest).encode(), shard)
    while True:
        if chance.random() < 0.3:
            data = damaged(chance.choice(checkpoints), checkpoints, chance)
            yield data, lambda data=data: load(data)  # type: ignore[misc]
            continue
        odd: Any = manifest
        for _ in range(chance.randint(0, 2)):
            odd = replaced(odd, chance)
        text = json.dumps(odd).encode()
        if chance.random() < 0.3:
            text = damaged(text, [text], chance)
        numbers = shard[: chance.randrange(len(shard))] if chance.random() < 0.2 else shard
        yield text, lambda text=text, numbers=numbers: convert(text, numbers)  # type: ignore[misc]


def _model() -> tuple[dict[str, Any], bytes]:
    """A model with the names that the npm package has, its layers two channels wide."""
    shapes: dict[str, list[int]] = {"fc1000/kernel": [2, 3], "fc1000/bias": [3]}
    letters = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}
    parts = [
        f"{layer}{letter}_branch2{part}" for layer in letters for letter in letters[layer] for part in "abc"
    ]
    parts += [f"{layer}a_branch1" for layer in letters]
    for conv, norm in [("conv1", "bn_conv1"), *((f"res{part}", f"bn{part}") for part in parts)]:
        shapes |= {f"{conv}/kernel": [1, 1, 3 if conv == "conv1" else 2, 2], f"{conv}/bias": [2]}
        shapes |= {f"{norm}/{name}": [2] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    entries = [{"name": name, "shape": shape, "dtype": "float32"} for name, shape in shapes.items()]
    return {"weightsManifest": [{"paths": ["shard"], "weights": entries}]}, bytes(4 * 4 * len(shapes) * 3)


TARGETS: dict[str, Callable[[random.Random, Path], Iterator[tuple[bytes, Callable[[], bool]]]]] = {
    "pictures": pictures,
    "weights": weights,
}


# --- running ---------------------------------------------------------------------------------------------


def work(target: str, seconds: float, most: float, seed: int, folder: Path) -> None:
    """Run one target in this process; the input at work is in folder/input, for when it is the last."""
    inputs = TARGETS[target](random.Random(seed), folder)
    next(inputs)  # what is imported is not the input's fault
    _limit_memory()
    warnings.simplefilter("ignore")
    end, count, whole, slowest = time.monotonic() + seconds, 0, 0, 0.0
    while time.monotonic() < end and count < most:
        data, read = next(inputs)
        (folder / "input").write_bytes(data)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        start = time.monotonic()
        try:
            whole += read()
        except BaseException:
            traceback.print_exc()
            sys.exit(1)
        finally:
            faulthandler.cancel_dump_traceback_later()
        slowest = max(slowest, time.monotonic() - start)
        count += 1
    took = f"{time.monotonic() - (end - seconds):.0f} s"
    print(f"{target}: {count} inputs in {took}, {whole} still read; slowest {slowest:.2f} s. No finding.")


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (GIGABYTES << 30), resource.RLIM_INFINITY))


def run(target: str, seconds: float, most: float, seed: int) -> bool:
    """Run one target in a process of its own; True if there was no finding."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        folder = Path(place)
        if target == "links":
            if shutil.which("node") is None:
                print("links: left out, as there is no node.")
                return True
            if not (HERE / "js/vectors.json").exists():
                subprocess.run([sys.executable, str(HERE / "js/write_vectors.py")], check=True)
            script = [str(HERE / "js/fuzz.js"), str(seconds), str(seed), str(folder / "input"), str(most)]
            command = ["node", *script]
        else:
            command = [sys.executable, __file__, str(seconds), target, "--in", place]
            command += ["--seed", str(seed), "--most", str(most)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(command, env=environment)
        if done.returncode == 0:
            return True
        kept = Path(tempfile.gettempdir()) / f"finding-{target}-{seed}"
        shutil.copy(folder / "input", kept)
        print(f"{target}: exit code {done.returncode} at the input in {kept} (seed {seed}).", file=sys.stderr)
        return False


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seconds", nargs="?", type=float, default=600)
    parser.add_argument("targets", nargs="*", default=[*TARGETS, "links"], metavar="TARGET")
    parser.add_argument("--seed", type=int, default=None, help="to have the same inputs again")
    parser.add_argument("--most", type=float, default=math.inf, help="stop after so many inputs")
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    seed = random.randrange(10**6) if options.seed is None else options.seed
    if options.folder is not None:
        work(options.targets[0], options.seconds, options.most, seed, options.folder)
        return 0
    findings = [target for target in options.targets if not run(target, options.seconds, options.most, seed)]
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
