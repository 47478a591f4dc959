"""How long explaining a folder takes, in times of plain batched prediction of the same photographs.

    python -m benchmarks.folder FOLDER [PHOTOGRAPHS [WORKERS …]]

Prediction reads by Pillow, prepares by torchvision's transforms and runs batches of 16. Each round measures
all ways once, and every other round backwards, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights

from xaicore import Settings, load_resnet50
from xaicore.apps.folder import explain_folder
from xaicore.apps.photos import find_photos
from xaicore.networks.gap import GapClassifier

ROUNDS = 3
BATCH = 16


def predict(model: GapClassifier, photos: Sequence[Path]) -> list[int]:
    """The best class of each."""
    transform = ResNet50_Weights.IMAGENET1K_V1.transforms()
    found: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(photos), BATCH):
            pictures = [Image.open(photo).convert("RGB") for photo in photos[start : start + BATCH]]
            scores = model.network(torch.stack([transform(picture) for picture in pictures]))
            found += scores.argmax(dim=1).tolist()
    return found


def explained(model: GapClassifier, photos: Sequence[Path], settings: Settings, workers: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = explain_folder(photos, model, folder, settings, workers=workers, batch=BATCH, progress=False)
    assert done.explained == len(photos), done.failures


def measure(ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each way in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS):
        for name in list(ways)[:: 1 if round_ % 2 == 0 else -1]:
            start = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main(folder: str, number: str = "200", *workers: str) -> None:
    photos = find_photos([folder])[0][: int(number)]
    model = load_resnet50()
    predict(model, photos[:BATCH])
    ways: dict[str, Callable[[], object]] = {"prediction": partial(predict, model, photos)}
    numbers: list[int | None] = [int(n) for n in workers]
    for resize, n in product(("crop", "full"), numbers or [None]):
        settings = Settings.of({"resize": resize})
        name = f"explain_folder, {resize}, {'usual' if n is None else n} workers"
        ways[name] = partial(explained, model, photos, settings, n)
    seconds = measure(ways)
    plain = np.array(seconds["prediction"])
    for name, taken in seconds.items():
        ratio = np.median(np.array(taken) / plain)
        each = " ".join(f"{1000 * t / len(photos):.0f}" for t in taken)
        print(f"{name:<40} {ratio:.2f} times prediction; ms a photograph in each round: {each}")


if __name__ == "__main__":
    main(*sys.argv[1:])
