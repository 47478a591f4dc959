"""The rivals and controls of benchmarks/: known answers, and nothing left behind."""

import itertools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from scipy.ndimage import uniform_filter
from torch import nn

from benchmarks import controls, networks, rivals
from benchmarks.controls import CONTROLS, squares, voronoi_cells
from benchmarks.patches import patches
from benchmarks.rivals import RIVALS, Explain
from xaicore import (
    GapClassifier,
    gap_classifier,
    min_max,
    relu,
    sample_image,
    superpixel_scores,
    upsample,
)
from xaicore.evaluation.localisation import pointing_hit, positive_share
from xaicore.evaluation.removal import class_probability
from xaicore.maps.cells import class_activation_map
from xaicore.networks.gap import Preprocessing
from xaicore.pictures.reading import Photo
from xaicore.regions.averages import paint

pytestmark = pytest.mark.slow  # the rivals are of hundreds of passes, and their libraries slow to import

SIDE = 112
RED, BLUE = (slice(16, 48), slice(32, 64)), (slice(64, 96), slice(64, 96))

STRIPES = np.array([1, 1, -1, -1])[:, None].repeat(4, axis=1)
Explained = Callable[[str, int], NDArray[np.float64]]

# fewer samples or steps than in the evaluation
QUICK: dict[str, Explain] = RIVALS | {
    "LIME": partial(rivals.lime, samples=250),
    "KernelSHAP": partial(rivals.kernel_shap, samples=250),
    "integrated gradients": partial(rivals.integrated_gradients, steps=20),
    "XRAI": partial(rivals.xrai, steps=10),
    "XRAI, same superpixels": partial(rivals.xrai_same_superpixels, steps=10),
}
SEEDED = {"LIME", "KernelSHAP", "random map", "CAM on Voronoi cells", "CAM of a random network"}


@pytest.fixture(scope="module")
def toy() -> GapClassifier:
    """A network whose evidence is known: class 0 counts faint horizontal stripes, class 1 vertical ones."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 4, 4, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 20),
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.from_numpy(np.stack([STRIPES, STRIPES.T]))[:, None].expand(2, 3, 4, 4))
        network[5].weight.copy_(40 * torch.eye(20, 2))
        network[5].bias.zero_()
    return gap_classifier(network, preprocessing=Preprocessing(SIDE, SIDE, (0.5,) * 3, (0.5,) * 3))


@pytest.fixture(scope="module")
def picture() -> Photo:
    """Grey with a red, horizontally striped square and a blue, vertically striped one: four 16×16 cells each.

    Colour guides the superpixels, and the network can't see it: all pixels have the same R + G + B but for
    the stripes. A superpixel in its mean colour, which is how LIME hides it, has lost its stripes.
    """
    found = np.full((SIDE, SIDE, 3), 125, np.uint8)
    for where, colour, stripes in ((RED, (165, 105, 105), STRIPES), (BLUE, (105, 105, 165), STRIPES.T)):
        found[where] = np.array(colour) + 4 * np.tile(stripes, (8, 8))[..., None]
    return found


@pytest.fixture(scope="module")
def explained(toy: GapClassifier, picture: Photo) -> Explained:
    """A rival's or control's map of a class, with seed 0, made once."""
    return cache(lambda name, c: {**QUICK, **CONTROLS}[name](toy, picture, c, 0))


def square(where: tuple[slice, slice]) -> NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[where] = True
    return mask


@contextmanager
def nothing_left_behind(network: nn.Module) -> Iterator[None]:
    """No hook, gradient, changed parameter or mode, no moved random state, and no warning."""

    def state() -> tuple[object, ...]:
        hooks = [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks), m.training)
            for m in network.modules()
        ]
        values = [(p.requires_grad, p.grad is None, float(p.detach().sum())) for p in network.parameters()]
        return hooks, values, torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    before = state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert state() == before


# --- every rival and control -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*RIVALS, *CONTROLS])
def test_shape_determinism_and_nothing_left_behind(
    name: str, toy: GapClassifier, picture: Photo, explained: Explained, capfd: pytest.CaptureFixture[str]
) -> None:
    explain = {**QUICK, **CONTROLS}[name]
    with nothing_left_behind(toy.network):
        heat = explained(name, 0)
        other = explain(toy, picture, 0, 1)
    assert heat.shape == (SIDE, SIDE) and heat.dtype == np.float64 and np.isfinite(heat).all()
    assert np.array_equal(heat, other) == (name not in SEEDED)
    if name in SEEDED:
        assert np.array_equal(heat, explain(toy, picture, 0, 0))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "Eigen-CAM"])
def test_finds_the_evidence_of_the_class_asked_for(name: str, explained: Explained) -> None:
    """Looked at through a mean over a stripe's period, as gradients alternate with the stripes."""
    for c, (right, wrong) in enumerate([(RED, BLUE), (BLUE, RED)]):
        heat = uniform_filter(explained(name, c), 4)
        assert positive_share(heat, square(right)) > 0.2, "a constant map scores 0.08"
        assert heat[right].mean() > 2 * heat[wrong].mean()
        # XRAI dilates its regions by 5 pixels, superpixels straddle the border
        assert pointing_hit(explained(name, c), square(right), tolerance=8) > 0.5


