"""From a photograph to a network's input: resizing, cropping and normalising, as in its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xaicore.pictures.geometry import Geometry, Resize, fit
from xaicore.pictures.reading import Photo

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PLAIN: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}  # PyTorch's defaults are the caller's
CHANNELS = {1: "grey", 3: "RGB", 4: "RGB and opacity"}


@dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes the network's input.

    Attributes:
        resize_size, crop_size: in pixels; the input is a square of `crop_size`, see
            :func:`xaicore.pictures.geometry.fit`.
        mean, std: what is subtracted from each channel's values in [0, 1], and what they are divided by.
            Their number is the network's number of input channels: three for RGB, one for grey (ITU-R 601
            luma), four for RGB and opacity, which is 1 everywhere in a photograph.
        interpolation: how Pillow resizes.

    Raises:
        ValueError: what can't be right: mean and std on the scale 0–255, a std of zero, a crop that isn't
            square, another number of channels.
    """

    resize_size: int = 256
    crop_size: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: Image.Resampling = Image.Resampling.BILINEAR

    def __post_init__(self) -> None:
        for name in ("resize_size", "crop_size"):
            size = getattr(self, name)
            if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
                raise ValueError(
                    f"{name}={size!r}; give one whole number of pixels: the network's input is a square."
                )
        for name in ("mean", "std"):
            values = np.atleast_1d(np.asarray(getattr(self, name), dtype=float))
            object.__setattr__(self, name, tuple(values.tolist()))
            if not np.isfinite(values).all() or values.ndim != 1:
                raise ValueError(f"{name}={getattr(self, name)}; give one number for each input channel.")
        if len(self.mean) != len(self.std) or len(self.mean) not in CHANNELS:
            raise ValueError(
                f"mean has {len(self.mean)} values and std {len(self.std)}. Give both one for each input "
                f"channel: {', '.join(f'{n} ({name})' for n, name in CHANNELS.items())}."
            )
        if not (min(self.mean) >= 0 and max(self.mean) <= 1 and min(self.std) > 0 and max(self.std) <= 1):
            scale = " These look like the scale 0–255: divide both by 255." if max(self.mean) > 1 else ""
            raise ValueError(
                f"mean={self.mean}, std={self.std}; a picture's values lie in [0, 1] here, so that mean "
                f"lies in [0, 1], and std above 0 and at most at 1.{scale}"
            )

    @classmethod
    def of(cls, weights: Any) -> Preprocessing:
        """The preprocessing that comes with a torchvision weights entry, read from its `transforms()`."""
        t = weights.transforms()
        return cls(
            resize_size=t.resize_size[0],
            crop_size=t.crop_size[0],
            mean=tuple(t.mean),
            std=tuple(t.std),
            interpolation=Image.Resampling[t.interpolation.name],
        )

    def fit(self, image: Photo, resize: Resize = "crop") -> tuple[Photo, Geometry]:
        """Resize and crop only: the picture that the network sees, and where the photo's pixels went."""
        return fit(image, resize, **self.fitting)

    @property
    def fitting(self) -> dict[str, Any]:
        """What :func:`xaicore.pictures.geometry.fit` has to know, which needs no PyTorch."""
        return {
            "resize_size": self.resize_size,
            "crop_size": self.crop_size,
            "interpolation": self.interpolation,
            "fill": tuple(round(255 * value) for value in (self.mean * 3)[:3]),
        }

    def normalise(self, picture: Photo) -> Tensor:
        """(h, w, 3) uint8 → (channels, h, w) float32:  (value/255 − mean) / std  for each channel."""
        if len(self.mean) == 1:
            picture = np.asarray(Image.fromarray(picture).convert("L"))[..., None]
        values = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
        if len(self.mean) == 4:
            values = torch.cat([values, torch.ones_like(values[:1])])
        return self.standardise(values)

    def standardise(self, values: Tensor) -> Tensor:
        """Values in [0, 1], (…, channels, h, w) float32:  (value − mean) / std  for each channel."""
        mean, std = (torch.tensor(v, **PLAIN).view(-1, 1, 1) for v in (self.mean, self.std))
        return (values - mean) / std
