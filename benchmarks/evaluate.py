"""Measure every map by every protocol: `make evaluate`, or `python -m benchmarks.evaluate --help`.

Two tidy tables come out, a line per number: network, protocol, setting, method, picture, its companions in a
mosaic, measure, value. `choice` holds what the settings of `focus` were chosen by, on one half of the
photographs; `evaluation` what the book reports, on the other. They grow in a folder of their own, where an
interrupted run goes on; once both are whole, they are compared with the book's tables and take their place.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import json
import multiprocessing
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.cases import GRIDS, HALVES, INPUT, Lab
from benchmarks.controls import CONTROLS
from benchmarks.methods import CANDIDATES, OTHERS, OURS, VARIANTS, Method
from benchmarks.networks import fast, load_efficientnet_lite
from benchmarks.protocols import (
    Unit,
    grid,
    randomisation,
    removal_of_features,
    road,
    sensitivity,
    single,
    stability,
)
from xaicore import GapClassifier, load_resnet50
from xaicore.book.results import COLUMNS, RESULTS

Key = tuple[str, ...]
WORK = Path(__file__).resolve().parents[1] / "_build" / "evaluation"
RECORD = "environment.json"

NETWORKS: dict[str, Callable[[], GapClassifier]] = {
    "ResNet50": lambda: load_resnet50(progress=False),
    "EfficientNet-Lite0": lambda: load_efficientnet_lite(0),
    "EfficientNet-Lite2": lambda: load_efficientnet_lite(2),
}
CHEAP = ("Grad-CAM", "Grad-CAM++", "HiResCAM", "LayerCAM", "Eigen-CAM", "Finer-CAM")
# of hundreds of passes, and so on fewer photographs: how many
COSTLY = {
    "occlusion": 8,
    "integrated gradients": 8,
    "LIME": 5,
    "XRAI": 3,
    "KernelSHAP": 2,
    "XRAI, same superpixels": 2,
    "Score-CAM": 1,
}


@cache
def network(name: str) -> GapClassifier:
    return fast(NETWORKS[name]())


def pick(*names: str) -> dict[str, Method]:
    return {name: (OURS | OTHERS)[name] for name in names}


# --- the plans: which methods go through which protocols, what matters most first --------------------------


def plan_choice(name: str) -> Iterator[Unit]:
    """What the settings of `focus` were chosen by."""
    lab = Lab(network(name), "choose")
    for setting in ("2×2 at 224", "2×2 at 448", "3×3 at 672"):
        yield from grid(lab, CANDIDATES, setting)
    yield from single(lab, CANDIDATES)


def plan_report(name: str) -> Iterator[Unit]:
    """What the book reports of ResNet50."""
    lab = Lab(network(name), "report")
    controls, cheap = pick(*CONTROLS), pick(*CHEAP)
    few = pick("CAM", "SeCAM", "focus")
    for setting, (_, side, _) in GRIDS.items():  # the others, once a cell, would take hours on large inputs
        yield from grid(lab, OURS | controls | cheap if side == INPUT else OURS, setting)
    yield from single(lab, OURS | controls | cheap, kept=True)
    yield from grid(lab, VARIANTS, "2×2 at 224")
    yield from single(lab, VARIANTS, 6)
    yield from removal_of_features(lab, few | pick("random map"), 4)
    yield from road(lab, OURS | pick("random map", "centred blob", "Grad-CAM++", "LayerCAM"), 6)
    yield from randomisation(lab, pick("CAM", "SeCAM", "contrast", "focus"))
    yield from sensitivity(lab, few | pick("Grad-CAM"), 6)
    yield from stability(lab, few, 2)
    for method, photographs in COSTLY.items():
        yield from single(lab, pick(method), photographs)
    yield from stability(lab, pick("LIME"), 2)
    yield from grid(lab, pick("LIME", "occlusion", "integrated gradients"), "2×2 at 224", 2, first_only=True)


def plan_other(name: str) -> Iterator[Unit]:
    """Whether it holds for other networks, for which nothing was chosen."""
    lab = Lab(network(name), "report")
    for setting, (n, *_) in GRIDS.items():
        if len(lab.confident) >= n * n:
            yield from grid(lab, OURS, setting)
    yield from single(lab, OURS)


def plan_quick(name: str) -> Iterator[Unit]:
    """A little of everything, for the tests."""
    lab, few = Lab(network(name), "report"), pick("CAM", "SeCAM", "focus")
    yield from grid(lab, few, "2×2 at 224", 2, first_only=True)
    yield from single(lab, few, 2, kept=True)
    yield from removal_of_features(lab, few, 1)
    yield from stability(lab, few, 1)


Plan = Callable[[str], Iterator[Unit]]
WHOLE: dict[str, tuple[tuple[Plan, str], ...]] = {
    "choice": ((plan_choice, "ResNet50"),),
    "evaluation": (
        (plan_report, "ResNet50"),
        (plan_other, "EfficientNet-Lite0"),
        (plan_other, "EfficientNet-Lite2"),
    ),
}
QUICK: dict[str, tuple[tuple[Plan, str], ...]] = {"evaluation": ((plan_quick, "ResNet50"),)}


# --- working off a plan ------------------------------------------------------------------------------------


@cache
def units(plan: Plan, name: str) -> dict[Key, Unit]:
    """The plan's units by their key. Each process makes them for itself, as they can't be sent."""
    return {unit.key: unit for unit in plan(name)}


def start_worker() -> None:
    torch.set_num_threads(1)  # several processes of one thread each beat one of several threads


def work(plan: Plan, name: str, keys: list[Key]) -> tuple[list[tuple[str, ...]], float]:
    """The rows of some units that share their pictures, and the processor's seconds for them."""
    start = time.process_time()
    rows = []
    for key in keys:
        found = units(plan, name)[key].run()
        rows += [(name, *key, measure, f"{value:.6g}") for measure, value in found.items()]
    units(plan, name)[keys[-1]].case.memory.clear()
    return rows, time.process_time() - start


