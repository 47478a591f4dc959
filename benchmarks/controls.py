"""Controls: maps that any honest method must beat, and averages that superpixels must match or beat.

`CONTROLS[name](model, picture, class_index, seed)` has the same form as a rival of `rivals.RIVALS`.

=======================  ============================================================  ==========
control                  what it shows when a method does no better                    passes
=======================  ============================================================  ==========
random map               the method is no better than chance                           0
centred blob             photographers put the object in the middle                    0
edge map                 the method finds edges, whatever the class                    0
CAM on squares           averaging helps, not the superpixels' borders                 1
CAM on Voronoi cells     the same, with cells of uneven shape                          1
CAM of a random network  what the network learned doesn't matter                       1
=======================  ============================================================  ==========

The two averages have exactly as many cells as SLIC makes superpixels of that picture.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.color import rgb2gray
from skimage.filters import sobel
from torch import nn

from benchmarks.patches import patches
from xaicore.evaluation.randomisation import cascading_randomisation
from xaicore.maps.cells import class_activation_map
from xaicore.maps.drawing import upsample
from xaicore.networks.gap import GapClassifier, gap_classifier
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import paint, superpixel_scores
from xaicore.regions.labels import Labels

Values = NDArray[np.float64]
Explain = Callable[[GapClassifier, Photo, int, int], Values]

CELL = 32  # pixels of the input to one cell of the last feature maps


def pixel_cam(model: GapClassifier, picture: Photo, c: int) -> Values:
    """M_c drawn at the picture's pixels: (S, S), signed."""
    features, _ = model.forward(model.preprocessing.normalise(picture)[None])
    return upsample(class_activation_map(features[0], model.class_weights[c]), picture.shape[:2])


def picture_random(picture: Photo, seed: int) -> np.random.Generator:
    """Random numbers of this seed and this picture: not the same map on every photograph."""
    return np.random.default_rng([seed, zlib.crc32(picture.tobytes())])


# --- without the network ---------------------------------------------------------------------------------


def random_map(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    """Uniform noise in [0, 1) on the grid of a CAM, drawn at the pixels as a CAM is: as smooth as one."""
    height, width = picture.shape[:2]
    noise = picture_random(picture, seed).random((height // CELL, width // CELL))
    return upsample(noise, (height, width))


def centred_blob(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    """A Gaussian in the middle, σ a quarter of the side; 1 at its top."""
    rows, columns = (((np.arange(side) + 0.5) / side - 0.5) / 0.25 for side in picture.shape[:2])
    return np.asarray(np.exp(-(rows[:, None] ** 2 + columns**2) / 2))


def edge_map(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    """Sobel magnitude of the grey picture, smoothed by a Gaussian of S/56 pixels (4 at 224)."""
    return np.asarray(gaussian_filter(sobel(rgb2gray(picture)), picture.shape[0] / 56), float)


# --- averages over cells that know nothing of the picture ------------------------------------------------


def squares(size: tuple[int, int], count: int) -> Labels:
    """Exactly `count` cells of like area, as near to squares as that allows: (H, W) labels 0 … count−1.

    Rows of cells hold ⌊count/rows⌋ or one more; a row is as high as its share of the cells.
    """
    height, width = size
    rows = max(1, round(np.sqrt(count * height / width)))
    ends = np.arange(rows + 1) * count // rows  # cells above and in each row
    row = np.searchsorted(ends[1:], (np.arange(height) + 0.5) / height * count, side="right")
    columns = np.diff(ends)[row]
    column = ((np.arange(width) + 0.5) / width * columns[:, None]).astype(np.intp)
    return np.asarray(ends[row][:, None] + column, np.intp)


def voronoi_cells(size: tuple[int, int], count: int, random: np.random.Generator) -> Labels:
    """Each pixel belongs to the nearest of `count` distinct random pixels: (H, W) labels 0 … count−1."""
    seeds = np.stack(np.unravel_index(random.choice(size[0] * size[1], count, replace=False), size), axis=1)
    pixels = np.stack(list(np.indices(size)), axis=-1)
    return np.asarray(cKDTree(seeds).query(pixels)[1], np.intp)


def averaged(model: GapClassifier, picture: Photo, c: int, labels: Labels) -> Values:
    return paint(superpixel_scores(pixel_cam(model, picture, c), labels), labels)


def matched_count(picture: Photo) -> int:
    """How many superpixels SLIC makes of this picture."""
    return int(patches(picture).max()) + 1


def cam_on_squares(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    return averaged(model, picture, c, squares(picture.shape[:2], matched_count(picture)))


def cam_on_voronoi_cells(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    random = picture_random(picture, seed)
    return averaged(model, picture, c, voronoi_cells(picture.shape[:2], matched_count(picture), random))


# --- a network that learned nothing ----------------------------------------------------------------------

_RANDOMISED: WeakKeyDictionary[nn.Module, dict[int, GapClassifier]] = WeakKeyDictionary()


def randomised(model: GapClassifier, seed: int = 0) -> GapClassifier:
    """The same architecture with every layer drawn anew; made once for each network and seed."""
    made = _RANDOMISED.setdefault(model.network, {})
    if seed not in made:
        layers = [n for n, child in model.network.named_children() if list(child.parameters())]
        *_, (_, network) = cascading_randomisation(model.network, layers[::-1], seed)
        made[seed] = gap_classifier(
            network,
            preprocessing=model.preprocessing,
            categories=model.categories,
            provenance=f"random weights, seed {seed}",
        )
    return made[seed]


def cam_of_a_random_network(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    return pixel_cam(randomised(model, seed), picture, c)


CONTROLS: dict[str, Explain] = {
    "random map": random_map,
    "centred blob": centred_blob,
    "edge map": edge_map,
    "CAM on squares": cam_on_squares,
    "CAM on Voronoi cells": cam_on_voronoi_cells,
    "CAM of a random network": cam_of_a_random_network,
}
