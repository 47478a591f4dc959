"""Names of classes: a tidy table of them, and the one class that somebody means."""

from __future__ import annotations

import difflib
import functools
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np

Target = int | str
SUGGESTIONS = 8
HOW = "Give a list of names in the order of the network's outputs, {index: name} or {name: index}."


def class_names(categories: Iterable[Any] | Mapping[Any, Any] | None, count: int) -> tuple[str, ...]:
    """The names of a network's classes 0 … `count` − 1, in order.

    Args:
        categories: names in order, as text (blanks and line ends around it are dropped) or numbers;
            {index: name}, where an index may be text such as "7" (Hugging Face's `id2label`);
            {name: index} (torchvision's `class_to_idx`), in any order; or None: "class 0", "class 1", ….
        count: how many classes the network has.

    Raises:
        ValueError: one text, a set, another number of names than `count`, indices that are not each of
            0 … `count` − 1 once, or a name that is neither text nor a number.
    """
    if categories is None:
        return tuple(f"class {c}" for c in range(count))
    if isinstance(categories, (str, bytes)):
        raise ValueError(f"The class names are one text, {categories[:40]!r}. {HOW}")
    if isinstance(categories, (set, frozenset)):
        raise ValueError(f"The class names are a set, which has no order. {HOW}")
    if isinstance(categories, Mapping):
        names = _by_index(categories, count)
    else:
        try:
            names = list(categories)
        except TypeError:
            kind = type(categories).__name__
            raise ValueError(f"The class names are of type {kind}. {HOW}") from None
    if len(names) != count:
        raise ValueError(f"There are {len(names)} class names for a network of {count} classes. {HOW}")
    return tuple(_name(name) for name in names)


def _by_index(categories: Mapping[Any, Any], count: int) -> list[Any]:
    """The names of {index: name} or {name: index} in the order of the indices."""
    keys, values = list(categories), list(categories.values())
    indices = [_index(key) for key in keys]
    names = values
    # Names may be digits too: {"0": 0, "10": 1} are folders called so, with their indices.
    digits = all(isinstance(key, str) for key in keys)
    if None in indices or (digits and all(_whole(value) is not None for value in values)):
        indices, names = [_index(value) for value in values], keys
    if None in indices:
        raise ValueError(f"The class names are a dict without an index for each. {HOW}")
    missing = sorted(set(range(count)) - set(indices))
    surplus = sorted({i for i in indices if i is not None and (i >= count or indices.count(i) > 1)})
    if missing or surplus:
        found = [f"none has {missing[:5]}"] * bool(missing) + [f"too many have {surplus[:5]}"] * bool(surplus)
        raise ValueError(
            f"The indices of the class names are not 0 to {count - 1}, each once: {', '.join(found)}."
        )
    ordered = dict(zip(indices, names, strict=True))
    return [ordered[c] for c in range(count)]


def _whole(value: object) -> int | None:
    """A whole number of any library's type as an int; None for all else."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _index(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else _whole(value)


def _name(name: Any) -> str:
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if isinstance(name, str):
        return str(name).strip()
    if isinstance(name, Number):
        return str(name)
    raise ValueError(f"A class name is of type {type(name).__name__}, not text: {str(name)[:60]}. {HOW}")


def class_index(target: Target, categories: Sequence[str]) -> int:
    """Index of a class given by index or by name.

    A name is taken exactly first; then without regard to letter case and blanks around it; then with
    underscores and hyphens as blanks. With torchvision's names of ImageNet's 1000 classes a WordNet id is a
    name too ("n02123045"). A part of a name never stands for it: the error suggests the names that it may be.

    Raises:
        ValueError: no such class, or a name that several classes share.
    """
    index = _whole(target)
    if index is not None:
        if not 0 <= index < len(categories):
            raise ValueError(f"Class {index} is out of range: this network has {len(categories)} classes.")
        return index
    if not isinstance(target, str):
        raise ValueError(f"A class is a name or an index, not {type(target).__name__}.")
    spellings: tuple[Callable[[str], str], ...] = (str, _any_case, _any_joint)
    for spelling in spellings:
        wanted = spelling(target)
        found = [c for c, name in enumerate(categories) if wanted and spelling(name) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(dict.fromkeys(repr(categories[c]) for c in found))
            spelt = "" if names == repr(target) else f" ({names})"
            raise ValueError(
                f"{len(found)} classes are called {target!r}{spelt}; give one of the indices {found}."
            )
    wordnet_id = target.strip().lower()
    if re.fullmatch(r"n\d{8}", wordnet_id) and _are_imagenets(categories):
        if wordnet_id in wordnet_ids():
            return wordnet_ids().index(wordnet_id)
        raise ValueError(f"{target!r} is not the WordNet id of one of ImageNet's 1000 classes.")
    near = _near(target, categories)
    hint = f" Did you mean {', '.join(repr(name) for name in near)}?" if near else ""
    raise ValueError(f"No class is called {target!r}.{hint}")


def _any_case(name: str) -> str:
    return name.strip().casefold()


def _any_joint(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.casefold())).strip()


def _near(target: str, categories: Sequence[str]) -> list[str]:
    """Names that hold `target`: as whole words, at a word's beginning, anywhere; then those spelt alike."""
    wanted = _any_joint(target)
    if not wanted:
        return []
    names = {name: _any_joint(name) for name in categories}
    part = re.escape(wanted)
    patterns = (rf"\b{part}\b", rf"\b{part}", part)
    near = [name for pattern in patterns for name, plain in names.items() if re.search(pattern, plain)]
    alike = difflib.get_close_matches(wanted, names.values(), n=5, cutoff=0.5)
    near += [name for match in alike for name, plain in names.items() if plain == match]
    return list(dict.fromkeys(near))[:SUGGESTIONS]


@functools.cache
def wordnet_ids() -> tuple[str, ...]:
    """The WordNet ids of ImageNet's 1000 classes (ILSVRC 2012), in the order of their indices."""
    return tuple(Path(__file__).with_name("imagenet_wordnet_ids.txt").read_text("ascii").split())


def _are_imagenets(categories: Sequence[str]) -> bool:
    from torchvision.models import ResNet50_Weights  # only who gives an id waits for it

    return bool(list(categories) == ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
