"""A *GAP classifier*: feature maps f_k → global average pooling F_k → one linear layer w, b → scores S_c.

    F_k = (1/Z) Σ_(x,y) f_k(x,y)          S_c = Σ_k w_k^c F_k + b_c

Only a network of this form has an exact class activation map, so the form is measured, not assumed: found in
one run (:mod:`xaicore.networks.recognise`), tried on other inputs and sizes, compared with the caller's own
network, and checked again with every prediction.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from xaicore.networks.copies import as_input, copied, eager, evaluating, no_autocast, number_type, unwrapped
from xaicore.networks.extractor import Extractor, pick
from xaicore.networks.extractor import NotAGapClassifierError as NotAGapClassifierError
from xaicore.networks.looks import Looks
from xaicore.networks.names import class_names
from xaicore.networks.prediction import Activation, Floats, Prediction
from xaicore.networks.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from xaicore.networks.preprocessing import Preprocessing as Preprocessing
from xaicore.networks.provenance import Provenance
from xaicore.networks.recognise import ENDINGS, CannotRunError, Found, recognise
from xaicore.networks.tail import EXACT
from xaicore.networks.trials import check_places, made_up
from xaicore.pictures.geometry import Geometry, Resize
from xaicore.pictures.reading import Photo, read_image

TOGETHER = 8  # photographs read, fitted and run at a time, so that memory is bounded
FEW = 16  # places: where the last maps have more, one cell after them is no matter of the input size
SAME = 1e-5  # of the largest score: the same network twice, compiled or not
ROUNDED = 2e-6  # of the sum of all terms' sizes: what float32 rounds away
# how far scores may be from mean(f)·wᵀ + b, as a share of the largest one, in types of less precision
ROUNDING = {torch.float16: 0.01, torch.bfloat16: 0.08}


@dataclass(frozen=True, eq=False, repr=False)
class GapClassifier:
    """A verified GAP classifier. Make one with :func:`gap_classifier`, or
    :func:`xaicore.networks.load.load_resnet50`.

    Attributes:
        network: the whole network, in evaluation mode.
        features, head: the module (or else the operation) that gives f_k, and the module that holds w, "" if
            none does.
        class_weights, bias: w (C, K) and b (C,), float32.
        activation: what makes probabilities of scores, see
            :class:`xaicore.networks.prediction.Prediction`.
        ending: what the network itself makes of the scores, such as "softmax"; "" where it returns them.
        number_type: what the network computes in.
        only_size: the one input size in pixels that the network takes; None if it takes others too.
        extractor: the network as a module that returns {"features": (N, K, h, w), "scores": (N, C)}.
    """

    network: nn.Module
    extractor: Extractor = field(repr=False)
    features: str
    head: str
    class_weights: Floats
    bias: Floats
    categories: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: Provenance | str
    activation: Activation
    ending: str
    only_size: int | None
    number_type: torch.dtype

    def forward(self, batch: Tensor) -> tuple[Floats, Floats]:
        """Feature maps (N, K, h, w) and scores (N, C) of a normalised batch, in one pass, both float32.

        The scores are the network's own, checked: mean(f)·wᵀ + b has to equal them but for rounding.

        Args:
            batch: (N, channels, h', w').

        Raises:
            NotAGapClassifierError: they don't, for this batch.
            ValueError: an input size that the network doesn't take.
        """
        if self.only_size is not None and tuple(batch.shape[2:]) != (self.only_size,) * 2:
            height, width = batch.shape[2:]
            raise ValueError(
                f"{type(self.network).__name__} takes inputs of {self.only_size}×{self.only_size} pixels "
                f"only, and this one has {height}×{width}. Use resize='squash' (the whole photo, distorted), "
                "'pad' or 'crop', and a kind of map that looks once."
            )
        with torch.no_grad(), no_autocast(self.network):
            out = self.extractor(as_input(batch, self.network, self.number_type))
        maps, scores = out["features"], out["scores"]
        rounding = ROUNDING.get(scores.dtype, EXACT)
        f, s = maps.float().cpu().numpy(), scores.float().cpu().numpy()
        if not (np.isfinite(f).all() and np.isfinite(s).all()):
            raise ValueError(
                f"{type(self.network).__name__} computes NaN or infinite values for this input. Check its "
                "weights, and mean and std of the preprocessing."
            )
        if len(self.class_weights) == 2 and s.shape[1] == 1:  # both sides of one logit
            s = np.concatenate([-s, s], axis=1)
        if (error := self._miss(f, s, rounding * float(np.abs(s).max()))) is not None:
            raise NotAGapClassifierError(
                f"{type(self.network).__name__}: for this input, mean of the feature maps · weights + bias "
                f"misses the network's own scores by {error:.2g}.{_INSTEAD}"
            )
        return f, s

    def _miss(self, maps: Floats, scores: Floats, allowed: float) -> float | None:
        """The largest |mean(f)·w + b − S|, if it is more than is allowed and than rounding explains."""
        # PyTorch's product: NumPy's leaves threads of its own spinning, and the next pass takes twice as long
        arrays = maps.mean(axis=(2, 3)), self.class_weights, self.bias, scores
        average, w, b, s = map(torch.from_numpy, arrays)
        with torch.autocast("cpu", enabled=False):
            error = float((torch.addmm(b, average, w.T) - s).abs().max())
            if error <= allowed:
                return None
            # the size of what is summed bounds how it is rounded
            terms = float(torch.addmm(b.abs(), average.abs(), w.abs().T).max())
        return None if error <= allowed + ROUNDED * terms else error

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
        predictions = (self.at_scale(scale)._predict_together([photo], resize)[0] for scale in scales)
        return Looks(tuple(predictions), tuple(scales))

    def at_scale(self, scale: float) -> GapClassifier:
        """The same network, fed with the same part of the photograph at `scale` times the usual size.

        Raises ValueError for a scale outside (0, 8].
        """
        if not 0 < scale <= 8:
            raise ValueError(f"scale={scale}; choose more than 0 and at most 8.")
        usual = self.preprocessing
        sizes = {k: round(getattr(usual, k) * scale) for k in ("resize_size", "crop_size")}
        return replace(self, preprocessing=replace(usual, **sizes))

    def predict_many(self, images: Iterable[Any], resize: Resize = "crop") -> list[Prediction]:
        """Classify several photographs: eight at a time, or each alone where their input sizes differ.

        Beyond the eight at work, memory grows by what each prediction keeps. `images` may be a
        generator.
        """
        rest = iter(images)
        found: list[Prediction] = []
        while some := [read_image(image) for image in islice(rest, TOGETHER)]:
            found += self._predict_together(some, resize)
        return found

    def _predict_together(self, photos: Sequence[Photo], resize: Resize) -> list[Prediction]:
        return self.predict_fitted(
            photos, [self.preprocessing.fit(photo, resize) for photo in photos], resize
        )

    def predict_fitted(
        self, photos: Sequence[Photo], fitted: Sequence[tuple[Photo, Geometry]], resize: Resize
    ) -> list[Prediction]:
        """Classify photographs that are fitted to the input already: together, if their inputs have one size.

        Args:
            photos: (H, W, 3) uint8 each. Of those only the shape counts here, and for a map.
            fitted: of each, what its fit to the input gave for this `resize`; see
                :meth:`xaicore.networks.preprocessing.Preprocessing.fit`.
        """
        inputs = [self.preprocessing.normalise(picture) for picture, _ in fitted]
        if len({x.shape for x in inputs}) == 1:
            maps, scores = self.forward(torch.stack(inputs))
            # copies: a part of the batch's array, kept, would keep the whole
            results = [(m.copy(), s.copy()) for m, s in zip(maps, scores, strict=True)]
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
                self.activation,
            )
            for photo, (picture, geometry), (feature_maps, scores) in zip(
                photos, fitted, results, strict=True
            )
        ]

    def __repr__(self) -> str:
        classes, channels = self.class_weights.shape
        head = f" → '{self.head}'" if self.head else " → linear steps"
        if np.array_equal(self.class_weights, np.eye(classes, channels)):
            head = ""  # one map for each class: no weights are left
        ending = f", in front of the network's {self.ending}" if self.ending else ""
        return (
            f"{type(self.network).__name__}: {channels} feature maps at '{self.features}' → average{head} → "
            f"{classes} classes{ending}\n{self.provenance}"
        )


def gap_classifier(
    network: nn.Module,
    *,
    preprocessing: Preprocessing | None = None,
    categories: Sequence[Any] | Mapping[Any, Any] | None = None,
    activation: Activation | None = None,
    output: int | str | None = None,
    provenance: Provenance | str = "the caller's own network",
) -> GapClassifier:
    """Find and verify feature maps, pooling and linear head in any classifier, however it is written.

    The network runs on random pictures, and what it computes is measured: which tensor's average over places
    the scores are an affine function of, and with which w and b. Linear steps that follow one another are
    folded into one; a softmax, log-softmax or sigmoid at the end is left out, and its input explained. Where
    places are weighted before they are summed, the weighted maps are f. Then
    mean(f)·wᵀ + b = S has to hold on other pictures and another size, and S has to be what the caller's own
    network returns.

    The network is copied, so that its mode and parameters stay untouched. DataParallel and compiled modules
    are unwrapped. One in half precision is measured as a copy in float32, and runs as it is.

    Args:
        network: takes (N, channels, h', w') and returns scores (N, C), or (N,) for one logit; alone, or in a
            dict, tuple, dataclass or ModelOutput.
        preprocessing: for a torchvision weights entry, `Preprocessing.of(entry)`; default ImageNet's usual.
        categories: C class names, as a sequence or as a dict of names and indices, either way round. For one
            logit also two names, of its negative and its positive side: both can then be explained. Default
            "class 0", "class 1", …
        activation: "softmax" for classes that exclude each other, "sigmoid" for independent ones. Default:
            sigmoid for one logit and for a network that ends in a sigmoid, else softmax.
        output: where the network returns several tensors, the name or number of the scores.

    Raises:
        NotAGapClassifierError: it is not of the form; the message names the property that fails, how much,
            and what to do instead.
        ValueError: the network can't run on such an input, or an argument doesn't fit it.
    """
    name = type(network).__name__
    try:
        inner = copied(unwrapped(network)).eval()
        exact = (
            inner if number_type(inner) in (torch.float32, torch.float64) else copy.deepcopy(inner).float()
        )
    except Exception as error:  # whatever a caller's own __deepcopy__ raises
        raise ValueError(f"{name} can't be copied ({error}). Hand over the module inside it.") from error
    chosen = Preprocessing() if preprocessing is None else preprocessing
    if not isinstance(chosen, Preprocessing):
        raise ValueError(f"preprocessing={chosen!r}; give a Preprocessing, or leave it out for ImageNet's.")
    names = tuple(categories) if isinstance(categories, Iterator) else categories
    classes = len(names) if isinstance(names, Sized) else None
    with no_autocast(inner):
        try:
            found, side = _find(exact, chosen, output, classes, name)
        except ValueError as error:
            other = None if isinstance(error, NotAGapClassifierError) else _for_channels(chosen, inner)
            if other is None:
                raise
            found, side = _find(exact, other, output, classes, name)
            chosen = other
            warnings.warn(
                f"The network takes {len(chosen.mean)} channel{'s' * (len(chosen.mean) > 1)}, so "
                f"mean={chosen.mean} and std={chosen.std} are taken. Give those of its training: "
                "preprocessing=Preprocessing(mean=…, std=…).",
                UserWarning,
                stacklevel=2,
            )
    if found.others and output is None:
        warnings.warn(
            f"{name} returns several tensors; {found.place.output!r} is taken for the scores, not "
            f"{', '.join(map(repr, found.others))}. Say which: output=.",
            UserWarning,
            stacklevel=2,
        )
    weights, bias = (t.detach().float().cpu().numpy() for t in (found.weights, found.bias))
    activation = _activation(activation, found, len(weights))
    labels = _categories(names, len(weights))
    if len(labels) == 2 and len(weights) == 1:  # both sides of one logit: S and −S
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    model = GapClassifier(
        network=exact,
        extractor=Extractor(exact, found.place),
        features=found.place.module or found.step,
        head=found.head or "",
        class_weights=weights,
        bias=bias,
        categories=labels,
        preprocessing=chosen,
        provenance=provenance,
        activation=activation,
        ending=found.ending,
        only_size=None,
        number_type=number_type(exact),
    )
    _verify(model, side)
    only_size = None if _verified_elsewhere(model) else side
    model = replace(
        model,
        network=inner,
        extractor=Extractor(inner, found.place),
        only_size=only_size,
        number_type=number_type(inner),
    )
    _compare(model, network, side)
    return model


_INSTEAD = (
    " CAM is exact only for feature maps → global average pooling → one linear layer. For this network take "
    "the map of Grad-CAM (captum.attr.LayerGradCam) or occlusion, and average it over superpixels all the "
    "same: xaicore.average(HeatMap.of(map, photo, 'Grad-CAM'), labels). Or replace its classifier by pooling "
    "and one linear layer and fine-tune it."
)


def _for_channels(preprocessing: Preprocessing, network: nn.Module) -> Preprocessing | None:
    """Where mean and std were left at ImageNet's RGB: those of the network's one or four channels."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    default = (preprocessing.mean, preprocessing.std) == (IMAGENET_MEAN, IMAGENET_STD)
    if first is None or first.in_channels not in (1, 4) or not default:
        return None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    if first.in_channels == 1:
        mean, std = (sum(IMAGENET_MEAN) / 3,), (sum(IMAGENET_STD) / 3,)
    else:
        mean, std = (*IMAGENET_MEAN, 0.5), (*IMAGENET_STD, 0.5)
    return replace(preprocessing, mean=mean, std=std)


