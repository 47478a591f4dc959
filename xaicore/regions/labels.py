"""Label maps: which region each pixel belongs to, whatever the regions are called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaicore.pictures.blocks import Size, nearest, sums

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class LabelMap:
    """A label map and its regions, counted; made by :meth:`of`.

    Every value that occurs is the id of one region, 0 and negative ones too: scikit-image begins at 1,
    segmentations of instances have gaps. What belongs to no region is masked:
    `np.ma.masked_equal(labels, -1)`.

    It may have fewer pixels than the photograph: each is then a block of the photograph's, which all belong
    to one region (:mod:`xaicore.pictures.blocks`).

    Attributes:
        own: (h, w) whole numbers, as they came.
        ids: (n,) the regions' ids in ascending order, of the labels' own type.
        index: (h, w) int32, the place of each pixel's id among `ids`; −1 where the label is masked.
        size: the photograph's (H, W).
    """

    own: Labels
    ids: Labels
    index: NDArray[np.int32]
    size: Size

    @classmethod
    def of(cls, labels: Any, size: tuple[int, ...] | None = None) -> LabelMap:
        """Count the regions of any label map; one that is counted already stays as it is.

        Args:
            labels: (H, W) whole numbers of any integer type, or booleans; a numpy.ma masked array if some
                pixels belong to no region.
            size: the (H, W) that it has to have.

        Raises:
            ValueError: another size, no whole numbers, or no pixel that isn't masked.
        """
        own = labels.own if isinstance(labels, LabelMap) else np.asanyarray(labels)
        shape = labels.size if isinstance(labels, LabelMap) else own.shape
        if len(shape) != 2 or (size is not None and shape != tuple(size)):
            wanted = "(height, width)" if size is None else tuple(size)
            raise ValueError(
                f"The label map has shape {shape}, the photograph {wanted}. Make it on the photograph "
                "itself; resizing labels with interpolation mixes them."
            )
        if isinstance(labels, LabelMap):
            return labels
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
        return cls(own, ids, index, own.shape)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> Labels:
        """The label map at the photograph's size, (H, W)."""
        return nearest(self.own, self.size)

    @property
    def everywhere(self) -> bool:
        """Whether every pixel belongs to a region."""
        return np.ma.getmask(self.own) is np.ma.nomask or bool(self.index.min() >= 0)

    def places(self, size: Size) -> NDArray[np.int32]:
        """`index` at another size, as a label map, masked where no region is."""
        return np.ma.masked_less(nearest(self.index, size), 0)

    def each(self, values: NDArray[Any], none: Any, size: Size | None = None) -> NDArray[Any]:
        """A picture of one value for each region, (n,), `none` where no region is: (H, W), or of `size`."""
        index = nearest(self.index, self.size if size is None else size)
        return np.asarray(np.append(values, none)[index])  # −1 is the last

    def sums(self, counts: NDArray[Any], values: NDArray[Any] | None = None) -> NDArray[Any]:
        """Σ counts over each region, (n,), or Σ counts·values; both (h, w), as `index` is."""
        inside = slice(None) if self.everywhere else self.index >= 0
        places, weights = self.index[inside].ravel(), counts[inside].ravel()
        if values is not None:  # where nothing is counted, a value may be NaN
            weights = np.where(weights > 0, weights * values[inside].ravel(), 0.0)
        return np.bincount(places, weights, minlength=len(self))

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """How many of the photograph's pixels each region has, (n,)."""
        return self.sums(
            np.outer(*(self._per_cell(np.ones(n, np.int64), a) for a, n in enumerate(self.size)))
        )

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The row and the column of each region's centre of mass, (n,) each, in the photograph's pixels."""
        ones, places = ([f(n) for n in self.size] for f in (np.ones, np.arange))
        rows = np.outer(self._per_cell(places[0], 0), self._per_cell(ones[1], 1))
        columns = np.outer(self._per_cell(ones[0], 0), self._per_cell(places[1], 1))
        return self.sums(rows) / self.areas, self.sums(columns) / self.areas

    def _per_cell(self, values: NDArray[Any], axis: int) -> NDArray[Any]:
        return sums(values, self.index.shape[axis])


def _counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The values that occur, and the place of each among them: np.unique, faster where they are 0 … n−1."""
    low, high = int(values.min()), int(values.max())
    if values.dtype.kind != "b" and low == 0 and high < values.size:
        whole = values.astype(np.int32, copy=False)
        if np.bincount(whole.ravel()).all():
            return np.arange(high + 1, dtype=values.dtype), whole
    ids, index = np.unique(values, return_inverse=True)
    return ids, index.reshape(values.shape).astype(np.int32)
