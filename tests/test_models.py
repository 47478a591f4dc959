"""The GAP classifier: found in any network that has the form, refused with a reason in any that has not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import models as zoo
from torchvision.models import ResNet50_Weights

import xaicore.networks.load
from xaicore import GapClassifier, load_resnet50, sample_image
from xaicore.networks.gap import NotAGapClassifierError, Preprocessing, gap_classifier
from xaicore.pictures.samples import SAMPLES


class Small(nn.Module):
    """Two convolutions, pooling, one linear layer: the smallest GAP classifier."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1)
        )
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 5, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x).mean(dim=(-2, -1))))


QUALIFIES = [
    "resnet18",
    "resnext50_32x4d",
    "densenet121",
    "googlenet",
    "inception_v3",
    "efficientnet_b0",
    "regnet_y_400mf",
    "mobilenet_v2",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "swin_t",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", QUALIFIES)
def test_networks_of_the_form_are_found_and_complete(name: str) -> None:
    """Completeness on a second input, against the untouched network's own output."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = zoo.get_model(name, weights=None, **options)
    side = 299 if name == "inception_v3" else 224
    model = gap_classifier(network, preprocessing=Preprocessing(crop_size=side))
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    maps, scores = model.forward(x)
    with torch.inference_mode():
        own = network.eval()(x).numpy()
    assert np.allclose(scores, own, atol=1e-5)
    assert np.allclose(maps.mean(axis=(2, 3)) @ model.class_weights.T + model.bias, own, atol=1e-4)
    assert maps.shape[2] > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("alexnet", "places don't count alike"),
        ("mobilenet_v3_small", "not linear.*hardswish"),
        ("vit_b_16", "places don't count alike.*select"),
        ("convnext_tiny", "not linear.*layer_norm"),
        ("maxvit_t", "not linear.*tanh"),
    ],
)
def test_other_networks_get_the_failing_property_and_a_way_out(name: str, reason: str) -> None:
    network = zoo.get_model(name, weights=None)
    for module in network.modules():  # some heads begin at zero
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight)
    with pytest.raises(NotAGapClassifierError, match=reason) as error:
        gap_classifier(network)
    assert "Grad-CAM" in str(error.value)
    assert "HeatMap.of" in str(error.value)


def test_squeezenets_map_is_its_class_layer() -> None:
    model = gap_classifier(zoo.squeezenet1_1(weights=None))
    assert model.class_weights.shape == (1000, 1000)
    assert model.features == "classifier.2"


def test_vgg16_fails_for_its_three_linear_layers() -> None:
    """VGG16's form with few channels: the real one has 138 million parameters, and the same form."""
    network = zoo.VGG(nn.Sequential(nn.Conv2d(3, 512, 3, 32)), init_weights=False)
    network.classifier = nn.Sequential(
        nn.Linear(512 * 49, 8),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(8, 8),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(8, 9),
    )
    with pytest.raises(NotAGapClassifierError, match=r"places don't count alike.*relu"):
        gap_classifier(network)


def test_steps_that_only_reorder_are_folded() -> None:
    class Flipped(Small):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x).mean(dim=(2, 3)).flip(1))

    network = Flipped()
    assert np.allclose(
        gap_classifier(network).class_weights, network.head.weight.detach().flip(1).numpy(), atol=1e-6
    )


def test_what_a_layer_does_counts_and_not_what_it_is_called() -> None:
    """A head that also doubles its input looks like nn.Linear to whoever reads code."""

    class Doubling(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(2 * x)

    network = Small()
    network.head = Doubling(8, 5)
    assert np.allclose(
        gap_classifier(network).class_weights, 2 * network.head.weight.detach().numpy(), atol=1e-6
    )


def test_the_callers_network_stays_as_it_was() -> None:
    network = Small().train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    model = gap_classifier(network, categories=list("abcde"))
    model.predict(np.zeros((64, 64, 3), np.uint8))
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(
        m._forward_hooks or m._backward_hooks for m in [*network.modules(), *model.network.modules()]
    )


def test_a_head_without_bias_has_bias_zero() -> None:
    model = gap_classifier(Small(bias=False))
    assert model.bias.tolist() == [0.0] * 5
    assert model.head == "head"
    assert model.categories[4] == "class 4"
    with pytest.raises(ValueError, match="2 class names for a network of 5"):
        gap_classifier(Small(), categories=["a", "b"])


# --- the real network ------------------------------------------------------------------------------------


def test_completeness_on_every_sample_photograph(resnet50: GapClassifier) -> None:
    """S_c = Σ_k w_k^c F_k + b_c for all 1000 classes, to 1e-4 in logits."""
    for prediction in resnet50.predict_many([sample_image(name) for name in SAMPLES]):
        rebuilt = prediction.feature_maps.mean(axis=(1, 2)) @ prediction.class_weights.T + prediction.bias
        assert np.abs(rebuilt - prediction.scores).max() < 1e-4


def test_predict_many_equals_predict(resnet50: GapClassifier) -> None:
    photos = [sample_image("chelsea"), sample_image("coffee"), sample_image("bull_mastiff")]
    for mode in ("crop", "full"):
        together = resnet50.predict_many(photos, mode)  # type: ignore[arg-type]
        for photo, prediction in zip(photos, together, strict=True):
            alone = resnet50.predict(photo, mode)  # type: ignore[arg-type]
            assert np.allclose(alone.scores, prediction.scores, atol=1e-4)


@pytest.mark.slow
def test_load_resnet50_takes_the_preprocessing_and_strides_that_its_weights_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    state = zoo.resnet50().state_dict()
    for source, early, entry in [
        ("imagenet1k_v1", False, ResNet50_Weights.IMAGENET1K_V1),
        ("imagenet1k_v2", False, ResNet50_Weights.IMAGENET1K_V2),
        ("msra", True, ResNet50_Weights.IMAGENET1K_V1),
    ]:
        provenance = SimpleNamespace(source=source, stride_in_1x1=early)
        monkeypatch.setattr(xaicore.networks.load, "fetch_resnet50", lambda *_, p=provenance: (state, p))
        model = load_resnet50(source)
        assert model.preprocessing == Preprocessing.of(entry)
        assert model.categories == tuple(entry.meta["categories"])
        block = model.network.get_submodule("layer3.0")
        assert block.conv1.stride == ((2, 2) if early else (1, 1))
        assert block.conv2.stride == ((1, 1) if early else (2, 2))
