"""Find feature maps and head in any network by measuring: is the score affine in an average over places?

    F_k = (1/Z) Σ_(x,y) f_k(x,y)          S_c = Σ_k w_k^c F_k + b_c

The network runs once under :class:`~xaicore.networks.watch.Tape`. Then, from the scores backwards, each
tensor with places is swapped for others and the steps after it run again. It is f if the scores depend on
nothing but its average over places, and in an affine way; w is read off the same steps. How the network is
written plays no part. What is found here holds for one input: :mod:`xaicore.networks.gap` tries others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from math import inf
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xaicore.networks.watch import Key, Step, Tape, key, replay

EXACT = 1e-4  # of the change in the scores: float32 arithmetic stays far below, and no other form does
FAINT = 0.03  # a change of the scores below this share of them is too faint: rounding hides 1e-4 of it
SIZES = (0.01, 1.0, 100.0, 1e4)  # of what is swapped in: a step that bends at any of them is found
PATIENCE = 8  # tensors with places that fail one after another before the search ends
ENDINGS = {
    "softmax": lambda t: t.softmax(1),
    "log_softmax": lambda t: t.log_softmax(1),
    "sigmoid": torch.sigmoid,
    "logsigmoid": nn.functional.logsigmoid,
}

# key → when a module returned it, in steps; its path; its number of calls until then
Homes = dict[Key, list[tuple[int, str, int]]]
# where the channels are: (N, K, …) or (N, …, K)
Channels = Literal[1, -1]


class NotAGapClassifierError(ValueError):
    """The network is not of the form feature maps → global average pooling → one linear layer.

    Attributes:
        cells: how many places the last maps have that reach the scores; 0 without any.
    """

    def __init__(self, message: str, cells: int = 0) -> None:
        super().__init__(message)
        self.cells = cells


class CannotRunError(RuntimeError):
    """The network raised an error on an input of this shape."""


@dataclass(frozen=True)
class Place:
    """Where in a run of a network its feature maps and scores are.

    Attributes:
        features: how many steps ran after the one that made f, and which of its outputs f is.
        channels: which axis of f counts k: (N, K, …) or (N, …, K). `tokens`: whether its places are in a row.
        module: the module that returns f, by its path; None if no module does. `calls`: how often it is
            called again after that.
        scores: the same as `features` for S, where the network goes on to a softmax or the like; else None.
        output: which part of what the network returns the scores are in; None if it returns one tensor.
    """

    features: tuple[int, int]
    channels: Channels
    tokens: bool
    module: str | None
    calls: int
    scores: tuple[int, int] | None
    output: int | str | None


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


class Extractor(nn.Module):
    """A network that returns {"features": f (N, K, h, w), "scores": S (N, C)} of a batch, both its own.

    Gradients flow from S to f where a module returns f as (N, K, h, w), and not where f had to be rearranged.
    """

    def __init__(self, network: nn.Module, place: Place) -> None:
        super().__init__()
        self.network, self.place = network, place

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """One run of the network on (N, channels, h', w')."""
        place = self.place
        caught: list[Tensor] = []
        if place.module is not None and place.scores is None:
            home = dict(self.network.named_modules())[place.module]
            hook = home.register_forward_hook(lambda module, args, out: caught.append(out))
            try:
                returned = self.network(batch)
            finally:
                hook.remove()
            f, s = caught[-1 - place.calls], pick(returned, place.output)
        else:
            last = 1 + max(place.features[0], place.scores[0] if place.scores else 0)
            with torch.no_grad(), Tape(last) as tape:
                returned = self.network(batch)
            f = _at(tape.steps, place.features)
            s = _at(tape.steps, place.scores) if place.scores else pick(returned, place.output)
        maps = as_grid(f, place.channels, batch.shape[-2:])
        return {"features": maps, "scores": s.reshape(len(batch), -1)}


def _at(steps: Sequence[Step], where: tuple[int, int]) -> Tensor:
    return steps[-1 - where[0]].tensors()[where[1]]


def as_grid(f: Tensor, channels: Channels, size: Sequence[int]) -> Tensor:
    """Feature maps in whatever form as (N, K, h, w); tokens are taken row by row.

    Raises NotAGapClassifierError for tokens that don't fill a grid over an input of `size` = (h', w').
    """
    if f.ndim == 4:
        return f if channels == 1 else f.movedim(-1, 1)
    f = f if channels == 1 else f.movedim(-1, 1)
    tokens = f.shape[2]
    side = (size[0] * size[1] / tokens) ** 0.5  # of the square of pixels behind one token
    height, width = round(size[0] / side), round(size[1] / side)
    if height * width != tokens:
        raise NotAGapClassifierError(
            f"The average is over {tokens} places, which don't fill a grid over {size[0]}×{size[1]} pixels: "
            "a token that stands for no place, such as a class token, may be among them"
        )
    return f.reshape(*f.shape[:2], height, width)


# --- what the network returned ---------------------------------------------------------------------------


def parts(returned: Any) -> dict[Any, Tensor]:
    """The tensors of floating point numbers in what a network returned, by name or number."""
    if isinstance(returned, Tensor):
        return {}
    if isinstance(returned, Mapping):
        named: Any = returned.items()
    elif is_dataclass(returned):
        named = ((f.name, getattr(returned, f.name)) for f in fields(returned))
    elif hasattr(returned, "_asdict"):
        named = returned._asdict().items()
    elif isinstance(returned, (tuple, list)):
        named = enumerate(returned)
    else:
        raise NotAGapClassifierError(
            f"The network returns {type(returned).__name__}, not a tensor of scores. Wrap it in a module "
            "that returns the scores alone."
        )
    return {name: t for name, t in named if isinstance(t, Tensor) and t.is_floating_point()}


def choose_output(
    returned: Any, batch: int, output: int | str | None
) -> list[tuple[int | str | None, Tensor]]:
    """What may be the scores, likeliest first: what was asked for, else "logits", else all (N, C) there are.

    Raises NotAGapClassifierError if there is none.
    """
    if isinstance(returned, Tensor):
        if output is not None:
            raise ValueError(f"output={output!r}: the network returns one tensor. Leave output= out.")
        return [(None, as_scores(returned, batch))]
    named = parts(returned)
    if output is None and isinstance(getattr(returned, "logits", None), Tensor):
        named["logits"] = returned.logits
    if output is not None:
        if output not in named:
            raise ValueError(f"output={output!r}: the network returns {', '.join(map(repr, named))}.")
        return [(output, as_scores(named[output], batch))]
    if "logits" in named:
        return [("logits", as_scores(named["logits"], batch))]
    fit: list[tuple[int | str | None, Tensor]] = [
        (name, as_scores(t, batch)) for name, t in named.items() if t.ndim == 2 and len(t) == batch
    ]
    if not fit:
        raise NotAGapClassifierError(
            f"The network returns {type(returned).__name__} without a tensor of scores of shape (N, C). "
            "Wrap it in a module that returns the scores alone."
        )
    return fit


def pick(returned: Any, output: int | str | None) -> Tensor:
    """The part of what the network returned that `output` names."""
    if output is None:
        assert isinstance(returned, Tensor)
        return returned
    if isinstance(output, str) and not isinstance(returned, Mapping):
        return getattr(returned, output)  # type: ignore[no-any-return]
    return returned[output]  # type: ignore[no-any-return]


def as_scores(tensor: Tensor, batch: int) -> Tensor:
    """(N, C) as it is, (N,) as the one logit of a binary network; everything else is refused."""
    if tensor.ndim not in (1, 2) or len(tensor) != batch or not tensor.is_floating_point():
        raise NotAGapClassifierError(
            f"The network returns a tensor of shape {tuple(tensor.shape)} for {batch} pictures; scores have "
            "shape (N, C), one for each picture and class. Wrap it in a module that returns such scores."
        )
    return tensor


# --- the search ------------------------------------------------------------------------------------------


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
                found = _search(network, steps, name, ending, scores, at)
                i = len(steps) - 1 - found.place.features[0]
                f = steps[i].tensors()[found.place.features[1]]
                module, later = _home(homes, f, first + i, calls)
                place = replace(found.place, module=module, calls=later)
                others = tuple(other for other, _ in outputs if other != name)
                return replace(found, place=place, others=others)
            except NotAGapClassifierError as error:
                failure = failure or error
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


def _search(
    network: nn.Module,
    steps: Sequence[Step],
    output: int | str | None,
    ending: str,
    scores: Tensor,
    at: int,
) -> Found:
    best: tuple[int, Tensor, Channels] | None = None
    nearest: tuple[int, Tensor] | None = None  # the last tensor with places that reaches the scores
    failed, tried = 0, set()
    for i in range(len(steps) - 1, -1, -1):
        for f in steps[i].tensors():
            if not has_places(f, len(scores)) or key(f) in tried:
                continue
            tried.add(key(f))
            tail = _Tail(steps[i + 1 :], f, scores)
            if not tail.reaches:
                continue
            first = nearest is None
            nearest = nearest or (i, f)
            channels = tail.channels()
            if tail.silent and not first:
                continue  # what a layer of zeros hides is no f; a head of zeros has the last maps for f
            if channels is None:
                failed += 1
            elif best is None or _rank(f, channels) > _rank(best[1], best[2]):
                best, failed = (i, f, channels), 0
        if failed >= PATIENCE or (best is not None and _rank(best[1], best[2])[:2] == (True, True)):
            break  # nothing that comes before beats the last grid
    if best is None:
        cells = 0 if nearest is None else max(_places(nearest[1], c) for c in _layouts(nearest[1]))
        raise NotAGapClassifierError(_reason(steps, nearest, scores), cells)
    i, f, channels = best
    weights, bias, head = _Tail(steps[i + 1 :], f, scores).head(network, channels)
    place = Place(
        features=(len(steps) - 1 - i, _number(steps[i], f)),
        channels=channels,
        tokens=f.ndim == 3,
        module=None,
        calls=0,
        scores=(len(steps) - 1 - at, _number(steps[at], scores)) if ending else None,
        output=output,
    )
    return Found(place, steps[i].name, ending, weights, bias, head, ())


def _number(step: Step, tensor: Tensor) -> int:
    return [key(t) for t in step.tensors()].index(key(tensor))


def has_places(tensor: Tensor, batch: int) -> bool:
    """Whether it may be feature maps: (N, K, h, w), (N, h, w, K), (N, L, K) or (N, K, L), with places."""
    right = tensor.ndim in (3, 4) and tensor.shape[0] == batch and tensor.is_floating_point()
    return right and tensor.numel() > 0 and bool(_layouts(tensor))


def _layouts(tensor: Tensor) -> list[Channels]:
    """Which axes may count channels, so that more than one place is left."""
    grid = tensor.shape[1] > 1 or min(tensor.shape[2:]) > 1  # (N, 1, 1, K) is what an average left
    first: list[Channels] = [1] if grid and _places(tensor, 1) > 1 else []
    # a last axis of one is no axis of channels
    last: list[Channels] = [-1] if tensor.shape[-1] > 1 and _places(tensor, -1) > 1 else []
    return first + last


def _rank(f: Tensor, channels: Channels) -> tuple[bool, bool, int, bool]:
    """A map that differs from place to place comes first, of these a grid rather than a row, such as tokens.

    Of rows the longest comes first, and tokens before a flat grid.
    """
    grid = f.ndim == 4 and min(f.movedim(channels, 1).shape[2:]) > 1
    mean = f.mean(over_places(f, channels), keepdim=True)
    varied = bool((f - mean).abs().max() > 1e-5 * f.abs().max())
    return varied, grid, 0 if grid else _places(f, channels), f.ndim == 3


def _places(f: Tensor, channels: Channels) -> int:
    return f[0].numel() // f.shape[channels]


def over_places(f: Tensor, channels: Channels) -> tuple[int, ...]:
    """The axes of f that are places."""
    return tuple(range(2, f.ndim)) if channels == 1 else tuple(range(1, f.ndim - 1))


class _Tail:
    """The steps from one tensor f to the scores, as a function of f."""

    def __init__(self, steps: Sequence[Step], f: Tensor, scores: Tensor) -> None:
        self.steps, self.f, self.scores = steps, f, scores
        self.random = torch.Generator(f.device).manual_seed(0)
        size = f.float().std().item()
        own = [size * times for times in (0.1, 3.0, 100.0)] if 0 < size < inf else []
        self.sizes = [*own, *SIZES]
        self.reaches = self(f.clone()) is not None
        self.positive = False
        self.silent = False  # whether nothing that is swapped in changes the scores

    def __call__(self, f: Tensor) -> Tensor:
        """S (N, C), float64."""
        out = replay(self.steps, {key(self.f): f}, key(self.scores))
        return None if out is None else out.reshape(len(self.scores), -1).double()  # type: ignore[return-value]

    def noise(self, size: float) -> Tensor:
        """Signed values of that size in the form of f; positive ones where only these make sense."""
        noise = torch.randn(self.f.shape, generator=self.random, device=self.f.device, dtype=torch.float32)
        out = torch.empty_like(self.f)
        out.copy_((noise.abs() if self.positive else noise) * size)
        return out

    def average(self, f: Tensor, channels: Channels) -> Tensor:
        """f with every place at its channel's average."""
        out = torch.empty_like(f)
        out.copy_(f.mean(over_places(f, channels), keepdim=True).expand_as(f))
        return out

    def channels(self) -> Channels | None:
        """The axis of f that counts channels, if the scores are affine in f's average over the others."""
        largest = self.noise(max(self.sizes))
        self.silent = torch.equal(self(largest), self(torch.zeros_like(largest)))
        if self.silent:
            return _layouts(self.f)[0]
        if not self.is_all():
            return None
        fitting: list[Channels] = [c for c in _layouts(self.f) if self.is_average(c)]
        if not fitting or not self.is_affine(fitting[0]):
            return None
        return max(fitting, key=lambda c: _places(self.f, c))

    def is_all(self) -> bool:
        """Whether f is all that differs between pictures: with one f for all of them, all scores are one."""
        return self.largest(self.besides) < EXACT

    def besides(self, size: float) -> float | None:
        """How far apart the scores of the pictures are when all get the same f, by what f changes in them."""
        f = self.noise(size)
        f.copy_(f[:1].expand_as(f).clone())
        at_f = self(f)
        change = at_f - self(torch.zeros_like(f))
        return None if _faint(change, at_f) else off(at_f[:1].expand_as(at_f), at_f, change)

    def is_average(self, channels: Channels) -> bool:
        """Whether the scores depend on nothing but the averages over places, and do depend on them."""
        return self.largest(lambda size: self.moved(self.noise(size), channels)) < EXACT

    def is_affine(self, channels: Channels) -> bool:
        """Whether S((a + b)/2) = (S(a) + S(b))/2, and S(2a − b) = 2 S(a) − S(b), for averages a, b."""
        return self.largest(lambda size: self.bends(*self.two_averages(size, channels))) < EXACT

    def largest(self, measure: Callable[[float], float | None], enough: float = EXACT) -> float:
        """The largest of what is measured at all sizes, up to one that is enough; infinite without any."""
        worst = -1.0
        for size in self.sizes:
            value = measure(size)
            if value is not None:
                worst = max(worst, value)
            if worst >= enough:
                break
        return inf if worst < 0 else worst

    def moved(self, f: Tensor, channels: Channels) -> float | None:
        """How far the scores go when all places get their average, as a share of what f changes in them."""
        at_f = self(f)
        change = at_f - self(torch.zeros_like(f))
        return None if _faint(change, at_f) else off(at_f, self(self.average(f, channels)), change)

    def shuffled(self, f: Tensor, channels: Channels) -> float | None:
        """How far the scores go when the places change their order, as a share of what f changes in them."""
        axis = 2 if channels == 1 else 1
        flat = f.flatten(2) if channels == 1 else f.flatten(1, -2)
        order = torch.randperm(flat.shape[axis], generator=torch.Generator().manual_seed(1)).to(f.device)
        at_f = self(f)
        change = at_f - self(torch.zeros_like(f))
        moved = flat.index_select(axis, order).reshape(f.shape)
        return None if _faint(change, at_f) else off(self(moved), at_f, change)

    def bends(self, a: Tensor, b: Tensor) -> float | None:
        """How far S is from a straight line through a and b, as a share of its change between them."""
        at_a, at_b = self(a), self(b)
        change = at_a - at_b
        if _faint(change, at_a):
            return None
        middle, beyond = self((a + b) / 2), self(2 * a - b)
        return max(off(middle, (at_a + at_b) / 2, change), off(beyond, 2 * at_a - at_b, change))

    def two_averages(self, size: float, channels: Channels) -> list[Tensor]:
        """Two signed averages of that size, spread over their places."""
        # the average of noise is smaller than noise by the root of its length
        noise = (self.noise(size * _places(self.f, channels) ** 0.5) for _ in range(2))
        return [self.average(f, channels) for f in noise]

    def head(self, network: nn.Module, channels: Channels) -> tuple[Tensor, Tensor, str | None]:
        """w (C, K), b (C,), and the name of the module that holds w, if one does."""
        zero = self(torch.zeros_like(self.f))
        own = self.f.double().mean(over_places(self.f, channels))
        rest = self(self.f.clone())
        w, name = self._stored(network, channels, zero)
        if w is None:
            w = self._probed(channels, zero)
        b = (rest - own @ w.double().T).mean(0)
        stored = dict(network.named_parameters()).get(f"{name}.bias")
        if (
            stored is not None
            and stored.shape == b.shape
            and torch.allclose(
                stored.double(), b, rtol=1e-4, atol=EXACT * max(1.0, self.scores.abs().max().item())
            )
        ):
            b = stored
        elif name and stored is None and b.abs().max() < EXACT * max(1e-3, self.scores.abs().max().item()):
            b = torch.zeros_like(b)
        return w.detach(), b.detach().to(w.dtype), name

    def _stored(
        self, network: nn.Module, channels: Channels, zero: Tensor
    ) -> tuple[Tensor | None, str | None]:
        """A parameter that is w: its own numbers are free of what reading them off would round."""
        k, c = self.f.shape[channels], zero.shape[1]
        f = self.average(self.noise(1.0), channels)
        mean = f.double().mean(over_places(f, channels))
        change = self(f) - zero
        for path, parameter in network.named_parameters():
            if (
                not parameter.is_floating_point()
                or parameter.shape[:2] != (c, k)
                or parameter.numel() != c * k
            ):
                continue
            w = parameter.detach().reshape(c, k)
            if off(mean @ w.double().T, change) < 1e-5:
                return w, path.rpartition(".")[0] or path
        return None, None

    def _probed(self, channels: Channels, zero: Tensor) -> Tensor:
        """w_k = S(1 in channel k) − S(0), N channels in one run."""
        k, n = self.f.shape[channels], len(self.scores)
        # of the bias's size, so that neither rounds the other away
        unit = 1.0
        columns = []
        for start in range(0, k, n):
            f = torch.zeros_like(self.f)
            for row in range(min(n, k - start)):
                f[row].select(0 if channels == 1 else -1, start + row).fill_(unit)
            columns.append((self(f) - zero)[: min(n, k - start)] / unit)
        return torch.cat(columns).T.to(torch.float32)


