"""The kinds of map, by name.

A kind is a function from one look of the network, a class and its rivals to a signed map on the cells; the
registry adds what it is called and how the looks at several input sizes are fused. The command line, the
form and :func:`xaicore.maps.heat.heat_map` all offer what is registered here. Your own kind is one decorated
function::

    @map_kind("strongest cell", scales=(1,))
    def strongest_cell(prediction, c, shares):
        \"\"\"CAM where it is largest, zero elsewhere.\"\"\"
        m = cam(prediction, c)
        return m * (m == m.max())
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xaicore.maps.cells import RIVALS, Floats, Shares, cam, contrast_with
from xaicore.maps.focus import agreement
from xaicore.networks.prediction import Prediction, Target

OnCells = Callable[[Prediction, int, Shares], Floats]
Fuse = Callable[[Sequence[Floats]], Floats]
Function = TypeVar("Function", bound=OnCells)


@dataclass(frozen=True)
class Kind:
    """One kind of map; made by :func:`map_kind`.

    Attributes:
        name: what settings, links and records call it. `title`: what stands over a figure of it, and
            `averaged`: over one of its averages on superpixels.
        cells: from one prediction, a class index and the shares of its rivals to (h, w), signed.
        against: what it is set against unless told otherwise; None if it takes no rivals.
        scales: the input sizes that it looks at, as multiples of the network's usual one. With one size and
            `fuse` it takes whatever looks there are; with (1,) and no `fuse` the look at that size, or else
            the first.
        fuse: from the maps of all looks to one, None for one look. Each is drawn on the photograph's pixels
            or on blocks of them, so that (H, W) is of any size up to the photograph's.
        adds_up: whether mean(cells) + b_c − Σ q_j b_j = S_c − Σ q_j S_j. Only such a map is in units of the
            score.
        unit: what its values are in. `help`: the first line of the function's docstring.
    """

    name: str
    title: str
    averaged: str
    cells: OnCells
    against: Target | None
    scales: tuple[float, ...]
    fuse: Fuse | None
    adds_up: bool
    unit: str
    help: str


KINDS: dict[str, Kind] = {}
SCORE = "units of the score"


def map_kind(
    name: str,
    *,
    title: str | None = None,
    averaged: str | None = None,
    against: Target | None = None,
    scales: Sequence[float] = (1,),
    fuse: Fuse | None = None,
    adds_up: bool = False,
    unit: str | None = None,
) -> Callable[[Function], Function]:
    """Register the decorated function as a kind of map; see :class:`Kind` for what the arguments mean.

    The function takes a :class:`~xaicore.networks.prediction.Prediction`, the index of the class, and the
    shares of its rivals (empty for a kind without), and gives the map on the prediction's cells, (h, w).

    Raises:
        ValueError: a name that is empty or taken, no docstring, no scales, or several of them without `fuse`.
    """
    if not name or name in KINDS:
        raise ValueError(
            f"{name!r} is taken: choose another name than {', '.join(KINDS)}." if name else "No name."
        )
    if not scales or (len(scales) > 1 and fuse is None):
        raise ValueError(f"{name}: give one scale, or several and how to fuse= their maps.")
    if adds_up and fuse is not None:
        raise ValueError(f"{name}: what becomes of several maps adds up to no score; leave adds_up= out.")

    def register(function: Function) -> Function:
        if not (told := inspect.getdoc(function)):
            raise ValueError(
                f"{name}: write a docstring; its first line is what a reader is told of the kind."
            )
        shown = title or name
        KINDS[name] = Kind(
            name=name,
            title=shown,
            averaged=averaged or f"{shown} by regions",
            cells=function,
            against=against,
            scales=tuple(scales),
            fuse=fuse,
            adds_up=adds_up,
            unit=unit or (SCORE if adds_up else "its own units"),
            help=told.splitlines()[0],
        )
        return function

    return register


def find_kind(name: str) -> Kind:
    """The kind of that name; ValueError with the names there are."""
    if name not in KINDS:
        raise ValueError(f"kind={name!r}; choose one of {', '.join(KINDS)}.")
    return KINDS[name]


# --- the book's own ------------------------------------------------------------------------------------


@map_kind("cam", title="CAM", averaged="SeCAM", adds_up=True)
def _cam(prediction: Prediction, c: int, shares: Shares) -> Floats:
    """What speaks for the class, and what against it: M_c (Zhou et al. 2016)."""
    return cam(prediction, c)


@map_kind("contrast", averaged="SeCAM", against=RIVALS, adds_up=True)
def _contrast(prediction: Prediction, c: int, shares: Shares) -> Floats:
    """What speaks for the class rather than for its rivals: M_c − Σ q_j M_j (Wang & Wang 2022)."""
    return contrast_with(prediction, c, shares)


@map_kind(
    "focus", against=RIVALS, scales=(1, 2), fuse=agreement, unit="its own units: agreement of two sizes"
)
def _focus(prediction: Prediction, c: int, shares: Shares) -> Floats:
    """The contrast, as far as the looks at two input sizes agree on it (chapter 6)."""
    return contrast_with(prediction, c, shares)
