"""Outlines of the objects in the sample photographs, to judge maps by: polygons, kept in outlines.json.

Who drew them, when, how, and what they leave out is in that file and in :func:`record`. An outline says where
an object is in the picture, not where the evidence is: a network may rightly use what is around the object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.draw import polygon2mask

Mask = NDArray[np.bool_]
Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Outline:
    """One object in one sample photograph.

    Attributes:
        photo: a key of :data:`xaicore.pictures.samples.SAMPLES`.
        name: tells the objects of one photo apart.
        labels: the ImageNet classes that the object is, the photo's own first.
        size: (height, width) of the photo in pixels.
        polygons: corners (x, y) in pixels of the photo; the first pixel's centre is (0, 0), its outer corner
            (−½, −½). Several where something hides the middle of the object.
        holes: openings inside the polygons, which are not the object.
        note: what the outline leaves out or what is odd about the label, or "".
    """

    photo: str
    name: str
    labels: tuple[str, ...]
    size: tuple[int, int]
    polygons: tuple[Polygon, ...]
    holes: tuple[Polygon, ...] = ()
    note: str = ""

    @property
    def mask(self) -> Mask:
        """The pixels of the photo whose centre lies in a polygon and in no hole, (H, W)."""
        return _fill(self.polygons, self.size) & ~_fill(self.holes, self.size)

    @property
    def share(self) -> float:
        """The share of the photo's area that the object takes, 0 to 1; the mean of :attr:`mask`."""
        return float(self.mask.mean())


def _fill(polygons: tuple[Polygon, ...], size: tuple[int, int]) -> Mask:
    mask = np.zeros(size, dtype=bool)
    for polygon in polygons:
        # A centre exactly on a side counts on the left and upper ones only: on all, shapes would grow.
        mask |= polygon2mask(size, np.array(polygon)[:, ::-1] - 1e-4)
    return mask


@cache
def _file() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (files("xaicore.book") / "outlines.json").read_text(encoding="utf-8")
    )
    return content


def _polygons(flat: list[list[float]]) -> tuple[Polygon, ...]:
    return tuple(tuple(zip(corners[::2], corners[1::2], strict=True)) for corners in flat)


def _outline(row: dict[str, Any], labels: list[str]) -> Outline:
    height, width = row["size"]
    return Outline(
        photo=row["photo"],
        name=row["name"],
        labels=tuple(labels),
        size=(height, width),
        polygons=_polygons(row["polygons"]),
        holes=_polygons(row.get("holes", [])),
        note=row.get("note", ""),
    )


def record() -> dict[str, str]:
    """Who drew the outlines, when and how; the coordinates, the rules, and what the precision rests on."""
    return dict(_file()["record"])


@cache
def object_outlines(photo: str | None = None) -> tuple[Outline, ...]:
    """The outlines in one sample photograph, those of the photo's own class first, or in all of them.

    Raises KeyError for a photo without outlines.
    """
    found = [_outline(row, row["labels"]) for row in _file()["objects"] if photo in (None, row["photo"])]
    if not found:
        known = dict.fromkeys(row["photo"] for row in _file()["objects"])
        raise KeyError(f"No outlines for {photo!r}. There are some for: {', '.join(known)}.")
    return tuple(found)


def object_mask(photo: str, label: str | None = None) -> Mask:
    """The pixels of a sample photograph that show an object of class `label`, all of them together, (H, W).

    By default of the photo's own class: the first label of its first outline.

    Raises KeyError for a photo without outlines, or a class that none of them has.
    """
    every = object_outlines(photo)
    label = every[0].labels[0] if label is None else label
    chosen = [outline.mask for outline in every if label in outline.labels]
    if not chosen:
        known = dict.fromkeys(name for outline in every for name in outline.labels)
        raise KeyError(f"No {label!r} outlined in {photo!r}. There are: {', '.join(known)}.")
    return np.asarray(np.logical_or.reduce(chosen))


def redrawn() -> tuple[tuple[Outline, Outline], ...]:
    """The objects that were drawn twice: (the outline in use, the second drawing) of each."""
    first = {(outline.photo, outline.name): outline for outline in object_outlines()}
    pairs = [(first[row["photo"], row["name"]], row) for row in _file()["redrawn"]]
    return tuple((outline, _outline(row, list(outline.labels))) for outline, row in pairs)


def drawing_agreement(a: Mask, b: Mask) -> tuple[float, float]:
    """How well two drawings A, B of one object agree: (intersection over union, mean boundary distance).

    Intersection over union counts the pixels in both, divided by the pixels in either, 0 to 1. The boundary
    ∂A is the pixels of A with one of their four neighbours outside A; the distance is the mean over ∂A of how
    far ∂B is, in pixels, averaged with the same the other way round. Where A = B it is (1, 0).

    Raises ValueError for masks of two shapes, an empty one, or one that fills the picture.
    """
    if a.shape != b.shape or not a.any() or not b.any():
        raise ValueError(f"Give two masks of one shape, neither empty, not {a.shape} and {b.shape}.")
    edge_a, edge_b = (mask & ~binary_erosion(mask, border_value=1) for mask in (a, b))
    if not edge_a.any() or not edge_b.any():
        raise ValueError("A mask that fills the picture has no boundary to measure from.")
    there = distance_transform_edt(~edge_b)[edge_a].mean()
    back = distance_transform_edt(~edge_a)[edge_b].mean()
    return float((a & b).sum() / (a | b).sum()), float(there + back) / 2
