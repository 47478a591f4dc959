"""A *GAP classifier*: feature maps f_k → global average pooling F_k → one linear layer w, b → scores S_c.

    F_k = (1/Z) Σ_(x,y) f_k(x,y)          S_c = Σ_k w_k^c F_k + b_c

Only a network of this form has an exact class activation map, so the form is checked, not assumed: the
computation graph is walked back from the scores, and then one pass through the network must agree with the
equation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import NodePathTracer, create_feature_extractor

from xaicore.networks.looks import Looks
from xaicore.networks.prediction import Floats, Prediction
from xaicore.networks.provenance import Provenance
from xaicore.pictures.geometry import Geometry, Resize, fit
from xaicore.pictures.reading import Photo, read_image


class NotAGapClassifierError(ValueError):
    """The network is not of the form feature maps → global average pooling → one linear layer."""


@dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes the network's input; sizes in pixels, `mean` and `std` of RGB in [0, 1]."""

    resize_size: int = 256
    crop_size: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: Image.Resampling = Image.Resampling.BILINEAR

    @classmethod
    def of(cls, weights: Any) -> Preprocessing:
        """The preprocessing that comes with a torchvision weights entry, read from its `transforms()`."""
        t = weights.transforms()
        return cls(
            resize_size=t.resize_size[0],
            crop_size=t.crop_size[0],
            mean=tuple(t.mean),
            std=tuple(t.std),
            interpolation=Image.Resampling[t.interpolation.name],
        )

    def fit(self, image: Photo, resize: Resize = "crop") -> tuple[Photo, Geometry]:
        """Resize and crop only: the picture that the network sees, and where the photo's pixels went."""
        red, green, blue = (round(255 * value) for value in self.mean)
        return fit(
            image,
            resize,
            resize_size=self.resize_size,
            crop_size=self.crop_size,
            interpolation=self.interpolation,
            fill=(red, green, blue),
        )

    def normalise(self, picture: Photo) -> Tensor:
        """(h, w, 3) uint8 → (3, h, w) float32:  (value/255 − mean) / std  for each channel."""
        values = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (self.mean, self.std))
        return (values - mean) / std


@dataclass(frozen=True, repr=False)
class GapClassifier:
    """A verified GAP classifier. Make one with :func:`gap_classifier`, or
    :func:`xaicore.networks.load.load_resnet50`.

    Attributes:
        network: the whole network, in evaluation mode.
        extractor: a module that returns {"features": (N, K, h, w), "scores": (N, C)} for a batch.
        features, head: names of the node that gives f_k and of the linear layer.
        class_weights, bias: w (C, K) and b (C,), float32.
    """

    network: nn.Module
    extractor: nn.Module = field(repr=False)
    features: str
    head: str
    class_weights: Floats
    bias: Floats
    categories: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: Provenance | str

    def forward(self, batch: Tensor) -> tuple[Floats, Floats]:
        """Feature maps (N, K, h, w) and scores (N, C) of a normalised batch (N, 3, h', w'), in one pass."""
        with torch.inference_mode():
            out = self.extractor(batch.to(next(self.network.parameters()).device))
        return out["features"].float().cpu().numpy(), out["scores"].float().cpu().numpy()

    def predict(self, image: Any, resize: Resize = "crop") -> Prediction:
        """Classify one photograph: anything that :func:`xaicore.pictures.reading.read_image` takes."""
        return self.predict_many([image], resize)[0]

    def look(self, image: Any, scales: Sequence[float] = (1,), resize: Resize = "crop") -> Looks:
        """What the network sees of one photograph at several input sizes, one forward pass for each.

        Args:
            image: anything that :func:`xaicore.pictures.reading.read_image` takes.
            scales: multiples of the network's usual input size; a whole one keeps the cells of both maps on
                the same pixels. A larger input costs its square in time.

        Raises:
            ValueError: no scales, or one outside (0, 8].
        """
        if not len(scales):
            raise ValueError("scales=() leaves nothing to look at; (1,) is the usual size alone.")
        photo = read_image(image)
        predictions = tuple(self.at_scale(scale).predict(photo, resize) for scale in scales)
        return Looks(predictions, tuple(scales))

    def at_scale(self, scale: float) -> GapClassifier:
        """The same network, fed with the same part of the photograph at `scale` times the usual size.

        Raises ValueError for a scale outside (0, 8].
        """
        if not 0 < scale <= 8:
            raise ValueError(f"scale={scale}; choose more than 0 and at most 8.")
        usual = self.preprocessing
        sizes = {k: round(getattr(usual, k) * scale) for k in ("resize_size", "crop_size")}
        return replace(self, preprocessing=replace(usual, **sizes))

    def predict_many(self, images: Sequence[Any], resize: Resize = "crop") -> list[Prediction]:
        """Classify several photographs, one at a time where their input sizes differ, else in one batch."""
        photos = [read_image(image) for image in images]
        fitted = [self.preprocessing.fit(photo, resize) for photo in photos]
        inputs = [self.preprocessing.normalise(picture) for picture, _ in fitted]
        if len({x.shape for x in inputs}) == 1:
            maps, scores = self.forward(torch.stack(inputs))
            results = list(zip(maps, scores, strict=True))
        else:
            results = [(m[0], s[0]) for m, s in (self.forward(x[None]) for x in inputs)]
        return [
            Prediction(
                photo,
                picture,
                geometry,
                feature_maps,
                scores,
                self.class_weights,
                self.bias,
                self.categories,
                self.provenance,
                resize,
            )
            for photo, (picture, geometry), (feature_maps, scores) in zip(
                photos, fitted, results, strict=True
            )
        ]

    def __repr__(self) -> str:
        classes, channels = self.class_weights.shape
        return (
            f"{type(self.network).__name__}: {channels} feature maps at '{self.features}' → "
            f"average → '{self.head}' → {classes} classes\n{self.provenance}"
        )


