"""Which networks have the form: some eighty architectures of torchvision, timm and Hugging Face, measured.

`make networks` runs it and writes `xaicore/book/measured/networks.csv`, which the book shows. All have random
weights, since the form is a property of the architecture; heads that begin at zero get small random numbers.
The same seed makes the same weights, so the verdicts can be compared from run to run.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
import torchvision
import transformers
from torch import nn
from tqdm import tqdm

from xaicore.book.results import RESULTS
from xaicore.networks.gap import GapClassifier, NotAGapClassifierError, Preprocessing, gap_classifier

TABLE = RESULTS / "networks.csv"
TORCHVISION = """
resnet18 resnet50 wide_resnet50_2 resnext50_32x4d densenet121 googlenet inception_v3 mobilenet_v2
mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 efficientnet_b0 efficientnet_v2_s regnet_x_400mf
regnet_y_400mf squeezenet1_1 swin_t swin_v2_t convnext_tiny maxvit_t vit_b_32 vgg11 alexnet
"""
TIMM = """
resnet26d resnetv2_50 resnetv2_50x1_bit seresnet50 skresnet18 resnest14d res2net50_26w_4s nf_resnet26
efficientnet_b0 tf_efficientnet_b0 efficientnet_lite0 tf_efficientnet_lite0 mixnet_s mobilenetv2_100
mnasnet_100 mobilenetv3_large_100 mobilenetv4_conv_small ghostnet_100 hardcorenas_a repghostnet_050
densenet121 regnetx_004 regnety_004 rexnet_100 legacy_xception xception41 repvgg_a0 gernet_s dla34 dla60
hrnet_w18_small inception_v3 inception_v4 inception_resnet_v2 selecsls42 cspresnet50 darknet53
ese_vovnet19b_dw mixer_s32_224 resmlp_12_224 gmlp_ti16_224 swin_tiny_patch4_window7_224 poolformer_s12
vit_tiny_patch16_224 xcit_nano_12_p16_224 convnext_atto coatnet_0_rw_224 mobilevit_xs efficientformer_l1
pvt_v2_b0 visformer_tiny davit_tiny fastvit_t8
"""
# the averages of a vision transformer's tokens, without a class token
VARIANTS: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224 avg": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "vit_tiny_patch16_224 avg, norm after it": {"global_pool": "avg", "fc_norm": True},
    "resnet18 max": {"global_pool": "max"},
    "resnet18 avg and max": {"global_pool": "catavgmax"},
}
SMALL: dict[str, Any] = {"num_labels": 10}
HUGGING_FACE: dict[str, Callable[[], nn.Module]] = {
    "ResNet": lambda: transformers.ResNetForImageClassification(
        transformers.ResNetConfig(depths=[1, 1, 1, 1], **SMALL)
    ),
    "RegNet": lambda: transformers.RegNetForImageClassification(
        transformers.RegNetConfig(
            depths=[1, 1, 1, 1], hidden_sizes=[32, 64, 128, 256], groups_width=16, **SMALL
        )
    ),
    "MobileNetV1": lambda: transformers.MobileNetV1ForImageClassification(
        transformers.MobileNetV1Config(**SMALL)
    ),
    "MobileNetV2": lambda: transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(**SMALL)
    ),
    "Swin": lambda: transformers.SwinForImageClassification(transformers.SwinConfig(**SMALL)),
    "PoolFormer": lambda: transformers.PoolFormerForImageClassification(
        transformers.PoolFormerConfig(**SMALL)
    ),
    "ConvNext": lambda: transformers.ConvNextForImageClassification(
        transformers.ConvNextConfig(depths=[1, 1, 2, 1], **SMALL)
    ),
    "ViT": lambda: transformers.ViTForImageClassification(
        transformers.ViTConfig(num_hidden_layers=2, **SMALL)
    ),
}


class Verdict(NamedTuple):
    """One network. `places`: the grid as "7×7"; `error`: the largest |mean(M) + b − S| by the largest |S|.

    `accepted` is "yes" or "no"; a refused one has a `reason` instead of K, places and error.
    """

    source: str
    network: str
    input: int
    accepted: str
    channels: str
    places: str
    error: str
    reason: str


def architectures() -> dict[tuple[str, str], Callable[[], tuple[nn.Module, int]]]:
    """(source, name) → a function that makes the network and says its input size in pixels."""
    table: dict[tuple[str, str], Callable[[], tuple[nn.Module, int]]] = {}
    for name in TORCHVISION.split():
        table["torchvision", name] = lambda name=name: _torchvision(name)  # type: ignore[misc]
    for name in [*TIMM.split(), *VARIANTS]:
        table["timm", name] = lambda name=name: _timm(name)  # type: ignore[misc]
    for name, make in HUGGING_FACE.items():
        table["Hugging Face", name] = lambda make=make: (make(), 224)  # type: ignore[misc]
    return table


def _torchvision(name: str) -> tuple[nn.Module, int]:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    size = {"inception_v3": 299, "swin_v2_t": 256}.get(name, 224)
    return torchvision.models.get_model(name, weights=None, **options), size


def _timm(name: str) -> tuple[nn.Module, int]:
    network: nn.Module = timm.create_model(name.split()[0], **VARIANTS.get(name, {}))
    return network, int(network.default_cfg["input_size"][1])  # type: ignore[index]


def verdict(source: str, name: str) -> Verdict:
    """Make the network with random weights, and measure it."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network, side = architectures()[source, name]()
    for module in network.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.05)
    try:
        model = gap_classifier(network, preprocessing=Preprocessing(side, side))
    except NotAGapClassifierError as refusal:
        reason = str(refusal).partition(": ")[2].partition(" CAM is exact")[0].rstrip(".")
        return Verdict(source, name, side, "no", "", "", "", reason)
    maps, error = completeness(model, side)
    _, channels, height, width = maps.shape
    return Verdict(source, name, side, "yes", str(channels), f"{height}×{width}", f"{error:.0e}", "")


def completeness(model: GapClassifier, side: int) -> tuple[Any, float]:
    """f, and the largest |mean(M_c) + b_c − S_c| by the largest |S_c|, on noise not seen before."""
    noise = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(99))
    maps, scores = model.forward(noise)
    expected = maps.mean(axis=(2, 3)) @ model.class_weights.T + model.bias
    return maps, float(np.abs(expected - scores).max() / np.abs(scores).max())


def read(path: Path = TABLE) -> list[Verdict]:
    """The table as it was written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Verdict._make([a, b, int(c), *rest]) for a, b, c, *rest in list(csv.reader(file))[1:]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all architectures and write the table; 1 if a verdict is another than the table had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TABLE, help="(default: the book's table)")
    parser.add_argument("--only", default="", metavar="TEXT", help="measure those with it in their names")
    options = parser.parse_args(arguments)
    before: dict[tuple[str, str], Verdict] = (
        {row[:2]: row for row in read(options.out)} if options.out.exists() else {}
    )
    names = [one for one in architectures() if options.only in " ".join(one)]
    measured = {one: verdict(*one) for one in tqdm(names, unit="network")}
    rows = [measured.get(one) or before[one] for one in architectures() if one in measured or one in before]
    with options.out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([Verdict._fields, *rows])
    moved = [row for row in rows if row[:2] in before and row[2:6] != before[row[:2]][2:6]]
    for row in moved:
        print(f"{row.source} {row.network} is now: {row[2:6]}, and was {before[row[:2]][2:6]}")
    accepted = sum(row.accepted == "yes" for row in rows)
    print(f"{len(rows)} networks, {accepted} of the form: {options.out}")
    return 1 if moved else 0


if __name__ == "__main__":
    sys.exit(main())
