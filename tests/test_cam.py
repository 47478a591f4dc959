"""The CAM equation, its identities, and three other implementations of it."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import map_coordinates

from xaicore import (
    GapClassifier,
    Prediction,
    cam,
    contrastive_cam,
    heat_map,
    on_photo,
    sample_image,
    upsample,
)
from xaicore.maps.cells import class_activation_map
from xaicore.maps.views import min_max, relu, symmetric
from xaicore.pictures.geometry import fit

numbers = st.floats(-10, 10, width=32)
small_maps = arrays(np.float64, (3, 4), elements=st.floats(-10, 10))


# --- the equation ------------------------------------------------------------------------------------------


@given(f=arrays(np.float64, (2, 5, 3, 4), elements=numbers), w=arrays(np.float64, (6, 5), elements=numbers))
def test_equals_the_sum_written_out(f: np.ndarray, w: np.ndarray) -> None:
    maps = class_activation_map(f, w)
    assert maps.shape == (2, 6, 3, 4)
    assert np.allclose(maps, np.einsum("nkyx,ck->ncyx", f, w), atol=1e-9)
    assert np.allclose(class_activation_map(f[0], w[2]), sum(w[2, k] * f[0, k] for k in range(5)), atol=1e-9)


@given(
    f=arrays(np.float64, (5, 3, 4), elements=numbers),
    w=arrays(np.float64, (6, 5), elements=numbers),
    v=arrays(np.float64, 5, elements=numbers),
)
def test_identities_1_3_5(f: np.ndarray, w: np.ndarray, v: np.ndarray) -> None:
    """Completeness, linearity, and the shift that changes every map but no probability."""
    maps = class_activation_map(f, w)
    scores = w @ f.mean(axis=(1, 2))
    assert np.allclose(maps.mean(axis=(1, 2)), scores, atol=1e-9)
    assert np.allclose(class_activation_map(f, w[0] - w[1]), maps[0] - maps[1], atol=1e-9)
    shifted = class_activation_map(f, w + v)
    assert np.allclose(shifted - maps, class_activation_map(f, v), atol=1e-9)
    moved = (w + v) @ f.mean(axis=(1, 2))
    assert np.allclose(softmax(moved), softmax(scores), atol=1e-9)
    assert np.allclose(shifted[0] - shifted[1], maps[0] - maps[1], atol=1e-9)


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def test_bad_shapes_and_values() -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., K, h, w\)"):
        class_activation_map(np.zeros((5, 3, 3)), np.zeros(4))
    with pytest.raises(ValueError, match="don't fit"):
        class_activation_map(np.zeros((3, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="don't fit"):
        class_activation_map(np.zeros((5, 3, 3)), np.zeros((2, 2, 5)))
    for bad in (np.nan, np.inf):
        f, w = np.zeros((5, 3, 3)), np.zeros(5)
        f[2, 1, 0] = w[3] = bad
        for arguments in ((f, np.zeros(5)), (np.zeros((5, 3, 3)), w)):
            with pytest.raises(ValueError, match="NaN"):
                class_activation_map(*arguments)
    assert class_activation_map([[[1.0]], [[2.0]]], [3.0, 4.0]) == 11


# --- on the real network -----------------------------------------------------------------------------------


def test_completeness(chelsea: Prediction) -> None:
    """mean(M_c) + b_c = S_c for every class."""
    maps = cam(chelsea, range(1000))
    assert np.abs(maps.mean(axis=(1, 2)) + chelsea.bias - chelsea.scores).max() < 1e-4


def test_one_class_several_classes_and_the_default(chelsea: Prediction) -> None:
    top = chelsea.top(2)
    both = cam(chelsea, [row.name for row in top])
    assert both.shape == (2, 7, 7)
    assert np.allclose(both[0], cam(chelsea), atol=1e-5)
    assert np.allclose(contrastive_cam(chelsea, top[0].index, top[1].name), both[0] - both[1], atol=1e-4)
    with pytest.raises(ValueError, match="Did you mean"):
        cam(chelsea, "tabbi")


def test_identity_2_gradients(resnet50: GapClassifier) -> None:
    """∂S_c/∂f_k(x,y) = w_k^c/Z, whatever the picture."""
    photo = resnet50.preprocessing.fit(sample_image("coffee"))[0]
    out = resnet50.extractor(resnet50.preprocessing.normalise(photo)[None])
    features, scores = out["features"], out["scores"]
    c = int(scores.argmax())
    (gradient,) = torch.autograd.grad(scores[0, c], features)
    z = gradient.shape[-1] * gradient.shape[-2]
    expected = np.broadcast_to(resnet50.class_weights[c][:, None, None] / z, gradient.shape[1:])
    assert np.allclose(gradient[0].numpy(), expected, atol=1e-8)


def test_identity_4_gradient_of_the_probability(resnet50: GapClassifier, chelsea: Prediction) -> None:
    """Grad-CAM on p_c gives p_c (M_c − Σ_j p_j M_j) / Z."""
    out = resnet50.extractor(resnet50.preprocessing.normalise(chelsea.input_image)[None])
    features, scores = out["features"], out["scores"]
    c = chelsea.index()
    (gradient,) = torch.autograd.grad(scores.double().softmax(1)[0, c], features)
    weights = gradient[0].mean(dim=(1, 2), keepdim=True)
    grad_cam = (weights * features[0]).sum(0).detach().numpy()
    maps, p = cam(chelsea, range(1000)).astype(float), chelsea.probabilities
    expected = p[c] * (maps[c] - np.tensordot(p, maps, 1)) / 49
    assert np.allclose(grad_cam, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["chelsea", "bull_mastiff"])
def test_three_other_implementations_agree(resnet50: GapClassifier, name: str) -> None:
    """captum's LayerGradCam × Z, grad-cam's HiResCAM and torchcam's CAM, all to 1e-5 of the map's size."""
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import HiResCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import CAM

    prediction = resnet50.predict(sample_image(name))
    ours, c = cam(prediction), prediction.index()
    tolerance = 1e-5 * float(np.abs(ours).max())
    x = resnet50.preprocessing.normalise(prediction.input_image)[None]
    network = resnet50.network

    captum = LayerGradCam(network, network.layer4).attribute(x, c)[0, 0].detach().numpy() * 49
    assert np.abs(captum - ours).max() < tolerance

    with CAM(network, "layer4", "fc") as extractor:
        torchcam = extractor_map(extractor, network, x, c)
    assert np.abs(torchcam - ours).max() < tolerance

    # HiResCAM before its ReLU, which the library applies afterwards: gradient × feature map, summed.
    hirescam = HiResCAM(network, [network.layer4])
    with hirescam:
        hirescam(x, [ClassifierOutputTarget(c)])
        activations = hirescam.activations_and_grads.activations[0].numpy()
        gradients = hirescam.activations_and_grads.gradients[0].numpy()
        raw = hirescam.get_cam_image(x, network.layer4, None, activations, gradients, False)[0] * 49
    assert np.abs(raw - ours).max() < tolerance
    assert not any(module._forward_hooks for module in network.modules()), "an oracle left a hook behind"


def extractor_map(extractor: object, network: torch.nn.Module, x: torch.Tensor, c: int) -> np.ndarray:
    network(x)
    return extractor(c, normalized=False)[0][0].detach().numpy()  # type: ignore[operator]


# --- upsampling --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(values=small_maps, factor=st.integers(1, 6))
def test_half_pixel_is_torch_and_opencv(values: np.ndarray, factor: int) -> None:
    import cv2

    size = (3 * factor, 4 * factor)
    ours = upsample(values, size)
    torch_says = torch.nn.functional.interpolate(
        torch.tensor(values)[None, None], size, mode="bilinear", align_corners=False
    )
    assert np.allclose(ours, torch_says[0, 0].numpy(), atol=1e-9)
    assert np.allclose(ours, cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR), atol=1e-9)
    assert np.isclose(ours.mean(), values.mean(), atol=1e-9), "identity 7"
    corners = torch.nn.functional.interpolate(
        torch.tensor(values)[None, None], size, mode="bilinear", align_corners=True
    )
    assert np.allclose(upsample(values, size, "corners"), corners[0, 0].numpy(), atol=1e-9)


def test_only_half_pixel_keeps_the_mean() -> None:
    corner = np.zeros((7, 7))
    corner[0, 0] = 1
    assert np.isclose(upsample(corner, (224, 224)).mean(), corner.mean(), atol=1e-12)
    for other in ("corners", "receptive_field"):
        assert abs(upsample(corner, (224, 224), other).mean() / corner.mean() - 1) > 0.4  # type: ignore[arg-type]


def test_where_each_alignment_puts_a_cell() -> None:
    cell = np.zeros((7, 7))
    cell[2, 3] = 1

    def centre(alignment: str) -> np.ndarray:
        drawn = upsample(cell, (224, 224), alignment)  # type: ignore[arg-type]
        rows, columns = np.mgrid[:224, :224]
        return np.array([(drawn * rows).sum(), (drawn * columns).sum()]) / drawn.sum()

    assert np.allclose(centre("half_pixel"), [2 * 32 + 15.5, 3 * 32 + 15.5])
    assert np.allclose(centre("receptive_field"), [2 * 32, 3 * 32])
    assert np.allclose(centre("corners"), [2 * 223 / 6, 3 * 223 / 6], atol=0.05)
    with pytest.raises(ValueError, match="half_pixel, receptive_field, corners"):
        upsample(cell, (224, 224), "centre")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape"):
        upsample(np.zeros(7), (224, 224))


def test_receptive_field_centres_of_the_real_network(resnet50: GapClassifier) -> None:
    """Every layer pads (k − 1)/2 on both sides, so cell i is fed by pixels around 32·i."""
    stride = 1
    for name, module in resnet50.network.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.MaxPool2d):
            kernel, step, padding = (
                value[0] if isinstance(value, tuple) else value
                for value in (module.kernel_size, module.stride, module.padding)
            )
            assert 2 * padding == kernel - 1, name
            stride *= 1 if "downsample" in name else step
    assert stride == 32


# --- onto the photograph -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["crop", "squash", "full", "pad"])
def test_a_map_lands_on_the_right_pixels_of_the_photo(mode: str) -> None:
    """Draw the input's own row and column numbers back: each photo pixel must get its own position."""
    photo = np.zeros((300, 451, 3), np.uint8)
    _, geometry = fit(photo, mode)  # type: ignore[arg-type]
    grid = np.mgrid[: geometry.input_size[0], : geometry.input_size[1]].astype(float)
    drawn = on_photo(grid, geometry)
    seen = geometry.seen()
    assert np.isnan(drawn[:, ~seen]).all()
    assert seen.all() == (mode != "crop")
    rows = np.clip(geometry.positions(0), 0, geometry.input_size[0] - 1)
    columns = np.clip(geometry.positions(1), 0, geometry.input_size[1] - 1)
    expected = np.stack(np.broadcast_arrays(rows[:, None], columns[None]))
    assert np.allclose(drawn[:, seen], expected[:, seen], atol=1e-9)