def gap_classifier(
    network: nn.Module,
    *,
    preprocessing: Preprocessing | None = None,
    categories: Sequence[str] | None = None,
    provenance: Provenance | str = "the caller's own network",
) -> GapClassifier:
    """Find and verify feature maps, pooling and linear head in any classifier that torch.fx can trace.

    The graph is walked back from the scores: one `nn.Linear`, then an average over all places, then the
    feature maps; dropout, flattening and identities in between are allowed. Then one random batch must give
    mean(f)·wᵀ + b = scores. The caller's network is copied, so that its mode and parameters stay untouched.

    Args:
        network: maps (N, 3, h', w') to (N, C) scores.
        preprocessing: for a torchvision weights entry, `Preprocessing.of(entry)`; default ImageNet's usual.
        categories: C class names; default "class 0", "class 1", …

    Raises:
        NotAGapClassifierError: the message names the property that fails and what to do instead.
    """
    network = copy.deepcopy(network).eval()
    preprocessing = preprocessing or Preprocessing()
    tracer = NodePathTracer(**_tracer_options())
    try:
        graph = tracer.trace(network)
    except Exception as error:  # torch.fx raises many types
        raise NotAGapClassifierError(
            f"{_name(network)} can't be traced by torch.fx ({error}), so its last layers can't be checked. "
            "Take control flow that depends on data out of forward()."
        ) from error
    feature_node, head_node = _walk_back(graph, network)
    names = tracer.node_to_qualname
    head = network.get_submodule(str(head_node.target))
    assert isinstance(head, nn.Linear)
    extractor = create_feature_extractor(
        network,
        {names[feature_node]: "features", names[head_node]: "scores"},
        tracer_kwargs=_tracer_options(),
        suppress_diff_warning=True,
    ).eval()
    weight = head.weight.detach().float().cpu().numpy()
    bias = (
        np.zeros(len(weight), np.float32) if head.bias is None else head.bias.detach().float().cpu().numpy()
    )
    if categories is None:
        categories = [f"class {c}" for c in range(len(weight))]
    if len(categories) != len(weight):
        raise ValueError(f"{len(categories)} class names for {len(weight)} classes. Give one name for each.")
    classifier = GapClassifier(
        network=network,
        extractor=extractor,
        features=names[feature_node],
        head=str(head_node.target),
        class_weights=weight,
        bias=bias,
        categories=tuple(categories),
        preprocessing=preprocessing,
        provenance=provenance,
    )
    _verify(classifier)
    return classifier