def _activation(asked: Activation | None, found: Found, outputs: int) -> Activation:
    """What was asked for; else what the network ends in, or a sigmoid of one logit and a softmax of more."""
    words: tuple[Activation, ...] = get_args(Activation)
    own = next((word for word in words if word in found.ending), None)  # "log_softmax" is one too
    if asked is not None and asked not in words:
        raise ValueError(f"activation={asked!r}; choose 'softmax' or 'sigmoid'.")
    if asked and own and asked != own:
        raise ValueError(
            f"activation={asked!r}, and the network itself ends in a {own}. Leave activation= out."
        )
    if asked == "softmax" and outputs == 1:
        raise ValueError("activation='softmax' of a single score is always 1; one logit's is sigmoid.")
    return asked or own or ("sigmoid" if outputs == 1 else "softmax")


def _categories(categories: Any, outputs: int) -> tuple[str, ...]:
    """C names; or two for one logit, of its negative and its positive side."""
    sides = outputs == 1 and isinstance(categories, Sized) and len(categories) == 2
    return class_names(categories, 2 if sides else outputs)


# --- measuring -----------------------------------------------------------------------------------------


def _find(
    network: nn.Module,
    preprocessing: Preprocessing,
    output: int | str | None,
    classes: int | None,
    name: str,
) -> tuple[Found, int]:
    """What was found, and the input size; a larger one shows the form where the usual has a single cell."""
    side = preprocessing.crop_size
    failure: NotAGapClassifierError | None = None
    for times in (1, 2, 4):
        if failure is not None and failure.cells > FEW:
            break
        batch = as_input(made_up(preprocessing, side * times, side * times, 0)[::3], network)
        try:
            found = recognise(network, batch, output, classes)
            check_places(network, preprocessing, side * times, found.place)
        except NotAGapClassifierError as error:
            failure = failure or error
            continue
        except CannotRunError as error:
            if failure is not None:
                break  # at a larger size than usual, which not every network takes
            raise ValueError(
                f"{name} can't run on an input of shape {tuple(batch.shape)}: {error}\nIf its input has "
                "another size or another number of channels, say so: preprocessing=Preprocessing("
                "crop_size=…, mean=…, std=…), with one value of mean and std for each channel."
            ) from error
        if times > 1:
            warnings.warn(
                f"{name} has a single cell at inputs of {side} pixels, so a map of it says nothing about "
                f"places. Look at more: Preprocessing(resize_size={side * times}, crop_size={side * times}).",
                UserWarning,
                stacklevel=3,
            )
        return found, side
    assert failure is not None
    raise NotAGapClassifierError(f"{name}: {failure}.{_hint(network)}{_INSTEAD}") from failure


