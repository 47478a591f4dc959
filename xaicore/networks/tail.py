"""The steps of a network from one tensor f to the scores, as a function S(f), and what can be measured of it.

Other tensors are swapped in for f. How far S then goes is always told as a share of what f itself changes in
S, the largest of several sizes of f: a step that bends at any of them is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import torch
from torch import Tensor, nn

from xaicore.networks.extractor import Channels
from xaicore.networks.watch import Step, key, replay

EXACT = 1e-4  # of the change in the scores: float32 arithmetic stays far below, and no other form does
FAINT = 0.03  # a change of the scores below this share of them is too faint: rounding hides 1e-4 of it
SIZES = (0.01, 1.0, 100.0, 1e4)  # of what is swapped in, besides the sizes that f itself has


def has_places(tensor: Tensor, batch: int) -> bool:
    """Whether it may be feature maps: (N, K, h, w), (N, h, w, K), (N, L, K) or (N, K, L), with places."""
    right = tensor.ndim in (3, 4) and tensor.shape[0] == batch and tensor.is_floating_point()
    return right and tensor.numel() > 0 and bool(layouts(tensor))


def layouts(tensor: Tensor) -> list[Channels]:
    """Which axes may count channels, so that more than one place is left."""
    grid = tensor.shape[1] > 1 or min(tensor.shape[2:]) > 1  # (N, 1, 1, K) is what an average left
    first: list[Channels] = [1] if grid and places(tensor, 1) > 1 else []
    # a last axis of one is no axis of channels
    last: list[Channels] = [-1] if tensor.shape[-1] > 1 and places(tensor, -1) > 1 else []
    return first + last


def places(f: Tensor, channels: Channels) -> int:
    """How many places f has."""
    return f[0].numel() // f.shape[channels]


def over_places(f: Tensor, channels: Channels) -> tuple[int, ...]:
    """The axes of f that are places."""
    return tuple(range(2, f.ndim)) if channels == 1 else tuple(range(1, f.ndim - 1))


class Tail:
    """S(f), and how far it is from an affine function of f's average over places.

    `positive`: swap in positive numbers only, where a root or a logarithm makes others senseless.
    """

    positive = False

    def __init__(self, steps: Sequence[Step], f: Tensor, scores: Tensor) -> None:
        self.steps, self.f, self.scores = steps, f, scores
        self.random = torch.Generator(f.device).manual_seed(0)
        size = f.float().std().item()
        own = [size * times for times in (0.1, 3.0, 100.0)] if 0 < size < inf else []
        self.sizes = [*own, *SIZES]

    @property
    def reaches(self) -> bool:
        """Whether the scores are made of f at all."""
        return replay(self.steps, {key(self.f): self.f.clone()}, key(self.scores)) is not None

    def __call__(self, f: Tensor) -> Tensor:
        """S (N, C), float64."""
        out = replay(self.steps, {key(self.f): f}, key(self.scores))
        assert out is not None  # asked only of what reaches the scores
        return out.reshape(len(self.scores), -1).double()

    # --- what is swapped in ------------------------------------------------------------------------------

    def noise(self, size: float) -> Tensor:
        """Signed values of that size in the form of f, or positive ones."""
        noise = torch.randn(self.f.shape, generator=self.random, device=self.f.device, dtype=torch.float32)
        out = torch.empty_like(self.f)
        out.copy_((noise.abs() if self.positive else noise) * size)
        return out

    def averaged(self, f: Tensor, channels: Channels) -> Tensor:
        """f with every place at its channel's average."""
        out = torch.empty_like(f)
        out.copy_(f.mean(over_places(f, channels), keepdim=True).expand_as(f))
        return out

    def reordered(self, f: Tensor, channels: Channels) -> Tensor:
        """f with its places in another order."""
        axis = 2 if channels == 1 else 1
        flat = f.flatten(2) if channels == 1 else f.flatten(1, -2)
        order = torch.randperm(flat.shape[axis], generator=torch.Generator().manual_seed(1)).to(f.device)
        return flat.index_select(axis, order).reshape(f.shape)

    # --- how far S goes ----------------------------------------------------------------------------------

    def is_silent(self) -> bool:
        """Whether nothing that is swapped in changes the scores."""
        noise = self.noise(max(self.sizes))
        return torch.equal(self(noise), self(torch.zeros_like(noise)))

    def besides(self, enough: float = EXACT) -> float:
        """How far apart the scores of the pictures are with one f for all: what else they are made of."""

        def measure(size: float) -> float | None:
            f = self.noise(size)
            f.copy_(f[:1].expand_as(f).clone())
            return self._share(f, lambda at_f: at_f[:1].expand_as(at_f))

        return self._largest(measure, enough)

    def uneven(self, channels: Channels, enough: float = EXACT) -> float:
        """How far the scores go when all places get their average."""
        return self._swapped(lambda f: self.averaged(f, channels), enough)

    def shuffled(self, channels: Channels, enough: float = EXACT) -> float:
        """How far the scores go when the places change their order."""
        return self._swapped(lambda f: self.reordered(f, channels), enough)

    def bends(self, channels: Channels, enough: float = EXACT) -> float:
        """How far S is from a straight line through two averages a and b, by its change between them.

        On it lie S((a + b)/2) = (S(a) + S(b))/2 and S(2a − b) = 2 S(a) − S(b).
        """

        def measure(size: float) -> float | None:
            # the average of noise is smaller than noise by the root of its length
            noise = (self.noise(size * places(self.f, channels) ** 0.5) for _ in range(2))
            a, b = (self.averaged(f, channels) for f in noise)
            at_a, at_b = self(a), self(b)
            change = at_a - at_b
            if _is_faint(change, at_a):
                return None
            middle, beyond = self((a + b) / 2), self(2 * a - b)
            return max(off(middle, (at_a + at_b) / 2, change), off(beyond, 2 * at_a - at_b, change))

        return self._largest(measure, enough)

    def _swapped(self, change: Callable[[Tensor], Tensor], enough: float) -> float:
        def measure(size: float) -> float | None:
            f = self.noise(size)
            return self._share(f, lambda _: self(change(f)))

        return self._largest(measure, enough)

    def _share(self, f: Tensor, wanted: Callable[[Tensor], Tensor]) -> float | None:
        """How far S(f) is from what is wanted of it; None where f changes too little to tell."""
        at_f = self(f)
        change = at_f - self(torch.zeros_like(f))
        return None if _is_faint(change, at_f) else off(at_f, wanted(at_f), change)

    def _largest(self, measure: Callable[[float], float | None], enough: float) -> float:
        """The largest of what is measured at all sizes, up to one that is enough; infinite without any."""
        worst = -1.0
        for size in self.sizes:
            if (value := measure(size)) is not None:
                worst = max(worst, value)
            if worst >= enough:
                break
        return inf if worst < 0 else worst

    # --- w and b -----------------------------------------------------------------------------------------

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
        f = self.averaged(self.noise(1.0), channels)
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
            if off(mean @ w.double().T, change, change) < 1e-5:
                return w, path.rpartition(".")[0] or path
        return None, None

    def _probed(self, channels: Channels, zero: Tensor) -> Tensor:
        """w_k = S(1 in channel k) − S(0), N channels in one run."""
        k, n = self.f.shape[channels], len(self.scores)
        columns = []
        for start in range(0, k, n):
            f = torch.zeros_like(self.f)
            for row in range(min(n, k - start)):
                f[row].select(0 if channels == 1 else -1, start + row).fill_(1)
            columns.append((self(f) - zero)[: min(n, k - start)])
        return torch.cat(columns).T.to(torch.float32)


def _is_faint(change: Tensor, scores: Tensor) -> bool:
    return not change.abs().max() > FAINT * scores.abs().max()


def off(found: Tensor, wanted: Tensor, scale: Tensor) -> float:
    """The largest difference, as a share of the largest of `scale`; infinite where a number isn't finite."""
    size = scale.abs().max()
    share = ((found - wanted).abs().max() / size.clamp(min=1e-30)).item()
    return share if share == share else inf