_TRANSPARENT_MODULES = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten)
_TRANSPARENT_CALLS = (torch.flatten, nn.functional.dropout, nn.functional.dropout2d)
_TRANSPARENT_METHODS = ("flatten", "view", "reshape", "squeeze")
_INSTEAD = (
    " CAM is exact only for feature maps → global average pooling → one linear layer. For this network use "
    "Grad-CAM (captum.attr.LayerGradCam) or occlusion (captum.attr.Occlusion), or replace its classifier by "
    "pooling and one linear layer and fine-tune it."
)


def _tracer_options() -> dict[str, Any]:
    """What create_feature_extractor would choose by itself: our walk must name the nodes as it does."""
    leaves = [c for c in vars(torchvision.ops).values() if isinstance(c, type) and issubclass(c, nn.Module)]
    return {"autowrap_modules": (math, torchvision.ops), "leaf_modules": leaves}


def _walk_back(graph: fx.Graph, network: nn.Module) -> tuple[fx.Node, fx.Node]:
    """The nodes of the feature maps and of the linear head, or an error that says what stands in the way."""
    output = next(node for node in reversed(list(graph.nodes)) if node.op == "output")
    head = _skip_transparent(output.args[0], network)
    if not isinstance(_module(head, network), nn.Linear):
        raise NotAGapClassifierError(
            f"{_name(network)}: the scores come out of {_describe(head, network)}, not out of a linear "
            f"layer.{_INSTEAD}"
        )
    pool = _skip_transparent(head.args[0], network)
    if not _is_global_average(pool, network):
        raise NotAGapClassifierError(
            f"{_name(network)}: the linear layer '{head.target}' reads {_describe(pool, network)}, not a "
            f"global average over the feature maps.{_INSTEAD}"
        )
    features = pool.args[0]
    assert isinstance(features, fx.Node)
    return features, head


def _skip_transparent(node: Any, network: nn.Module) -> fx.Node:
    """Go back over what changes no value in evaluation mode: dropout, flattening, identity."""
    while isinstance(node, fx.Node) and (
        isinstance(_module(node, network), _TRANSPARENT_MODULES)
        or (node.op == "call_function" and node.target in _TRANSPARENT_CALLS)
        or (node.op == "call_method" and node.target in _TRANSPARENT_METHODS)
    ):
        node = node.args[0]
    if not isinstance(node, fx.Node):
        raise NotAGapClassifierError(
            f"{_name(network)} returns {type(node).__name__}, not one tensor of scores.{_INSTEAD}"
        )
    return node


def _module(node: fx.Node, network: nn.Module) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _is_global_average(node: fx.Node, network: nn.Module) -> bool:
    """Adaptive pooling to 1×1, or a mean over the last two axes."""
    module = _module(node, network)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return module.output_size in (1, (1, 1), [1, 1])
    if node.target is nn.functional.adaptive_avg_pool2d:
        return node.args[1] in (1, (1, 1), [1, 1])
    if node.target in ("mean", torch.mean):
        axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", ())
        return isinstance(axes, (list, tuple)) and {int(str(a)) % 4 for a in axes} == {2, 3}
    return False


def _describe(node: fx.Node, network: nn.Module) -> str:
    module = _module(node, network)
    if module is not None:
        return f"'{node.target}' ({type(module).__name__})"
    return f"'{node.name}' ({getattr(node.target, '__name__', node.target)})"


def _name(network: nn.Module) -> str:
    return type(network).__name__


def _verify(model: GapClassifier) -> None:
    """One pass on noise must obey  mean(f)·wᵀ + b = scores  (a graph that looks right may still not)."""
    side = model.preprocessing.crop_size
    noise = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    maps, scores = model.forward(noise)
    expected = maps.mean(axis=(2, 3)) @ model.class_weights.T + model.bias
    error = float(np.abs(expected - scores).max())
    if not error <= 1e-4 * max(1.0, float(np.abs(scores).max())):
        raise NotAGapClassifierError(
            f"{_name(model.network)}: mean of the feature maps · weights + bias misses the network's own "
            f"scores by {error:.2g}.{_INSTEAD}"
        )
