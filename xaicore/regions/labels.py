"""Label maps: which region each pixel belongs to, whatever the regions are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class LabelMap:
    """A label map and its regions, counted; made by :meth:`of`.

    Every value that occurs is the id of one region, 0 and negative ones too: scikit-image begins at 1,
    segmentations of instances have gaps. What belongs to no region is masked:
    `np.ma.masked_equal(labels, -1)`.

    Attributes:
        labels: (H, W) whole numbers, as they came.
        ids: (n,) the regions' ids in ascending order, of the labels' own type.
        index: (H, W) int32, the place of each pixel's id among `ids`; −1 where the label is masked.
    """

    labels: Labels
    ids: Labels
    index: NDArray[np.int32]

    @classmethod
    def of(cls, labels: Any, size: tuple[int, ...] | None = None) -> LabelMap:
        """Count the regions of any label map.

        Args:
            labels: (H, W) whole numbers of any integer type, or booleans; a numpy.ma masked array if some
                pixels belong to no region.
            size: the (H, W) that it has to have.

        Raises:
            ValueError: another size, no whole numbers, or no pixel that isn't masked.
        """
        own = np.asanyarray(labels)
        if own.ndim != 2 or (size is not None and own.shape != tuple(size)):
            wanted = "(height, width)" if size is None else tuple(size)
            raise ValueError(
                f"The label map has shape {own.shape}, the photograph {wanted}. Make it on the photograph "
                "itself; resizing labels with interpolation mixes them."
            )
        if own.dtype.kind not in "iub":
            raise ValueError(f"A label map holds whole numbers, not {own.dtype}. Use labels.astype(int).")
        values, masked = np.ma.getdata(own), np.ma.getmask(own)
        if not values.size or np.all(masked):
            raise ValueError("The label map has no pixel in a region. Leave some unmasked.")
        if masked is np.ma.nomask:
            ids, index = _counted(values)
        else:
            ids, some = _counted(values[~masked])
            index = np.full(values.shape, -1, dtype=np.int32)
            index[~masked] = some
        return cls(own, ids, index)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def everywhere(self) -> bool:
        """Whether every pixel belongs to a region."""
        return np.ma.getmask(self.labels) is np.ma.nomask or bool(self.index.min() >= 0)

    @property
    def masked(self) -> NDArray[np.int32]:
        """`index` as a label map, masked where no region is."""
        return np.ma.masked_less(self.index, 0)

    def each(self, values: NDArray[Any], none: Any) -> NDArray[Any]:
        """A picture of one value for each region, (n,): (H, W), `none` where no region is."""
        return np.asarray(np.append(values, none)[self.index])  # −1 is the last

    def sums(self, where: NDArray[np.bool_], values: NDArray[Any] | None = None) -> NDArray[Any]:
        """The sum of (H, W) `values` over each region's pixels of `where`, (n,), or their number."""
        counted = where & (self.index >= 0)
        places = self.index.ravel() if counted.all() else self.index[counted]
        weights = None if values is None else values.ravel() if counted.all() else values[counted]
        return np.bincount(places, weights, minlength=len(self))

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The row and the column of each region's centre of mass, (n,) each, in pixels."""
        everywhere = np.ones(self.index.shape, dtype=bool)
        rows, columns = (
            np.broadcast_to(g, self.index.shape) for g in np.ogrid[tuple(map(slice, self.index.shape))]
        )
        counts = self.sums(everywhere)
        return self.sums(everywhere, rows) / counts, self.sums(everywhere, columns) / counts


def _counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The values that occur, and the place of each among them: np.unique, faster where they are 0 … n−1."""
    low, high = int(values.min()), int(values.max())
    if values.dtype.kind != "b" and low == 0 and high < values.size:
        whole = values.astype(np.int32, copy=False)
        if np.bincount(whole.ravel()).all():
            return np.arange(high + 1, dtype=values.dtype), whole
    ids, index = np.unique(values, return_inverse=True)
    return ids, index.reshape(values.shape).astype(np.int32)


def nearest(values: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """An (H, W) array at another size, (h, w): each pixel is the old one under its centre."""
    if values.shape == tuple(size):
        return values
    rows, columns = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(size, values.shape, strict=True))
    return np.asanyarray(values[np.ix_(rows, columns)])