def _hint(network: nn.Module) -> str:
    kinds = {type(module).__module__ for module in network.modules()}
    if any("quantized" in kind for kind in kinds):
        return " It is quantised, and rounds what it computes: hand over the network from before that."
    return ""


def _verify(model: GapClassifier, side: int) -> None:
    """mean(f)·wᵀ + b = S on other pictures than those that w and b were read from, and unlike ones."""
    maps, scores = model.forward(made_up(model.preprocessing, side, side, 1))
    spread = float(np.ptp(scores, axis=0).max())
    # scores that hardly differ between pictures hide what else they depend on
    if (error := model._miss(maps, scores, EXACT * spread)) is not None:
        raise NotAGapClassifierError(
            f"{type(model.network).__name__}: the scores depend on something besides these feature maps: "
            f"they miss mean(f)·w + b by {error / spread:.1%} of what pictures change in them.{_INSTEAD}"
        )


def _verified_elsewhere(model: GapClassifier) -> bool:
    """Whether the form holds for an input that isn't square, with one side larger than usual."""
    side = model.preprocessing.crop_size
    longer = 32 * max(math.floor(side / 32) + 1, round(side * 1.4 / 32))
    try:
        model.forward(made_up(model.preprocessing, side, longer, 3)[:1])
    except Exception:  # the caller's own code runs here, and may refuse by any error
        return False
    return True


def _compare(model: GapClassifier, network: nn.Module, side: int) -> None:
    """The scores have to be what the caller's own network returns, with all its hooks and wrappers."""
    batch = as_input(made_up(model.preprocessing, side, side, 4)[2:], model.network)
    place = model.extractor.place
    with evaluating(network), eager(), no_autocast(network), torch.no_grad():
        scores = model.extractor(batch)["scores"]
        own = pick(network(batch), place.output).reshape(len(batch), -1)
    ours = ENDINGS[model.ending](scores) if model.ending else scores
    error, size = (own - ours).abs().max().item(), own.abs().max().item()
    if not error <= ROUNDING.get(own.dtype, SAME) * size:
        raise NotAGapClassifierError(
            f"{type(network).__name__} returns other scores than its copy, by up to {error:.2g}: a hook, a "
            "wrapper or a forward() of its own changes them on the way, or they are other ones each time. "
            "Hand over a network without these."
        )
