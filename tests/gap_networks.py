"""Small random networks in many spellings: those of the form, and near misses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 32  # of the input; the feature maps have 8×8 cells
K, C = 6, 5

Function = Callable[[Tensor], Tensor]


class Net(nn.Module):
    """body → tail, whatever the tail is."""

    def __init__(self, tail: Any, signed: bool = False, channels: int = 3, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Conv2d(channels, 4, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(4, K, 3, 2, 1),
            nn.BatchNorm2d(K),
            nn.Identity() if signed else nn.ReLU(),
        ).eval()
        self.tail = tail() if isinstance(tail, type) else tail

    def forward(self, x: Tensor) -> Any:
        return self.tail(self.body(x))


def random_linear(generator: torch.Generator, size: tuple[int, ...]) -> nn.Parameter:
    return nn.Parameter(torch.randn(size, generator=generator))


def _attention(f: Tensor) -> Tensor:
    return f.mean(1).flatten(1).softmax(1).view(-1, 1, *f.shape[2:])


# every way to write an average over all places, (N, K, h, w) → (N, K)
POOLINGS: dict[str, Function] = {
    "mean((2, 3))": lambda f: f.mean((2, 3)),
    "mean(3).mean(2)": lambda f: f.mean(3).mean(2),
    "view.mean(-1)": lambda f: f.reshape(f.size(0), f.size(1), -1).mean(-1),
    "flatten(2).mean(-1)": lambda f: f.flatten(2).mean(-1),
    "sum / Z": lambda f: f.sum((2, 3)) / (f.shape[2] * f.shape[3]),
    "einsum": lambda f: torch.einsum("nkhw->nk", f) / f[0, 0].numel(),
    "adaptive": lambda f: F.adaptive_avg_pool2d(f, 1).flatten(1),
    "adaptive[..., 0, 0]": lambda f: F.adaptive_avg_pool2d(f, (1, 1))[:, :, 0, 0],
    "avg_pool2d over all": lambda f: F.avg_pool2d(f, f.shape[2:]).squeeze(-1).squeeze(-1),
    "AvgPool2d(8)": nn.Sequential(nn.AvgPool2d(8), nn.Flatten()),
    "2×2 averages, then the rest": lambda f: F.avg_pool2d(f, 2).mean((2, 3)),
    "channels last": lambda f: f.permute(0, 2, 3, 1).mean((1, 2)),
    "tokens": lambda f: f.flatten(2).transpose(1, 2).mean(1),
    "AdaptiveAvgPool1d": lambda f: F.adaptive_avg_pool1d(f.flatten(2), 1).squeeze(-1),
    "weighted places": lambda f: (f * torch.linspace(-1, 2, 64).view(8, 8)).mean((2, 3)),
    "places weighted by the picture": lambda f: (f * _attention(f)).sum((2, 3)),
    "float64": lambda f: f.double().mean((2, 3)).float(),
}


class Folded(nn.Module):
    """Linear, batch norm in evaluation mode, scale and shift: one affine function."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(K, 7), nn.BatchNorm1d(7), nn.Linear(7, C)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)
        self.norm.running_mean = torch.randn(7)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * self.second(self.norm(self.first(x))) - 1


class Matrix(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(K, C))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


HEADS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(K, C),
    "linear without bias": lambda: nn.Linear(K, C, bias=False),
    "dropout, linear": lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(K, C), nn.Identity()),
    "two linear": lambda: nn.Sequential(nn.Linear(K, 9), nn.Linear(9, C)),
    "batch norm, linear": lambda: nn.Sequential(nn.BatchNorm1d(K), nn.Linear(K, C)),
    "folded": Folded,
    "matrix": Matrix,
    "1×1 convolution": lambda: nn.Sequential(nn.Unflatten(1, (K, 1, 1)), nn.Conv2d(K, C, 1), nn.Flatten()),
}


@dataclass
class Output:
    logits: Tensor
    hidden: Tensor | None = None