def _faint(change: Tensor, scores: Tensor) -> bool:
    return not change.abs().max() > FAINT * scores.abs().max()


def off(found: Tensor, wanted: Tensor, scale: Tensor | None = None) -> float:
    """The largest difference, as a share of the largest score; infinite where a number isn't finite."""
    size = (wanted if scale is None else scale).abs().max()
    share = ((found - wanted).abs().max() / size.clamp(min=1e-30)).item()
    return share if share == share else inf


# --- why not ---------------------------------------------------------------------------------------------

_QUIET = {"view", "t", "permute", "transpose", "unsafe_view", "detach", "expand", "clone", "alias", "empty"}


def _reason(steps: Sequence[Step], nearest: tuple[int, Tensor] | None, scores: Tensor) -> str:
    """The property that fails at the last tensor with places, measured."""
    if nearest is None:
        return "no tensor with places reaches the scores: there are no feature maps to draw"
    i, f = nearest
    tail = _Tail(steps[i + 1 :], f, scores)
    tail.positive = not tail(tail.noise(1.0)).isfinite().all()  # a root or a logarithm may come after it
    after = ", ".join(dict.fromkeys(s.name for s in steps[i + 1 :] if s.name not in _QUIET))
    narrow = {t.dtype for s in steps for t in s.tensors()} & {torch.float16, torch.bfloat16}
    rounds = (
        f"; it computes in {str(*narrow)[6:]} (autocast), which rounds: switch that off" if narrow else ""
    )
    maps = f" (the last maps, {tuple(f.shape[1:])}, after which come {after}{rounds})"
    averages = [c for c in _layouts(f) if tail.is_average(c)]
    if averages and tail.is_affine(averages[0]):
        besides = tail.largest(tail.besides, enough=inf)
        return (
            "the scores depend on something besides the last maps: with the same maps for two pictures they "
            f"are {_percent(besides)} of what the maps contribute apart{maps}"
        )
    if averages:
        error = tail.largest(lambda size: tail.bends(*tail.two_averages(size, averages[0])), enough=inf)
        return (
            "what follows the average is not linear, as an activation or a normalisation isn't: on the line "
            f"through two averages the scores miss a straight line by {_percent(error)} of their change{maps}"
        )
    # of the ways to read its axes the one that comes nearest
    shuffled, channels = min(
        (tail.largest(lambda size, c=c: tail.shuffled(tail.noise(size), c), enough=inf), c)  # type: ignore[misc]
        for c in _layouts(f)
    )
    if shuffled >= EXACT:
        return (
            "the places don't count alike, as with flattening, a class token or attention: shuffling them "
            f"changes the scores by {_percent(shuffled)} of what the maps contribute{maps}"
        )
    moved = tail.largest(lambda size: tail.moved(tail.noise(size), channels), enough=inf)
    return (
        "the scores depend on more than each map's average, as with maximum pooling: with all places at "
        f"their average they change by {_percent(moved)} of what the maps contribute{maps}"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"