def jobs(plan: Plan, name: str, done: set[Key]) -> Iterator[tuple[Plan, str, list[Key]]]:
    """What is left of a plan, in parts that one process does at a stretch: the same pictures once."""

    def together(unit: Unit) -> Key:
        return (*unit.pictures, unit.method if unit.method in COSTLY else "")

    for _, part in groupby(units(plan, name).values(), together):
        keys = [unit.key for unit in part if (name, *unit.key) not in done]
        if keys:
            yield plan, name, keys


def measure(
    plans: Sequence[tuple[Plan, str]],
    file: Path,
    workers: int,
    taken: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Work off the plans, append each part as soon as it is done, and put the table in order at the end.

    `taken` is told the processor's seconds of each part.
    """
    known = read(file) if file.exists() else []
    write(file, known)
    done = {row[:6] for row in known}
    todo = [job for plan, name in plans for job in jobs(plan, name, done)]
    bar = tqdm(total=sum(len(keys) for *_, keys in todo), desc=file.stem, unit="unit", disable=None)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, start_worker) as pool, file.open("ab", buffering=0) as out:
        futures = {pool.submit(work, *job): len(job[2]) for job in todo}
        try:
            for future in as_completed(futures):
                rows, seconds = future.result()
                out.write(csv_text(rows).encode())  # in one call, so that a kill can't leave half a unit
                bar.update(futures[future])
                taken(seconds)
        except BaseException:  # interrupted, or a unit failed: what is done is kept, nothing more is begun
            pool.shutdown(cancel_futures=True)
            raise
    bar.close()
    keys = ((name, *key) for plan, name in plans for key in units(plan, name))
    order = {key: i for i, key in enumerate(keys)}
    measured = read(file)
    measured.sort(key=lambda row: order.get(row[:6], len(order)))
    write(file, measured)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def read(file: Path) -> list[tuple[str, ...]]:
    """The rows that are whole: a full disk may have left half of one."""
    text = file.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [tuple(row) for row in csv.reader(lines)][1:]


def write(file: Path, rows: Iterable[Sequence[str]]) -> None:
    part = file.with_suffix(".part")
    part.write_text(csv_text([COLUMNS, *rows]), encoding="utf-8")
    part.replace(file)


# --- the run -----------------------------------------------------------------------------------------------


def environment(names: Iterable[str]) -> dict[str, Any]:
    """What the numbers depend on."""
    packages = "torch torchvision numpy scipy scikit-image grad-cam captum lime saliency"
    packages += " efficientnet-lite-pytorch"
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "packages": {package: version(package) for package in packages.split()},
        "weights": {name: str(network(name).provenance) for name in names},
        "halves": HALVES,
    }


def begin(folder: Path, present: dict[str, Any]) -> dict[str, Any]:
    """The record of the run in this folder, a new one or one to go on with.

    Raises:
        SystemExit: the run there was begun with other packages, weights or another machine.
    """
    file = folder / RECORD
    if not file.exists():
        return present | {"processor minutes": {}, "clock minutes": {}}
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    other = [name for name in present if name in record and record[name] != present[name]]
    if other:
        raise SystemExit(
            f"The run in {folder} was begun with other {', '.join(other)} than there are now, and the two "
            f"don't mix. Go on as it was begun, or delete that folder to begin anew."
        )
    return record


def compared(old: Path, new: Path) -> str:
    """How the values of a table differ from those of another; times, which always do, are left out."""

    def values(file: Path) -> dict[Key, float]:
        rows = read(file) if file.exists() else []
        return {row[:7]: float(row[7]) for row in rows if row[6] != "time in passes"}

    before, after = values(old), values(new)
    both = before.keys() & after.keys()
    apart = sorted(abs(after[key] - before[key]) for key in both)
    largest = f"; the largest change is {apart[-1]:.2g}" if apart else ""
    same = sum(d < 1e-3 for d in apart)
    return (
        f"{new.stem}: {len(after)} values. {len(both)} were in the book's table, {same} of them the same to "
        f"0.001{largest}. {len(before) - len(both)} of the book's are gone."
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, help=f"folder for the tables, and the book's stay; default: {WORK}, then the book"
    )
    parser.add_argument("--quick", action="store_true", help="a few pictures and methods, as the tests do")
    parser.add_argument("--only", choices=[*WHOLE], help="this table alone")
    one = 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=one, help=f"processes side by side; default: {one}")
    args = parser.parse_args()
    if args.quick and not args.out:
        parser.error("--quick needs --out, as it doesn't measure the book's tables")
    start_worker()
    out: Path = args.out or WORK
    out.mkdir(parents=True, exist_ok=True)
    tables = QUICK if args.quick else WHOLE
    record = begin(out, environment({name: None for plans in tables.values() for _, name in plans}))
    for table, plans in tables.items():
        if args.only in (None, table):
            measure(plans, out / f"{table}.csv", args.workers, stopwatch(record, table, out / RECORD))
    record["finished"] = datetime.date.today().isoformat()
    save(record, out / RECORD)
    if args.out or args.only:
        print(f"Measured: {out}")
        return
    files = [f"{table}.csv" for table in tables]
    for name in files:
        print(compared(RESULTS / name, out / name))
    for name in [*files, RECORD]:
        shutil.move(out / name, RESULTS / name)
    print(f"The book's tables are replaced: {RESULTS}. `make notebooks` shows them in the chapters.")


def stopwatch(record: dict[str, Any], table: str, file: Path) -> Callable[[float], None]:
    """Adds to the record's minutes for a table: the processor's, and the clock's since the last part."""
    last = time.monotonic()

    def taken(seconds: float) -> None:
        nonlocal last
        now = time.monotonic()
        for kind, more in (("processor minutes", seconds), ("clock minutes", now - last)):
            record[kind][table] = round(record[kind].get(table, 0) + more / 60, 4)
        last = now
        save(record, file)

    return taken


def save(record: dict[str, Any], file: Path) -> None:
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
