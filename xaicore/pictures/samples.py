"""The sample photographs: real ones, which installed packages ship, and mosaics of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from xaicore.pictures.reading import Array, ImageError, Photo, read_image


@dataclass(frozen=True)
class Sample:
    """A real photograph that an installed package ships. `label`: its ImageNet class index, if it has one."""

    package: str
    file: str
    label: int | None
    source: str
    licence: str


_IMAGENET = "ImageNet, as shipped in the Python package foolbox"
_MIT = "package under the MIT licence; it states no licence for the single photograph"


def _imagenet(number: int, label: int) -> Sample:
    return Sample("foolbox", f"data/imagenet_{number:02d}_{label}.jpg", label, _IMAGENET, _MIT)


SAMPLES: dict[str, Sample] = {
    "bull_mastiff": _imagenet(0, 243),
    "folding_chair": _imagenet(1, 559),
    "beaker": _imagenet(2, 438),
    "buckeye": _imagenet(3, 990),
    "strawberry": _imagenet(4, 949),
    "thatch": _imagenet(5, 853),
    "jeep_sepia": _imagenet(6, 609),
    "jeep_blue": _imagenet(7, 609),
    "yurt": _imagenet(8, 915),
    "bottlecap": _imagenet(9, 455),
    "drum": _imagenet(10, 541),
    "loafer": _imagenet(11, 630),
    "prayer_rug": _imagenet(12, 741),
    "cannon": _imagenet(13, 471),
    "spoonbill": _imagenet(14, 129),
    "goose": _imagenet(15, 99),
    "dalmatian": _imagenet(16, 251),
    "bald_eagle": _imagenet(17, 22),
    "leafhopper": _imagenet(18, 317),
    "dung_beetle": _imagenet(19, 305),
    "chelsea": Sample(
        "skimage", "data/chelsea.png", None, "Stéfan van der Walt, as shipped in scikit-image", "CC0"
    ),
    "coffee": Sample(
        "skimage", "data/coffee.png", None, "Rachel Michetti, as shipped in scikit-image", "CC0"
    ),
    "rocket": Sample(
        "skimage",
        "data/rocket.jpg",
        None,
        "SpaceX, as shipped in scikit-image",
        "released into the public domain by SpaceX, as scikit-image states",
    ),
    "motorcycle": Sample(
        "skimage",
        "data/motorcycle_left.png",
        None,
        "Middlebury 2014 stereo benchmark (Nešić and others), as shipped in scikit-image",
        "package under the BSD 3-Clause licence; it states none for the single photograph",
    ),
}


def sample_path(name: str) -> Path:
    """Where the package that ships the sample photograph `name` keeps it; the package is not imported."""
    if name not in SAMPLES:
        raise KeyError(f"No sample photograph {name!r}. There are: {', '.join(SAMPLES)}.")
    sample = SAMPLES[name]
    spec = importlib.util.find_spec(sample.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / sample.file
        if path.exists():
            return path
    distribution = {"skimage": "scikit-image"}.get(sample.package, sample.package)
    raise FileNotFoundError(
        f"The photograph {name!r} comes with the package {distribution}: pip install {distribution}"
    )


def sample_image(name: str) -> Photo:
    """The sample photograph `name` (a key of :data:`SAMPLES`) as an (H, W, 3) uint8 array."""
    return read_image(sample_path(name))


def mosaic(images: Sequence[Array], columns: int, cell: int = 224) -> Photo:
    """Lay pictures out in a grid of square cells, `columns` wide; each is cut to its central square first.

    Returns (rows·cell, columns·cell, 3) uint8. Raises ImageError unless the pictures fill the grid.
    """
    if columns < 1 or not images or len(images) % columns:
        raise ImageError(f"{len(images)} pictures don't fill rows of {columns}.")
    size = (cell, cell)
    tiles = [np.array(ImageOps.fit(Image.fromarray(read_image(image)), size)) for image in images]
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)
