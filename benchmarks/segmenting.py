"""How well superpixels follow what people outline, by working size: python -m benchmarks.segmenting FOLDER

FOLDER holds BSDS500's photographs and human segmentations (Martin et al. 2001; Arbeláez et al. 2011), each
photograph with a .mat file of its name, from github.com/BIDS/BSDS500. One row for each working size (pixels
that are cut) and number of iterations goes to `xaicore/book/measured/segmenting.csv`.

The standard measures (Stutz et al. 2018), each the mean over a photograph's human segmentations G:

    boundary recall        share of G's boundary pixels with a boundary of the superpixels within 2 pixels
    undersegmentation      (1/N) Σ_g Σ_(s∩g≠∅) min(|s∩g|, |s| − |s∩g|)     (Neubert & Protzel 2012)
    achievable accuracy    (1/N) Σ_s max_g |s∩g|

and the adjusted Rand index with the superpixels cut at full size.
"""

from __future__ import annotations

import argparse
import csv
import sys
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.ndimage import maximum_filter
from skimage.segmentation import find_boundaries
from sklearn.metrics import adjusted_rand_score
from tqdm import tqdm

from benchmarks.patches import SEGMENTS
from xaicore.pictures.reading import read_image
from xaicore.regions.segmenters import superpixels

TABLE = Path(__file__).resolve().parent.parent / "xaicore/book/measured/segmenting.csv"
SIZES = (20_000, 40_000, 80_000)  # and all
ITERATIONS = (2, 5, 10)
NEAR = 2  # pixels

Array = NDArray[Any]


def boundary_recall(labels: Array, truth: Array, near: int = NEAR) -> float:
    """Share of the truth's boundary pixels with one of `labels` at most `near` rows and columns off."""
    wanted = find_boundaries(truth, mode="thick")
    found = maximum_filter(find_boundaries(labels, mode="thick"), size=2 * near + 1)
    return float(found[wanted].mean()) if wanted.any() else 1.0


def overlaps(labels: Array, truth: Array) -> Array:
    """(superpixels, segments): how many pixels each superpixel has in each segment of the truth."""
    _, s = np.unique(labels, return_inverse=True)
    _, g = np.unique(truth, return_inverse=True)
    s, g = s.ravel(), g.ravel()
    both = np.bincount(s * (g.max() + 1) + g, minlength=(s.max() + 1) * (g.max() + 1))
    return both.reshape(s.max() + 1, g.max() + 1)


def undersegmentation_error(labels: Array, truth: Array) -> float:
    """(1/N) Σ_g Σ_(s∩g≠∅) min(|s∩g|, |s| − |s∩g|), in [0, 1]; 0 where no superpixel leaks."""
    both = overlaps(labels, truth)
    return float(np.minimum(both, both.sum(axis=1, keepdims=True) - both).sum() / both.sum())


def achievable_accuracy(labels: Array, truth: Array) -> float:
    """(1/N) Σ_s max_g |s∩g|, in [0, 1]: the accuracy of the best segmentation made of whole superpixels."""
    both = overlaps(labels, truth)
    return float(both.max(axis=1).sum() / both.sum())


MEASURES = {
    "boundary recall": boundary_recall,
    "undersegmentation": undersegmentation_error,
    "achievable accuracy": achievable_accuracy,
}


def outlines(photo: Path, folder: Path) -> list[Array]:
    """The human segmentations of a photograph, (H, W) whole numbers each."""
    (file,) = folder.rglob(f"{photo.stem}.mat")
    return [found["Segmentation"][0, 0] for found in loadmat(file)["groundTruth"][0]]


def measured(photo: Path, folder: Path) -> list[dict[str, Any]]:
    """One row for each working size and number of iterations."""
    image, truths = read_image(photo), outlines(photo, folder)
    whole = image.shape[0] * image.shape[1]

    def cut(pixels: int, iterations: int) -> Array:
        return superpixels(image, SEGMENTS, pixels=pixels, max_num_iter=iterations)

    full, rows = cut(whole, max(ITERATIONS)), []
    for pixels, iterations in product((*SIZES, whole), ITERATIONS):
        labels = cut(pixels, iterations)
        row: dict[str, Any] = {"photo": photo.stem, "pixels": "all" if pixels == whole else pixels}
        row |= {"iterations": iterations, "superpixels": int(labels.max()) + 1}
        row |= {name: fmean(f(labels, truth) for truth in truths) for name, f in MEASURES.items()}
        rows.append(row | {"adjusted Rand": adjusted_rand_score(full.ravel(), labels.ravel())})
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="BSDS500's photographs and segmentations")
    folder: Path = parser.parse_args(arguments).folder
    photos = sorted(folder.rglob("*.jpg"))
    if not photos:
        parser.error(f"{folder} holds no .jpg. Get BSDS500 from github.com/BIDS/BSDS500.")
    rows = [row for photo in tqdm(photos, unit="photo") for row in measured(photo, folder)]
    names = ["pixels", "iterations"]
    groups = {tuple(row[name] for name in names): [] for row in rows}  # type: ignore[var-annotated]
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        means = [name for name in rows[0] if name not in ("photo", *names)]
        writer.writerow([*names, "photographs", *means])
        for key, group in groups.items():
            writer.writerow([*key, len(group), *(round(fmean(r[name] for r in group), 4) for name in means)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
