"""Rival explanation methods, each by a library of its field and called as its authors mean it to be.

`RIVALS[name](model, picture, class_index, seed)` takes a picture (S, S, 3) uint8, already cut to the
network's input, and gives an (S, S) map, higher = more evidence for the class. S may be any multiple of 32.
The network comes back as it was: no hook on it, no gradient in it, `requires_grad` as before; and no global
random state is moved.

What each explains (the class score S_c, a logit, or its softmax p_c) is what its authors explain:

====================  =====  =====================================================  =======================
method                of     forward passes (N) and gradients (∇) at the defaults   map
====================  =====  =====================================================  =======================
Grad-CAM              S_c    1 N + 1 ∇                                              ReLU, min-max, in [0, 1]
Grad-CAM++            S_c    1 N + 1 ∇                                              ReLU, min-max, in [0, 1]
HiResCAM              S_c    1 N + 1 ∇                                              ReLU, min-max, in [0, 1]
LayerCAM              S_c    1 N + 1 ∇                                              ReLU, min-max, in [0, 1]
Finer-CAM             S_c*   1 N + 1 ∇                                              ReLU, min-max, in [0, 1]
Score-CAM             S_c    1 N + one N for each feature map (ResNet50: 2,048)     ReLU, min-max, in [0, 1]
Eigen-CAM             none   1 N                                                    ReLU, min-max, in [0, 1]
LIME                  p_c    1,000 N                                                signed, on superpixels
KernelSHAP            p_c    1,000 N                                                signed, on superpixels
occlusion             p_c    1 N + 169 N                                            signed, units of p_c
integrated gradients  p_c    50 N + 50 ∇                                            signed, sums to about p_c
XRAI                  p_c    200 N + 200 ∇                                          mostly positive
====================  =====  =====================================================  =======================

* Finer-CAM explains the mean of S_c − S_j over three classes j, weighted by probability.

The min-max step is the library grad-cam's. It takes the map's lowest value off, which makes a map that is
positive everywhere (Grad-CAM++, LayerCAM, Score-CAM) more concentrated than the formula alone, so it is kind
to these rivals. XRAI keeps each pixel's highest channel, so it is positive nearly everywhere: judge it by its
ranking, not by its share of positive evidence.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock
from weakref import WeakKeyDictionary

import numpy as np
import pytorch_grad_cam as grad_cam_library
import torch
from captum.attr import IntegratedGradients, KernelShap, Occlusion
from captum.metrics import sensitivity_max
from lime import lime_image
from numpy.typing import NDArray
from pytorch_grad_cam import score_cam
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from saliency.core import XRAI, XRAIParameters
from torch import Tensor, nn

from benchmarks.networks import BATCH
from benchmarks.patches import patches
from xaicore.evaluation.localisation import ranking
from xaicore.evaluation.removal import ScoreFunction
from xaicore.maps.cells import Floats
from xaicore.networks.gap import GapClassifier
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import paint
from xaicore.regions.labels import Labels

Values = NDArray[np.float64]
Explain = Callable[[GapClassifier, Photo, int, int], Floats]


def batch_size(picture: Photo) -> int:
    """As many pictures at a time as fit the memory that BATCH of 224×224 take."""
    height, width, _ = map(int, picture.shape)
    return max(1, BATCH * 224**2 // (height * width))


# --- the network as the libraries want it ----------------------------------------------------------------


class OnPictures(nn.Module):
    """Pictures (N, 3, h, w) with values in [0, 255] → scores, or probabilities: normalises by itself."""

    def __init__(self, model: GapClassifier, probabilities: bool) -> None:
        super().__init__()
        self.network = model.network
        self.probabilities = probabilities
        device = next(model.network.parameters()).device
        self.mean = torch.tensor(model.preprocessing.mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(model.preprocessing.std, device=device).view(-1, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.network((pictures / 255 - self.mean) / self.std)
        return scores.softmax(dim=1) if self.probabilities else scores


def as_tensor(picture: Photo, model: GapClassifier) -> Tensor:
    """(S, S, 3) uint8 → (1, 3, S, S) float32 in [0, 255], where the network is."""
    values = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
    return values.to(next(model.network.parameters()).device)


class Tapped(nn.Module):
    """The same network, with an identity module `tap` that the feature maps pass through.

    Libraries hook a module, but the feature maps need not be the output of one that is called only once: in
    EfficientNet-Lite0 the last activation is also the first. The tap is, and hooks on it leave the network
    alone.
    """

    def __init__(self, model: GapClassifier) -> None:
        super().__init__()
        assert model.extractor.place.module is not None
        self.network, self.tap, self.wanted = model.network, nn.Identity(), 0  # so far no call is tapped
        self.home = model.network.get_submodule(model.extractor.place.module)
        side = model.preprocessing.crop_size
        with torch.no_grad():
            calls = self._run(as_tensor(np.zeros((side, side, 3), np.uint8), model))[1]
        self.wanted = calls - model.extractor.place.calls

    def forward(self, batch: Tensor) -> Tensor:
        return self._run(batch)[0]

    def _run(self, batch: Tensor) -> tuple[Tensor, int]:
        """The scores, and how often the module ran that the feature maps come out of."""
        calls = 0

        def through_the_tap(module: nn.Module, args: Any, out: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return self.tap(out) if calls == self.wanted else out

        hook = self.home.register_forward_hook(through_the_tap)
        try:
            return self.network(batch), calls
        finally:
            hook.remove()


_TAPPED: WeakKeyDictionary[nn.Module, Tapped] = WeakKeyDictionary()


def tapped(model: GapClassifier) -> Tapped:
    """:class:`Tapped`, made once for each network, so that it doesn't count as time of the method."""
    if model.network not in _TAPPED:
        _TAPPED[model.network] = Tapped(model)
    return _TAPPED[model.network]


