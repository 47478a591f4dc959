"""How fast is it? python -m benchmarks.speed: everything in units of one forward pass, timed in turn with it.

Writes `xaicore/book/measured/speed.csv`, a row a measured thing: its median, least and most over the rounds,
in forward passes of ResNet50 on an input of 224×224 pixels (the network alone, `torch.inference_mode`). And
`speed.json`: the machine, and what a pass takes there. The page *How fast is it?* shows both.

    photo      from a decoded photograph to the table of regions, by its size
    memory     the most memory above what was there with the photograph, in MB, in a process of its own
    segments   the same for one photograph, by the number of superpixels asked for
    classes    maps of so many classes, regions and all, from one prediction
    pass       the same pass in other ways, and right after a product of NumPy's
"""

from __future__ import annotations

import argparse
import copy
import csv
import ctypes
import datetime
import importlib.metadata
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.fx.experimental.optimization import fuse
from tqdm import tqdm

from xaicore.explanation import Settings, explain
from xaicore.networks.gap import GapClassifier
from xaicore.networks.load import load_resnet50
from xaicore.pictures.reading import Photo
from xaicore.pictures.samples import sample_image
from xaicore.regions.averages import secam

MEASURED = Path(__file__).resolve().parent.parent / "xaicore/book/measured"
SIZES = ((512, 512), (1200, 800), (2400, 1602), (4000, 3000), (6000, 4000))  # width, height
SEGMENTS = (25, 50, 100, 200, 400, 800)
CLASSES = (1, 5, 25, 100)
ROUNDS = 7
PACKAGES = ("torch", "torchvision", "numpy", "scikit-image")
Row = tuple[str, str, str, float, float, float]


def photo(width: int, height: int) -> Photo:
    """A sample photograph enlarged: its edges stay where they are, as those of a large photograph do."""
    return np.asarray(
        Image.fromarray(sample_image("coffee")).resize((width, height), Image.Resampling.BICUBIC)
    )


def seconds(work: Callable[[], Any]) -> float:
    """What one call takes by the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(works: Mapping[Any, Callable[[], Any]], one_pass: Callable[[], Any]) -> dict[Any, list[float]]:
    """Each work in units of a pass that was timed just before it, so that both meet the same load."""
    found: dict[Any, list[float]] = {name: [] for name in works}
    for round_ in range(ROUNDS + 1):  # the first warms up
        for name, work in works.items():
            unit = statistics.median(seconds(one_pass) for _ in range(3))
            took = seconds(work) / unit
            if round_:
                found[name].append(took)
    return found


def regions_of(model: GapClassifier, image: Photo, **options: Any) -> None:
    """From the decoded photograph to the table."""
    secam(model.predict(image), **options).regions(top=5)


def explained(model: GapClassifier, image: Photo, settings: Settings) -> None:
    explain(settings.look(model, image), settings)


def memory(width: int, height: int) -> float:
    """MB above what the process had with the photograph in it, at most."""
    code = f"import benchmarks.speed as s; print(s.grown({width}, {height}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def grown(width: int, height: int) -> float:
    """The same in this process, which has run the network on a small photograph before."""
    model, image = load_resnet50(progress=False), photo(width, height)
    regions_of(model, photo(512, 512))
    ctypes.CDLL(None).malloc_trim(0)  # what was freed is given back, or it would serve the next unseen
    status = Path("/proc/self/status")
    now = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    regions_of(model, image)
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return (peak - now) / 1000


def passes(model: GapClassifier, batch: torch.Tensor) -> dict[tuple[str, str], Callable[[], Any]]:
    """One forward pass, done otherwise."""
    plain = model.network
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    folded, half = fuse(copy.deepcopy(plain)), copy.deepcopy(plain).bfloat16()
    left, right = np.ones((1000, 7)), np.ones((7, 1000))

    def run(network: Any, x: torch.Tensor) -> Any:
        with torch.inference_mode():
            return network(x)

    def after_a_product() -> None:
        left @ right
        run(plain, batch)

    rows: dict[str, Callable[[], Any]] = {
        "as it is": partial(run, plain, batch),
        "channels last": partial(run, last, batch.to(memory_format=torch.channels_last)),
        "batch norm folded": partial(run, folded, batch),
        "bfloat16": partial(run, half, batch.bfloat16()),
        "after a product of NumPy's": after_a_product,
    }
    return {(name, "pass"): work for name, work in rows.items()}


def measure() -> list[Row]:
    """All rows."""
    model = load_resnet50(progress=False)
    batch = torch.rand(1, 3, 224, 224)

    def one_pass() -> None:
        with torch.inference_mode():
            model.network(batch)

    rows: list[Row] = []

    def add(part: str, works: Mapping[tuple[str, str], Callable[[], Any]]) -> None:
        for (what, measure_), took in in_turn(works, one_pass).items():
            rows.append((part, what, measure_, statistics.median(took), min(took), max(took)))

    focus = Settings(kind="focus", resize="crop")
    for width, height in tqdm(SIZES, unit="size"):
        what, image = f"{width} × {height}", photo(width, height)
        works: dict[tuple[str, str], Callable[[], Any]] = {
            (what, "prediction"): partial(model.predict, image),
            (what, "regions"): partial(regions_of, model, image),
            (what, "focus"): partial(explained, model, image, focus),
        }
        add("photo", works)
        if sys.platform == "linux":
            grown_by = memory(width, height)
            rows.append(("memory", what, "MB", grown_by, grown_by, grown_by))
    add("pass", passes(model, batch))
    image = photo(1200, 800)
    add("segments", {(str(n), "regions"): partial(regions_of, model, image, segments=n) for n in SEGMENTS})
    seen = model.predict(image)
    labels = Settings().cut(image)

    def of_classes(count: int) -> None:
        for c in range(count):
            secam(seen, c, labels=labels).regions(top=5)

    add("classes", {(str(n), "maps"): partial(of_classes, n) for n in CLASSES})
    return rows


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = load_resnet50(progress=False)
    batch = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        passes = [seconds(partial(model.network, batch)) for _ in range(30)]
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "date": datetime.date.today().isoformat(),
        "processor": cpu,
        "threads": torch.get_num_threads(),
        "pass in ms": round(1000 * statistics.median(passes), 1),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=MEASURED, help="folder of speed.csv and speed.json")
    out: Path = parser.parse_args(arguments).out
    on = machine()  # first, while nothing else has run
    rows = measure()
    with (out / "speed.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["part", "what", "measure", "median", "least", "most"])
        writer.writerows([*row[:3], *(f"{value:.3g}" for value in row[3:])] for row in rows)
    (out / "speed.json").write_text(json.dumps(on, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