# what a network makes of its scores (N, C): its output, and what the scores are called there
ENDINGS: dict[str, Function | Callable[[Tensor], Any]] = {
    "": lambda s: s,
    "softmax": lambda s: s.softmax(1),
    "log_softmax": lambda s: F.log_softmax(s, 1),
    "sigmoid": torch.sigmoid,
    "dict": lambda s: {"logits": s, "other": s.mean()},
    "one-tuple": lambda s: (s,),
    "list": lambda s: [s],
    "dataclass": lambda s: Output(s),
}


class Near(nn.Module):
    """A near miss: what a network does that looks like the form and isn't."""

    def __init__(self, name: str, seed: int = 0, strength: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(seed + 1)
        self.name, self.strength = name, strength
        self.head, self.wide = nn.Linear(K, C), nn.Linear(4 * K, C)
        self.both, self.first, self.second = nn.Linear(2 * K, C), nn.Linear(K, 7), nn.Linear(7, C)
        self.norm, self.gate = nn.LayerNorm(K), nn.Linear(K, C)
        for linear in (self.first, self.gate):
            nn.init.normal_(linear.weight, std=strength)

    def forward(self, f: Tensor) -> Tensor:
        return NEAR_MISSES[self.name](self, f)


def _mean(f: Tensor) -> Tensor:
    return f.mean((2, 3))


NEAR_MISSES: dict[str, Callable[[Near, Tensor], Tensor]] = {
    "ReLU after pooling": lambda n, f: n.head(_mean(f).relu()),
    "hardswish after pooling": lambda n, f: n.second(F.hardswish(n.first(_mean(f)))),
    "tanh between two linear": lambda n, f: n.second(torch.tanh(n.first(_mean(f)))),
    "GELU between two linear": lambda n, f: n.second(F.gelu(n.first(_mean(f)))),
    "layer norm after pooling": lambda n, f: n.head(n.norm(_mean(f))),
    "unit length after pooling": lambda n, f: n.head(F.normalize(_mean(f), dim=1)),
    "cosine classifier": lambda n, f: F.normalize(_mean(f)) @ F.normalize(n.head.weight).T * 10,
    "square root after pooling": lambda n, f: n.head(_mean(f).abs().sqrt()),
    "a gate on the scores": lambda n, f: n.head(_mean(f)) * torch.sigmoid(n.gate(_mean(f))),
    "maximum pooling": lambda n, f: n.head(f.amax((2, 3))),
    "generalised mean": lambda n, f: n.head(f.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)),
    "log-sum-exp pooling": lambda n, f: n.head(f.flatten(2).logsumexp(2)),
    "average and maximum": lambda n, f: n.both(torch.cat([_mean(f), f.amax((2, 3))], 1)),
    "average and deviation": lambda n, f: n.both(torch.cat([_mean(f), f.flatten(2).std(2)], 1)),
    "median": lambda n, f: n.head(f.flatten(2).median(2).values),
    "2×2 averages": lambda n, f: n.wide(F.adaptive_avg_pool2d(f, 2).flatten(1)),
    "one place": lambda n, f: n.head(f[:, :, 0, 0]),
    "brightest 36 places": lambda n, f: n.head(f.flatten(2).topk(36, 2).values.mean(2)),
    "brightest half": lambda n, f: n.head(f.flatten(2).topk(32, 2).values.mean(2)),
    "ReLU on the scores": lambda n, f: n.head(_mean(f)).relu() * n.strength,
    "square of the scores": lambda n, f: n.head(_mean(f)).square(),
}


class Skips(Net):
    """The scores also depend on an early layer, by an average of their own."""

    def __init__(self, seed: int = 0, strength: float = 0.3) -> None:
        super().__init__(nn.Identity(), seed=seed)
        self.head, self.early, self.strength = nn.Linear(K, C), nn.Linear(4, C), strength

    def forward(self, x: Tensor) -> Tensor:
        first = self.body[:2](x)
        return self.head(_mean(self.body[2:](first))) + self.strength * self.early(first.amax((2, 3)))