def test_lime_cannot_hide_a_plain_superpixel(toy: GapClassifier) -> None:
    """Its default hides a superpixel in its own mean colour; KernelSHAP here in the whole picture's."""
    network = nn.Sequential(
        nn.Conv2d(3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, -0.5, -0.5]).view(1, 3, 1, 1))
        network[0].bias.zero_()
        network[4].weight.copy_(torch.tensor([[40.0], [0]]))
    redness = gap_classifier(network, preprocessing=toy.preprocessing)
    plain = np.full((SIDE, SIDE, 3), 125, np.uint8)
    plain[RED] = (165, 105, 105)
    shap, lime = (QUICK[name](redness, plain, 0, 0)[RED].mean() for name in ("KernelSHAP", "LIME"))
    assert shap > 0.01 and abs(lime) < shap / 10


@pytest.mark.slow
def test_passes_are_as_many_as_the_table_says(toy: GapClassifier, picture: Photo) -> None:
    counted: Counter[str] = Counter()

    def forward(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        counted["N"] += len(output)
        if output.requires_grad:
            output.register_hook(lambda gradient: counted.update({"∇": len(gradient)}))

    table = (rivals.__doc__ or "").split("\n====")[2]
    told = {line[:21].strip(): line[29:82].strip() for line in table.splitlines()}
    hook = toy.network[0].register_forward_hook(forward)
    try:
        for name in RIVALS.keys() - {"XRAI, same superpixels"}:
            counted.clear()
            RIVALS[name](toy, picture, 0, 0)
            text = told[name].replace(",", "").replace("one N for each feature map (ResNet50: 2048)", "2 N")
            expected: Counter[str] = Counter()
            for number, unit in (part.split() for part in text.split(" + ")):
                expected[unit] += int(number)
            # captum looks at the output once more, before it begins
            spare = Counter({"N": 1}) if name == "KernelSHAP" else Counter()
            assert counted in (expected, expected + spare), name
    finally:
        hook.remove()


# --- CAM's family, on the real network -------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0() -> GapClassifier:
    return networks.load_efficientnet_lite(0)


def test_finer_cam_is_the_gradient_map_of_a_difference_of_scores(resnet50: GapClassifier) -> None:
    """Of Σ q_j (S_c − S_j) over the three nearest classes, q_j by probability, by autograd."""
    picture = resnet50.preprocessing.fit(sample_image("chelsea"))[0]
    features = resnet50.forward(resnet50.preprocessing.normalise(picture)[None])[0][0]
    c = 285  # Egyptian cat
    f = torch.tensor(features, requires_grad=True)
    scores = torch.from_numpy(resnet50.class_weights) @ f.mean(dim=(1, 2)) + torch.from_numpy(resnet50.bias)
    nearest = (scores - scores[c]).abs().argsort()[1:4]
    p = scores.softmax(0)[nearest]  # the library lets the gradient through the shares, too
    ((p * (scores[c] - scores[nearest])).sum() / p.sum()).backward()
    assert f.grad is not None
    expected = class_activation_map(features, f.grad.mean(dim=(1, 2)).numpy())
    found = RIVALS["Finer-CAM"](resnet50, picture, c, 0)
    assert np.abs(found - min_max(upsample(relu(expected), (224, 224)))).max() < 1e-4
    assert np.abs(found - RIVALS["Grad-CAM"](resnet50, picture, c, 0)).max() > 0.1


@pytest.mark.parametrize("network", [pytest.param("resnet50", marks=pytest.mark.weights), "lite0"])
def test_hirescam_and_grad_cam_are_the_positive_part_of_cam(
    network: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(network)
    picture = model.preprocessing.fit(sample_image("bald_eagle"))[0]
    features, scores = model.forward(model.preprocessing.normalise(picture)[None])
    cells = class_activation_map(features[0], model.class_weights[scores.argmax()])
    expected = min_max(upsample(relu(cells), picture.shape[:2]))
    for name in ("HiResCAM", "Grad-CAM"):
        with nothing_left_behind(model.network):
            heat = RIVALS[name](model, picture, int(scores.argmax()), 0)
        assert np.abs(heat - expected).max() < 1e-4, name


def test_tap_gives_what_a_hook_on_the_module_gives(resnet50: GapClassifier) -> None:
    picture = resnet50.preprocessing.fit(sample_image("goose"))[0]
    batch = resnet50.preprocessing.normalise(picture)[None]
    with HiResCAM(resnet50.network, [resnet50.network.layer4[-1]]) as explainer:
        hooked = explainer(batch, [ClassifierOutputTarget(99)])[0]
    resnet50.network.zero_grad()
    assert np.allclose(RIVALS["HiResCAM"](resnet50, picture, 99, 0), hooked, atol=1e-5)


def test_eigen_cam_is_a_principal_component_and_knows_no_class(toy: GapClassifier, picture: Photo) -> None:
    heat = RIVALS["Eigen-CAM"](toy, picture, 0, 0)
    assert np.array_equal(heat, RIVALS["Eigen-CAM"](toy, picture, 1, 0))
    features = toy.forward(toy.preprocessing.normalise(picture)[None])[0][0].reshape(2, -1).astype(float)
    axis = np.linalg.eigh(np.cov(features))[1][:, -1]
    component = (axis @ (features - features.mean(axis=1, keepdims=True))).reshape(7, 7)
    signed = [min_max(upsample(relu(sign * component), heat.shape)) for sign in (1, -1)]
    assert min(np.abs(heat - s).max() for s in signed) < 1e-4


# --- LIME, KernelSHAP, occlusion -------------------------------------------------------------------------


def test_lime_and_kernel_shap_agree_on_the_best_superpixels(toy: GapClassifier, picture: Photo) -> None:
    labels = patches(picture)
    inside = superpixel_scores(square(RED).astype(float), labels)
    for explain in (QUICK["LIME"], QUICK["KernelSHAP"]):
        heat = explain(toy, picture, 0, 0)
        scores = superpixel_scores(heat, labels)
        assert np.allclose(paint(scores, labels), heat), "constant on the shared superpixels"
        assert (inside[np.argsort(-scores)[:4]] > 0.9).all()


def test_kernel_shap_against_shapley_values_written_out(toy: GapClassifier, picture: Photo) -> None:
    """Six regions, so all 64 coalitions can be asked: φ_s = Σ_A |A|! (5 − |A|)! / 6! · (v(A + s) − v(A))."""
    labels = squares((SIDE, SIDE), 6)
    hidden = picture.reshape(-1, 3).mean(axis=0)
    network = rivals.OnPictures(toy, probabilities=True)

    def value(shown: frozenset[int]) -> float:
        mixed = np.where(np.isin(labels, [*shown])[..., None], picture, hidden).astype(np.float32)
        with torch.no_grad():
            return float(network(torch.from_numpy(mixed).permute(2, 0, 1)[None])[0, 0])

    everyone = frozenset(range(6))
    v = {frozenset(a): value(frozenset(a)) for k in range(7) for a in itertools.combinations(range(6), k)}
    shapley = [
        sum(
            math.factorial(len(a)) * math.factorial(5 - len(a)) / 720 * (v[a | {s}] - v[a])
            for a in v
            if s not in a
        )
        for s in everyone
    ]
    estimate = superpixel_scores(rivals.kernel_shap(toy, picture, 0, labels=labels, samples=1500), labels)
    assert np.ptp(shapley) > 0.2
    assert np.allclose(estimate, shapley, atol=0.03)
    assert estimate.sum() == pytest.approx(v[everyone] - v[frozenset()], abs=1e-3), "efficiency"


def test_occlusion_written_out(toy: GapClassifier, picture: Photo) -> None:
    """A window of a quarter, moved by itself: every pixel is hidden once."""
    heat = rivals.occlusion(toy, picture, 0, window=1 / 4, steps=1)
    network = rivals.OnPictures(toy, probabilities=True)
    grey = picture.copy()
    grey[28:56, 28:56] = 127
    both = [float(network(rivals.as_tensor(p, toy))[0, 0].detach()) for p in (picture, grey)]
    assert np.allclose(heat[28:56, 28:56], both[0] - both[1], atol=1e-3)
    assert heat.max() > 0.05


# --- integrated gradients and XRAI -----------------------------------------------------------------------


def test_integrated_gradients_sum_to_the_difference(toy: GapClassifier, picture: Photo) -> None:
    network = rivals.OnPictures(toy, probabilities=True)
    inputs = rivals.as_tensor(picture, toy)
    difference = (network(inputs) - network(0 * inputs))[0, 0].item()
    assert difference > 0.2
    assert rivals.integrated_gradients(toy, picture, 0).sum() == pytest.approx(difference, rel=0.02)


def test_xrai_on_given_superpixels_is_the_mean_of_integrated_gradients(
    toy: GapClassifier, picture: Photo, explained: Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SeCAM's formula with another map: joining greedily changes nothing where regions don't overlap."""
    kept: list[NDArray[np.float32]] = []
    original = rivals.XRAI._get_integrated_gradients

    def keep(*args: object, **options: object) -> list[NDArray[np.float32]]:
        kept.extend(original(*args, **options))
        return kept

    monkeypatch.setattr(rivals.XRAI, "_get_integrated_gradients", keep)
    heat = QUICK["XRAI, same superpixels"](toy, picture, 0, 0)
    assert len(kept) == 2, "from black and from white"
    labels = patches(picture)
    expected = paint(superpixel_scores(np.mean(kept, axis=0).max(axis=-1), labels), labels)
    assert np.allclose(heat, expected, atol=1e-7)
    own = explained("XRAI", 0)
    assert not np.allclose(superpixel_scores(own, labels)[labels], own), "its own regions are others"


def test_wrapped_network_equals_the_model(toy: GapClassifier, lite0: GapClassifier, picture: Photo) -> None:
    for model in (toy, lite0):
        scores = model.forward(model.preprocessing.normalise(picture)[None])[1]
        with torch.no_grad():
            wrapped = rivals.OnPictures(model, False)(rivals.as_tensor(picture, model))
        assert np.allclose(wrapped, scores, atol=1e-4)


# --- ROAD and max-sensitivity ----------------------------------------------------------------------------


def test_imputation_restores_a_ramp_and_keeps_what_is_known() -> None:
    """A linear ramp is its own neighbours' mean; a constant stays constant up to the border."""
    ramp = np.repeat((np.arange(64) * 3)[None, :, None], 64, axis=0).repeat(3, axis=2).astype(np.uint8)
    missing = np.zeros((64, 64), bool)
    missing[10:40, 20:50] = True
    assert np.array_equal(rivals.imputed(ramp, missing, noise=0), ramp)
    noisy = rivals.imputed(ramp, missing, noise=0.01)
    assert np.array_equal(noisy[~missing], ramp[~missing])
    assert 2 < (noisy[missing].astype(float) - ramp[missing]).std() < 3, "0.01 · 255 grey levels"
    assert np.array_equal(noisy, rivals.imputed(ramp, missing)), "the same seed"
    flat = np.full((64, 64, 3), 77, np.uint8)
    corner = np.ones((64, 64), bool)
    corner[60:, 60:] = False
    assert np.array_equal(rivals.imputed(flat, corner, noise=0), flat)
    assert np.array_equal(rivals.imputed(ramp, ~corner & corner), ramp)
    with pytest.raises(ValueError, match="nothing to impute from"):
        rivals.imputed(flat, corner | True)


def test_road_removes_exactly_the_share_asked_for(picture: Photo) -> None:
    """Though the map has only two values."""
    seen: list[NDArray[np.uint8]] = []

    def score(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        seen.extend(pictures)
        return np.arange(len(pictures), dtype=float)

    random = np.random.default_rng(1).integers(0, 256, picture.shape).astype(np.uint8)
    fractions = [0, 0.02, 0.25, 0.6]
    assert rivals.road_curve(score, random, square(RED) * 1.0, fractions).tolist() == [0, 1, 2, 3]
    for fraction, changed in zip(fractions, seen, strict=True):
        different = (changed != random).any(axis=2)
        assert 0.995 * fraction <= different.mean() <= fraction + 1e-4, "few match by chance"
        assert fraction > 1 / 13 or (different <= square(RED)).all()
        assert fraction < 1 / 12 or different[RED].mean() > 0.99
    for wrong in ([1.0], [-0.1]):
        with pytest.raises(ValueError, match=r"in \[0, 1\)"):
            rivals.road_curve(score, random, square(RED) * 1.0, wrong)
    with pytest.raises(ValueError, match="don't fit"):
        rivals.road_curve(score, random, np.zeros((4, 4)), fractions)


def test_road_tells_a_right_map_from_a_wrong_one(toy: GapClassifier, picture: Photo) -> None:
    score = class_probability(toy, 0)
    right, wrong = square(RED) * 1.0, square(BLUE) * 1.0
    fractions = [0.09, 0.12, 0.2]
    first = [rivals.road_curve(score, picture, heat, fractions).mean() for heat in (right, wrong)]
    last = [
        rivals.road_curve(score, picture, heat, fractions, most_important_first=False).mean()
        for heat in (right, wrong)
    ]
    assert first[0] < 0.6 * first[1]
    assert last[0] > first[0] + 0.2


def test_max_sensitivity(toy: GapClassifier, picture: Photo) -> None:
    def grey(model: GapClassifier, picture: Photo, c: int, seed: int) -> NDArray[np.float64]:
        return picture.mean(axis=2) / 255

    def constant(model: GapClassifier, picture: Photo, c: int, seed: int) -> NDArray[np.float64]:
        return np.ones(picture.shape[:2])

    measure: Callable[..., float] = partial(rivals.max_sensitivity, model=toy, picture=picture, c=0)
    with nothing_left_behind(toy.network):
        assert measure(constant) == 0
        found = measure(grey, radius=0.02)
        # the mean of three uniform errors has the deviation 0.02 / √3 / √3
        norm = np.sqrt((grey(toy, picture, 0, 0) ** 2).mean())
        assert found == pytest.approx(0.02 / 3 / norm, rel=0.03)
        assert measure(grey, radius=0.04) == pytest.approx(2 * found, rel=0.05)
        assert measure(grey) == measure(grey)
        assert 0 < measure(RIVALS["Grad-CAM"], samples=2) < 1, "it needs gradients, which captum turns off"


# --- controls --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(count=st.integers(1, 150), height=st.integers(100, 230), width=st.integers(100, 230))
def test_squares_are_as_many_as_asked_for_and_alike(count: int, height: int, width: int) -> None:
    labels = squares((height, width), count)
    areas = np.bincount(labels.ravel(), minlength=count)
    assert labels.shape == (height, width) and len(areas) == count
    # a cell's sides are whole numbers of pixels: each differs by at most one from its share
    side = np.sqrt(height * width / count)
    assert np.abs(areas / areas.mean() - 1).max() < 5 / side
    for cell in (0, count // 2, count - 1):
        rows, columns = np.nonzero(labels == cell)
        box = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert box[0] * box[1] == areas[cell], "a full rectangle"
        assert count < 25 or max(box) / min(box) < 2.2


@settings(deadline=None, max_examples=20)
@given(count=st.integers(1, 120), seed=st.integers(0, 99))
def test_voronoi_cells_are_as_many_as_asked_for(count: int, seed: int) -> None:
    labels = voronoi_cells((60, 80), count, np.random.default_rng(seed))
    assert (np.bincount(labels.ravel(), minlength=count) > 0).all() and labels.max() + 1 == count


def test_averages_have_as_many_cells_as_slic(toy: GapClassifier, resnet50: GapClassifier) -> None:
    picture = resnet50.preprocessing.fit(sample_image("yurt"))[0]
    count = len(np.unique(patches(picture)))
    assert count != 100, "else this test couldn't fail"
    cam = controls.pixel_cam(resnet50, picture, 915)
    for name in ("CAM on squares", "CAM on Voronoi cells"):
        heat = CONTROLS[name](resnet50, picture, 915, 0)
        assert len(np.unique(heat)) == count, name
        assert heat.mean() == pytest.approx(cam.mean()), "averaging over cells keeps the mean"


def test_maps_without_the_network(toy: GapClassifier, picture: Photo) -> None:
    blob = CONTROLS["centred blob"](toy, picture, 0, 0)
    assert np.allclose(blob, blob[::-1]) and np.allclose(blob, blob[:, ::-1])
    assert blob[56, 56 + 28] / blob[56, 56] == pytest.approx(np.exp(-0.5), rel=0.02), "σ is a quarter"
    step = np.full_like(picture, 200)
    step[:40] = 50
    edges = CONTROLS["edge map"](toy, step, 0, 0)
    assert set(edges.argmax(axis=0)) <= {39, 40} and edges[60:].max() < edges.max() / 1000
    assert CONTROLS["edge map"](toy, np.full_like(picture, 9), 0, 0).max() < 1e-9
    noise = CONTROLS["random map"](toy, picture, 0, 0)
    assert 0 <= noise.min() < noise.max() < 1
    assert not np.array_equal(noise, CONTROLS["random map"](toy, picture[::-1].copy(), 0, 0))


def test_random_network(toy: GapClassifier, picture: Photo) -> None:
    before = {name: value.clone() for name, value in toy.network.state_dict().items()}
    drawn = controls.randomised(toy, 0)
    assert controls.randomised(toy, 0) is drawn is not controls.randomised(toy, 1)
    assert all(torch.equal(value, before[name]) for name, value in toy.network.state_dict().items())
    assert not any(torch.equal(value, before[name]) for name, value in drawn.network.state_dict().items())
    heat = CONTROLS["CAM of a random network"](toy, picture, 0, 0)
    assert np.array_equal(heat, controls.pixel_cam(drawn, picture, 0))


def test_random_resnet50_is_random_down_to_its_first_layer(resnet50: GapClassifier) -> None:
    drawn = controls.randomised(resnet50, 0)
    pairs = zip(drawn.network.parameters(), resnet50.network.parameters(), strict=True)
    assert not any(torch.equal(new, old) for new, old in pairs)
    picture = resnet50.preprocessing.fit(sample_image("drum"))[0]
    heat = controls.pixel_cam(drawn, picture, 541)
    assert np.isfinite(heat).all() and heat.std() > 0