def test_heat_map_of_a_cropped_photo_is_the_squares_own(resnet50: GapClassifier) -> None:
    """On a photo of exactly the input's size nothing is cropped or moved."""
    photo = resnet50.preprocessing.fit(sample_image("coffee"))[0]
    p = resnet50.predict(photo, "squash")
    assert np.allclose(heat_map(p).values, upsample(cam(p), (224, 224)), atol=1e-6)


# --- views -------------------------------------------------------------------------------------------------


@given(small_maps)
def test_views_keep_their_promises(values: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(relu(values), np.maximum(values, 0))
        scaled, signed = min_max(values), symmetric(values)
    assert np.isfinite(scaled).all()
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    assert np.isfinite(signed).all()
    assert np.abs(signed).max() <= 1
    assert (np.sign(signed) * np.sign(values) >= 0).all()


def test_views_of_hopeless_maps_warn_and_stay_finite() -> None:
    """Identity 9: a constant or all-negative map becomes neither NaN nor a silent black picture."""
    with pytest.warns(UserWarning, match="no positive value"):
        assert (relu(np.full((2, 2), -3.0)) == 0).all()
    with pytest.warns(UserWarning, match="constant"):
        assert (min_max(np.full((2, 2), -3.0)) == 0.5).all()
    with pytest.warns(UserWarning, match="zero"):
        assert (symmetric(np.zeros((2, 2))) == 0).all()


def test_views_keep_what_was_never_seen() -> None:
    values = np.array([[np.nan, 2.0], [-1.0, 0.0]])
    for view in (relu, min_max, symmetric):
        assert np.array_equal(np.isnan(view(values)), np.isnan(values))


def test_views_of_small_maps_are_those_of_large_ones() -> None:
    values = np.array([[np.nan, 2.0], [-4.0, 0.0]])
    expected = ((relu, values.clip(0)), (min_max, (values + 4) / 6), (symmetric, values / 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for view, shown in expected:
            for factor in (1e-3, 1, 1e3):
                scale = factor if view is relu else 1
                np.testing.assert_allclose(view(factor * values), scale * shown)
        np.testing.assert_array_equal(min_max([[1, 3], [2, 1]]), [[0, 1], [0.5, 0]])
    with pytest.warns(UserWarning, match="constant"):
        np.testing.assert_array_equal(min_max([[np.nan, 7.0]]), [[np.nan, 0.5]])
    with pytest.warns(UserWarning, match="zero"):
        np.testing.assert_array_equal(symmetric([[np.nan, 0.0]]), [[np.nan, 0.0]])
    with pytest.warns(UserWarning, match="no positive value"):
        np.testing.assert_array_equal(relu([[np.nan, -7.0]]), [[np.nan, 0.0]])


def test_drawing_written_out() -> None:
    """Between the centres in proportion, beyond the outermost the nearest; also of one cell."""
    values = np.array([[0, 2, 6]])
    assert upsample(values, (1, 6), "half_pixel").tolist() == [[0, 0.5, 1.5, 3, 5, 6]]
    assert upsample(values, (1, 6), "receptive_field").tolist() == [[0, 1, 2, 4, 6, 6]]
    assert upsample(values, (1, 5), "corners").tolist() == [[0, 1, 2, 4, 6]]
    assert upsample(values, (1, 2), "corners").tolist() == [[0, 6]]
    assert upsample(values, (2, 1), "corners").tolist() == [[0], [0]]
    assert upsample(values, (1, 6)).tolist() == upsample(values, (1, 6), "half_pixel").tolist()
    assert upsample([[3]], (2, 2), "corners").tolist() == [[3, 3], [3, 3]]
    assert upsample(np.ones((4, 5, 2, 3)), (6, 7)).shape == (4, 5, 6, 7)
    with pytest.raises(ValueError, match=r"\(\.\.\., h, w\), not \(3,\)"):
        upsample(values[0], (1, 6))


def test_each_alignment_is_drawn_onto_the_photo() -> None:
    _, geometry = fit(np.zeros((300, 451, 3), np.uint8), "crop")
    cells = np.random.default_rng(0).normal(size=(2, 7, 7))
    for alignment, centre in (("half_pixel", 15.5), ("receptive_field", 0.0)):
        drawn = on_photo(cells, geometry, alignment)  # type: ignore[arg-type]
        rows, columns = (np.clip((geometry.positions(a) - centre) / 32, 0, 6) for a in (0, 1))
        expected = map_coordinates(cells[1], np.meshgrid(rows, columns, indexing="ij"), order=1)
        seen = geometry.seen()
        np.testing.assert_allclose(drawn[1][seen], expected[seen])
        assert np.isnan(drawn[:, ~seen]).all() and drawn.shape == (2, 300, 451)
    np.testing.assert_array_equal(on_photo(cells, geometry), on_photo(cells, geometry, "half_pixel"))
