"""Find feature maps and head in any network by measuring: is the score affine in an average over places?

    F_k = (1/Z) Σ_(x,y) f_k(x,y)          S_c = Σ_k w_k^c F_k + b_c

The network runs once under :class:`~xaicore.networks.watch.Tape`. Then, from the scores backwards, each
tensor with places is swapped for others and the steps after it run again. It is f if the scores depend on
nothing but its average over places, and in an affine way; w is read off the same steps. How the network is
written plays no part. What is found here holds for one input: :mod:`xaicore.networks.gap` tries others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from xaicore.networks.extractor import Channels, NotAGapClassifierError, Place, choose_output
from xaicore.networks.tail import EXACT, Tail, has_places, layouts, over_places, places
from xaicore.networks.watch import Key, Step, Tape, key

PATIENCE = 8  # tensors with places that fail one after another before the search ends
ENDINGS = {
    "softmax": lambda t: t.softmax(1),
    "log_softmax": lambda t: t.log_softmax(1),
    "sigmoid": torch.sigmoid,
    "logsigmoid": nn.functional.logsigmoid,
}

# key → when a module returned it, in steps; its path; its number of calls until then
Homes = dict[Key, list[tuple[int, str, int]]]
# what is better in a map: that it differs from place to place, a grid, many places, tokens
Rank = tuple[bool, bool, int, bool]


class CannotRunError(RuntimeError):
    """The network raised an error on an input of this shape."""


@dataclass(frozen=True)
class Found:
    """Feature maps and head of a network, as one run of it showed them.

    Attributes:
        place: where f and S are.
        step: the operation that made f.
        ending: what the network makes of the scores: "softmax", "sigmoid" …, or "" where it returns them.
        weights, bias: w (C, K) and b (C,).
        head: the module whose numbers w are; None where several steps were folded into one, or none is left.
        others: further outputs that might have been the scores.
    """

    place: Place
    step: str
    ending: str
    weights: Tensor
    bias: Tensor
    head: str | None
    others: tuple[int | str | None, ...]


def recognise(
    network: nn.Module, batch: Tensor, output: int | str | None = None, classes: int | None = None
) -> Found:
    """Run the network on a batch (N, channels, h', w'), N ≥ 2, and find f, w and b.

    Of several tensors that are f, the last one with a grid of places counts. Of several outputs those with
    that number of `classes` are tried first.

    Raises:
        NotAGapClassifierError: there is none; the message says which property fails, and by how much.
        CannotRunError: the network raised an error of its own.
        ValueError: there is no such output.
    """
    homes: Homes = {}
    calls: Counter[str] = Counter()
    tape = Tape()

    def remember(path: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Any) -> None:
            calls[path] += 1
            if isinstance(out, Tensor):
                homes.setdefault(key(out), []).append((tape.ran, path, calls[path]))

        return hook

    handles = [
        module.register_forward_hook(remember(path))
        for path, module in network.named_modules()
        if path and not isinstance(module, torch.jit.ScriptModule)
    ]
    try:
        with torch.no_grad(), tape:
            returned = network(batch)
    except Exception as error:  # the caller's own code runs here
        raise CannotRunError(str(error)) from error
    finally:
        for handle in handles:
            handle.remove()
    steps = list(tape.steps)
    first = tape.ran - len(steps)
    failure: NotAGapClassifierError | None = None
    outputs = choose_output(returned, len(batch), output)
    outputs.sort(key=lambda one: classes is not None and one[1][0].numel() != classes)
    for name, out in outputs:
        for ending, scores, at in _before_the_ending(steps, out):
            try:
                i, f, channels, tail = _search(steps, scores)
            except NotAGapClassifierError as error:
                failure = failure or error
                continue
            module, later = _home(homes, f, first + i, calls)
            weights, bias, head = tail.head(network, channels)
            place = Place(
                features=(len(steps) - 1 - i, _number(steps[i], f)),
                channels=channels,
                tokens=f.ndim == 3,
                module=module,
                calls=later,
                scores=(len(steps) - 1 - at, _number(steps[at], scores)) if ending else None,
                output=name,
            )
            others = tuple(other for other, _ in outputs if other != name)
            return Found(place, steps[i].name, ending, weights, bias, head, others)
    assert failure is not None
    raise failure


def _home(homes: Homes, f: Tensor, made: int, calls: Mapping[str, int]) -> tuple[str | None, int]:
    """The outermost module that returned f after the step that made it, and how often it ran after that.

    What a module returned earlier is another tensor at the same address in memory, freed since.
    """
    fitting = [
        (path.count("."), -when, path, call) for when, path, call in homes.get(key(f), ()) if when > made
    ]
    if not fitting:
        return None, 0
    *_, path, call = min(fitting)
    return path, calls[path] - call


def _before_the_ending(steps: Sequence[Step], out: Tensor) -> Iterator[tuple[str, Tensor, int]]:
    """The output itself, and each tensor of which it is the softmax, log-softmax or sigmoid."""
    yield "", out, len(steps) - 1
    for i in range(len(steps) - 1, -1, -1):
        for t in steps[i].tensors():
            if t.numel() != out.numel() or t.shape[0] != out.shape[0] or t.ndim > 2 or key(t) == key(out):
                continue
            for ending, function in ENDINGS.items():
                if ending.endswith("softmax") and (t.ndim < 2 or t.shape[1] < 2):
                    continue
                if torch.allclose(function(t.float()).reshape(-1), out.float().reshape(-1), 1e-5, 1e-7):
                    yield ending, t, i


def _search(steps: Sequence[Step], scores: Tensor) -> tuple[int, Tensor, Channels, Tail]:
    """Which step made f, f, the axis of its channels, and the steps after it."""
    best: tuple[Rank, tuple[int, Tensor, Channels, Tail]] | None = None
    nearest: tuple[int, Tensor] | None = None  # the last tensor with places that reaches the scores
    failed, tried = 0, set()
    for i in range(len(steps) - 1, -1, -1):
        for f in steps[i].tensors():
            if not has_places(f, len(scores)) or key(f) in tried:
                continue
            tried.add(key(f))
            tail = Tail(steps[i + 1 :], f, scores)
            if not tail.reaches:
                continue
            silent, is_last = tail.is_silent(), nearest is None
            nearest = nearest or (i, f)
            if silent and not is_last:
                continue  # what a layer of zeros hides is no f; a head of zeros has the last maps for f
            channels = layouts(f)[0] if silent else _channels(tail)
            if channels is None:
                failed += 1
            elif best is None or _rank(f, channels) > best[0]:
                best, failed = (_rank(f, channels), (i, f, channels, tail)), 0
        if failed >= PATIENCE or (best is not None and best[0][:2] == (True, True)):
            break  # nothing that comes before beats the last grid
    if best is None:
        cells = 0 if nearest is None else max(places(nearest[1], c) for c in layouts(nearest[1]))
        raise NotAGapClassifierError(_reason(steps, nearest, scores), cells)
    return best[1]


def _channels(tail: Tail) -> Channels | None:
    """The axis of f that counts channels, if the scores are an affine function of its average alone."""
    if tail.besides() >= EXACT:
        return None
    fitting = [c for c in layouts(tail.f) if tail.uneven(c) < EXACT]
    if not fitting or tail.bends(fitting[0]) >= EXACT:
        return None
    return max(fitting, key=lambda c: places(tail.f, c))


def _number(step: Step, tensor: Tensor) -> int:
    return [key(t) for t in step.tensors()].index(key(tensor))


def _rank(f: Tensor, channels: Channels) -> Rank:
    """A map that differs from place to place comes first, of these a grid rather than a row, such as tokens.

    Of rows the longest comes first, and tokens before a flat grid.
    """
    grid = f.ndim == 4 and min(f.movedim(channels, 1).shape[2:]) > 1
    mean = f.mean(over_places(f, channels), keepdim=True)
    varied = bool((f - mean).abs().max() > 1e-5 * f.abs().max())
    return varied, grid, 0 if grid else places(f, channels), f.ndim == 3


# --- why not ---------------------------------------------------------------------------------------------

_QUIET = {"view", "t", "permute", "transpose", "unsafe_view", "detach", "expand", "clone", "alias", "empty"}


def _reason(steps: Sequence[Step], nearest: tuple[int, Tensor] | None, scores: Tensor) -> str:
    """The property that fails at the last tensor with places, measured."""
    if nearest is None:
        return "no tensor with places reaches the scores: there are no feature maps to draw"
    i, f = nearest
    tail = Tail(steps[i + 1 :], f, scores)
    tail.positive = not tail(tail.noise(1.0)).isfinite().all()  # a root or a logarithm may come after it
    after = ", ".join(dict.fromkeys(s.name for s in steps[i + 1 :] if s.name not in _QUIET))
    narrow = {t.dtype for s in steps for t in s.tensors()} & {torch.float16, torch.bfloat16}
    rounds = (
        f"; it computes in {str(*narrow)[6:]} (autocast), which rounds: switch that off" if narrow else ""
    )
    maps = f" (the last maps, {tuple(f.shape[1:])}, after which come {after}{rounds})"
    averages = [c for c in layouts(f) if tail.uneven(c) < EXACT]
    if averages and tail.bends(averages[0]) < EXACT:
        return (
            "the scores depend on something besides the last maps: with the same maps for two pictures they "
            f"are {_percent(tail.besides(inf))} of what the maps contribute apart{maps}"
        )
    if averages:
        return (
            "what follows the average is not linear, as an activation or a normalisation isn't: on the line "
            "through two averages the scores miss a straight line by "
            f"{_percent(tail.bends(averages[0], inf))} of their change{maps}"
        )
    # of the ways to read its axes the one that comes nearest
    shuffled, channels = min((tail.shuffled(c, inf), c) for c in layouts(f))
    if shuffled >= EXACT:
        return (
            "the places don't count alike, as with flattening, a class token or attention: shuffling them "
            f"changes the scores by {_percent(shuffled)} of what the maps contribute{maps}"
        )
    uneven = _percent(tail.uneven(channels, inf))
    return (
        "the scores depend on more than each map's average, as with maximum pooling: with all places at "
        f"their average they change by {uneven} of what the maps contribute{maps}"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"