@contextmanager
def left_as_it_was(model: GapClassifier) -> Iterator[None]:
    """With gradients on, and none left in the network's parameters afterwards."""
    before = [parameter.grad for parameter in model.network.parameters()]
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter, gradient in zip(model.network.parameters(), before, strict=True):
            parameter.grad = gradient


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's random numbers from `seed`; the global state is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


# --- CAM's own family: the library grad-cam --------------------------------------------------------------


def _grad_cam(
    method: type[grad_cam_library.base_cam.BaseCAM],
    model: GapClassifier,
    picture: Photo,
    c: int,
    seed: int = 0,
) -> Values:
    """One of grad-cam's methods on the last feature maps, for S_c; the result is in [0, 1].

    Its Score-CAM holds all masked inputs at once: for ResNet50 1.2 GB at 224 pixels, 11 GB at 672.
    """
    batch = model.preprocessing.normalise(picture)[None]
    # Score-CAM's progress bar is not wanted among the evaluation's own
    quiet = mock.patch.object(score_cam.tqdm, "tqdm", lambda rows: rows)
    network = tapped(model)
    with left_as_it_was(model), quiet, method(network, [network.tap]) as explainer:
        explainer.batch_size = batch_size(picture)
        if not explainer.uses_gradients:
            with torch.no_grad():
                return np.asarray(explainer(batch, [ClassifierOutputTarget(c)])[0], float)
        return np.asarray(explainer(batch, [ClassifierOutputTarget(c)])[0], float)


def finer_cam(model: GapClassifier, picture: Photo, c: int, seed: int = 0) -> Values:
    """Finer-CAM (Zhang et al. 2025): Grad-CAM of the class against the three with the nearest scores.

    The library's defaults: comparison strength 1, the three weighted by their probability. It lets the
    gradient run through these weights, too, which the paper's formula doesn't.
    """
    batch = model.preprocessing.normalise(picture)[None]
    network = tapped(model)
    with left_as_it_was(model), grad_cam_library.FinerCAM(network, [network.tap]) as explainer:
        return np.asarray(explainer(batch, target_idx=c)[0], float)


