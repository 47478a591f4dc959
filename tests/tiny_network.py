"""A small random network, for tests in which only the arithmetic counts."""

import torch
from torch import nn

from xaicore import GapClassifier, gap_classifier


def tiny(seed: int, classes: int = 6, names: list[str] | None = None) -> GapClassifier:
    """A GAP classifier of random weights with 7×7 feature maps."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 12, 32, stride=32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return gap_classifier(nn.Sequential(*layers, nn.Linear(12, classes)), categories=names)
