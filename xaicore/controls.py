"""Controls, said once: what a setting is called, what it starts with, and which values it takes.

The command line's options and the form's widgets are built from the settings' rows
(:func:`xaicore.explanation.controls`), the playground's inputs and links from rows of its own.
"""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

NONE = "none"  # how a front end writes None, which its widgets and options can't hold


@dataclass(frozen=True)
class Control:
    """One setting: a choice (`choices`), or a number from `low` to `high`.

    Attributes:
        name: what code, links and records call it. `label`: what stands beside it on a page.
        default: what it starts with. `help`: one sentence on what it does.
        choices: value → what a page calls it; None for a number.
        low, high, step: range and step of a number, which is whole where all three are. A share lies in
            [0, 1] here, and is shown in per cent.
        optional: whether None is a value too. `several`: whether it takes any number of such values.
    """

    name: str
    label: str
    default: Any
    help: str
    choices: Mapping[Any, str] | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    optional: bool = False
    several: bool = False

    @property
    def whole(self) -> bool:
        """Whether it takes whole numbers only."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step))

    def check(self, value: Any) -> Any:
        """The value as it is, a whole number as an int, several as a sorted tuple.

        Raises:
            ValueError: it takes no such value; the message says which ones there are.
        """
        if self.several:
            if not isinstance(value, Collection) or isinstance(value, str):
                raise ValueError(f"{self.name}={value!r}; give a tuple of values.")
            return tuple(sorted({replace(self, several=False).check(one) for one in value}))
        if value is None and self.optional:
            return None
        if self.choices is not None:
            for choice in self.choices:
                if choice == value and type(choice) is type(value):  # True is not the choice 1
                    return choice
            raise ValueError(f"{self.name}={value!r}; choose one of {', '.join(map(str, self.choices))}.")
        assert self.low is not None and self.high is not None
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high or (self.whole and value != int(value)):
            kind = "a whole number" if self.whole else "a number"
            raise ValueError(f"{self.name}={value!r}; choose {kind} from {self.low:g} to {self.high:g}.")
        return int(value) if self.whole else float(value)