# --- by removing superpixels: lime, and captum's KernelSHAP ----------------------------------------------


def lime(
    model: GapClassifier,
    picture: Photo,
    c: int,
    seed: int = 0,
    *,
    samples: int = 1000,
    labels: Labels | None = None,
) -> Values:
    """LIME (Ribeiro et al. 2016, section 3.4): the weights of a ridge regression of p_c on what is shown.

    Its authors' defaults: 1,000 samples, cosine distance, kernel width 0.25, all superpixels kept, a hidden
    superpixel in its own mean colour. Only the segmentation is ours (theirs is quickshift), so that methods
    are compared on the same superpixels.
    """
    labels = patches(picture) if labels is None else labels
    network = OnPictures(model, probabilities=True)

    def probabilities(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = torch.cat([as_tensor(p, model) for p in pictures])
            return np.asarray(network(batch).cpu())

    # random_state, not random_seed: the latter reaches only the segmentation
    explainer = lime_image.LimeImageExplainer(random_state=seed)
    with mock.patch.object(lime_image, "tqdm", lambda rows: rows):
        explanation = explainer.explain_instance(
            picture,
            probabilities,
            labels=(c,),
            top_labels=None,
            num_samples=samples,
            batch_size=batch_size(picture),
            segmentation_fn=lambda _: labels,
        )
    weights = np.zeros(labels.max() + 1)
    for superpixel, weight in explanation.local_exp[c]:
        weights[superpixel] = weight
    return paint(weights, labels)


def kernel_shap(
    model: GapClassifier,
    picture: Photo,
    c: int,
    seed: int = 0,
    *,
    samples: int = 1000,
    labels: Labels | None = None,
) -> Values:
    """KernelSHAP (Lundberg & Lee 2017, section 4.1): estimated Shapley values of the superpixels.

    As in its authors' example for images: of p_c, from 1,000 samples, a hidden superpixel in the picture's
    mean colour. Two heavy samples hold captum's least squares to Σ = p_c(picture) − p_c(all hidden).
    """
    labels = patches(picture) if labels is None else labels
    inputs = as_tensor(picture, model)
    mask = torch.from_numpy(labels).long()[None, None].to(inputs.device)
    with seeded(seed), torch.no_grad():
        values = KernelShap(OnPictures(model, probabilities=True)).attribute(
            inputs,
            baselines=inputs.mean(dim=(2, 3), keepdim=True).expand_as(inputs),
            target=c,
            feature_mask=mask,
            n_samples=samples,
            perturbations_per_eval=batch_size(picture),
        )
    return np.asarray(values[0, 0].cpu(), float)  # the same in each channel: a superpixel holds all three


# --- by hiding a window: captum's occlusion --------------------------------------------------------------


def occlusion(
    model: GapClassifier, picture: Photo, c: int, seed: int = 0, *, window: float = 1 / 7, steps: int = 2
) -> Values:
    """Occlusion (Zeiler & Fergus 2014, section 4.2): the fall of p_c under a grey square, mean over squares.

    The square's side is S/7, one cell of a 7×7 map, moved by half of it: 13×13 = 169 squares if 14 divides S.
    Its colour is the mean of the network's training pictures, which normalisation makes 0.

    Args:
        window: side of the square as a share of the picture's. `steps`: moves on the way of one side.
    """
    side = round(picture.shape[0] * window)
    inputs = as_tensor(picture, model)
    network = OnPictures(model, probabilities=True)
    with torch.no_grad():
        falls = Occlusion(network).attribute(
            inputs,
            sliding_window_shapes=(3, side, side),
            strides=(3, max(1, side // steps), max(1, side // steps)),
            baselines=(255 * network.mean)[None].expand_as(inputs),
            target=c,
            perturbations_per_eval=batch_size(picture),
        )
    return np.asarray(falls[0, 0].cpu(), float)


# --- by integrating gradients: captum, and saliency's XRAI -----------------------------------------------


def integrated_gradients(
    model: GapClassifier, picture: Photo, c: int, seed: int = 0, *, steps: int = 50
) -> Values:
    """Integrated gradients (Sundararajan et al. 2017, section 3) of p_c from black, summed over the channels.

    The sum over all pixels is p_c(picture) − p_c(black), up to the error of `steps` points (Gauss-Legendre).
    """
    inputs = as_tensor(picture, model)
    with left_as_it_was(model):
        values = IntegratedGradients(OnPictures(model, probabilities=True)).attribute(
            inputs, baselines=0, target=c, n_steps=steps, internal_batch_size=batch_size(picture)
        )
    return np.asarray(values[0].sum(dim=0).detach().cpu(), float)


def xrai(
    model: GapClassifier,
    picture: Photo,
    c: int,
    seed: int = 0,
    *,
    labels: Labels | None = None,
    steps: int = 100,
) -> Values:
    """XRAI (Kapishnikov et al. 2019): mean attribution of regions, joined greedily, best first.

    The authors' own library and defaults: integrated gradients of p_c (softmax, as in their examples) from
    black and from white, 100 steps each, the channels' maximum; regions from Felzenszwalb's segmentation at
    six scales, dilated by 5 pixels; the full algorithm.

    Args:
        labels: regions from this label map instead. As they don't overlap, the result is the mean of the
            attribution on each: SeCAM's formula with another map.
    """
    network = OnPictures(model, probabilities=True)
    device = network.mean.device

    def gradients(
        pictures: NDArray[Any], call_model_args: Any = None, expected_keys: Any = None
    ) -> dict[str, NDArray[np.float32]]:
        batch = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2).to(device)
        batch.requires_grad_()
        (gradient,) = torch.autograd.grad(network(batch)[:, c].sum(), batch)
        return {"INPUT_OUTPUT_GRADIENTS": gradient.permute(0, 2, 3, 1).cpu().numpy()}

    segments = None if labels is None else [labels == s for s in range(labels.max() + 1)]
    with left_as_it_was(model):
        heat = XRAI().GetMask(
            picture.astype(np.float32),
            gradients,
            segments=segments,
            batch_size=batch_size(picture),
            extra_parameters=XRAIParameters(steps=steps),
        )
    return np.asarray(heat, float)


def xrai_same_superpixels(
    model: GapClassifier, picture: Photo, c: int, seed: int = 0, *, steps: int = 100
) -> Values:
    """:func:`xrai` on the SLIC superpixels that LIME, KernelSHAP and SeCAM use."""
    return xrai(model, picture, c, seed, labels=patches(picture), steps=steps)


RIVALS: dict[str, Explain] = {
    # Selvaraju et al. 2017, eq. 1 and 2
    "Grad-CAM": partial(_grad_cam, grad_cam_library.GradCAM),
    # Chattopadhay et al. 2018; the library takes the closed form for exp(S_c), eq. 19
    "Grad-CAM++": partial(_grad_cam, grad_cam_library.GradCAMPlusPlus),
    # Draelos & Carin 2020
    "HiResCAM": partial(_grad_cam, grad_cam_library.HiResCAM),
    # Jiang et al. 2021, on the last stage only
    "LayerCAM": partial(_grad_cam, grad_cam_library.LayerCAM),
    # Zhang et al. 2025, section 3.2
    "Finer-CAM": finer_cam,
    # Wang et al. 2020; softmax over the feature maps' scores, as in their code
    "Score-CAM": partial(_grad_cam, grad_cam_library.ScoreCAM),
    # Muhammad & Yeasin 2020; doesn't know the class, and its sign is that of a principal component: arbitrary
    "Eigen-CAM": partial(_grad_cam, grad_cam_library.EigenCAM),
    "LIME": lime,
    "KernelSHAP": kernel_shap,
    "occlusion": occlusion,
    "integrated gradients": integrated_gradients,
    "XRAI": xrai,
    "XRAI, same superpixels": xrai_same_superpixels,
}


# --- protocols that a library brings ---------------------------------------------------------------------


def imputed(picture: Photo, missing: NDArray[np.bool_], seed: int = 0, noise: float = 0.01) -> Photo:
    """The picture with the missing pixels filled in by ROAD's noisy linear imputation (Rong et al. 2022).

    Each missing pixel becomes the weighted mean of its eight neighbours (1/6 beside it, 1/12 across a
    corner), a sparse linear system, plus Gaussian noise of `noise` in units of [0, 1].

    Raises:
        ValueError: no pixel is left to start from.
    """
    if missing.all():
        raise ValueError("Every pixel is missing: there is nothing to impute from. Keep some.")
    if not missing.any():
        return picture.copy()
    values = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
    with seeded(seed), warnings.catch_warnings():
        # the library hands a tensor to numpy.argwhere
        warnings.filterwarnings("ignore", "__array_wrap__", DeprecationWarning)
        filled = NoisyLinearImputer(noise)(values, torch.from_numpy(~missing).float())
    return np.asarray((filled.permute(1, 2, 0) * 255).round().clamp(0, 255), np.uint8)


def road_curve(
    score: ScoreFunction,
    picture: Photo,
    heat: Floats,
    fractions: Sequence[float] | Values,
    *,
    most_important_first: bool = True,
    seed: int = 0,
    noise: float = 0.01,
) -> Values:
    """ROAD, remove and debias (Rong et al. 2022, section 4): the score while the highest pixels are imputed.

    Exactly the given share of the pixels goes at each point, whatever the map; ties fall in an order drawn
    from `seed` (the library's own ROAD cuts at a percentile, which removes all or none of a plateau). With
    `most_important_first`, lower is better; without (lowest first), higher is better.

    Raises:
        ValueError: a fraction outside [0, 1), or a map of another size than the picture.
    """
    if np.min(fractions) < 0 or np.max(fractions) >= 1:
        raise ValueError(
            "fractions= are shares of the pixels, in [0, 1): imputation starts from what is left."
        )
    if heat.shape != picture.shape[:2]:
        raise ValueError(f"Picture {picture.shape} and map {heat.shape} don't fit.")
    order = ranking(heat if most_important_first else -heat, seed)
    pictures = []
    for fraction in fractions:
        missing = np.zeros(heat.size, bool)
        missing[order[: round(float(fraction) * heat.size)]] = True
        pictures.append(imputed(picture, missing.reshape(heat.shape), seed, noise))
    return score(np.stack(pictures))


def max_sensitivity(
    explain: Explain,
    model: GapClassifier,
    picture: Photo,
    c: int,
    seed: int = 0,
    *,
    radius: float = 0.02,
    samples: int = 10,
) -> float:
    """How far a map moves when the picture hardly does (Yeh et al. 2019, definition 3), by captum.

        max over the samples of ‖E(x + δ) − E(x)‖ / ‖E(x)‖,    x in [0, 1], δ uniform in [−radius, radius]

    The explanation's own `seed` stays the same, so only the picture changes; lower is better. Everything that
    depends on the picture is made anew, superpixels too. Takes 1 + `samples` explanations.
    """

    def maps(batch: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        rows = batch[0] if isinstance(batch, tuple) else batch
        pictures = np.asarray((rows * 255).round().clamp(0, 255).permute(0, 2, 3, 1), np.uint8)
        # a tuple, or captum subtracts each sample's map from every other's
        return (torch.from_numpy(np.stack([explain(model, p, c, seed) for p in pictures])[:, None]),)

    inputs = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    with seeded(seed):
        value = sensitivity_max(maps, inputs, perturb_radius=radius, n_perturb_samples=samples)
    return float(value)
