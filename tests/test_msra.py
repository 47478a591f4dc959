"""xaicore.networks.msra: the conversion against a second forward pass, and what is unpacked."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.models import ResNet, ResNet50_Weights, resnet50
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from xaicore.networks import msra as M
from xaicore.networks.fetch import FetchError

V1 = ResNet50_Weights.IMAGENET1K_V1
KERAS_MEAN_BGR = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)

# --- the converted network ---


@pytest.fixture(scope="session")
def network(msra_state: dict[str, Tensor]) -> ResNet:
    made = resnet50()
    made.load_state_dict(msra_state, strict=True)
    return M.adapt_to_msra(made).eval()


@pytest.fixture(scope="session")
def photos() -> tuple[list[Image.Image], Tensor]:
    """The 20 labelled ImageNet photographs that foolbox ships: imagenet_<number>_<class>.jpg."""
    spec = importlib.util.find_spec("foolbox")
    assert spec is not None and spec.origin is not None
    files = sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))
    assert len(files) == 20
    labels = torch.tensor([int(file.stem.split("_")[2]) for file in files])
    return [Image.open(file).convert("RGB") for file in files], labels


@pytest.fixture(scope="session")
def logits(network: ResNet, photos: tuple[list[Image.Image], Tensor]) -> Tensor:
    transform = V1.transforms()
    with torch.inference_mode():
        out: Tensor = network(torch.stack([transform(photo) for photo in photos[0]]))
    return out


def keras_pixels(photo: Image.Image) -> Tensor:
    """torchvision's own crop, but as the Keras network wants it: BGR, 0..255, less the mean."""
    pixels: Tensor = pil_to_tensor(center_crop(resize(photo, [256], antialias=True), [224])).float()
    return pixels.flip(0)[None] - KERAS_MEAN_BGR


def keras_forward(msra_package: Path, y: Tensor, border: Tensor) -> Tensor:
    """Walk the layers of model.json one by one: a second implementation, with nothing folded or renamed.

    `border` is the colour that the first layer pads with; the Keras network's own is zero.
    """
    model = json.loads((msra_package / "model.json").read_text())
    (group,) = model["weightsManifest"]
    flat = np.concatenate([np.fromfile(msra_package / shard, "<f4") for shard in group["paths"]])
    sizes = [int(np.prod(entry["shape"])) for entry in group["weights"]]
    assert sum(sizes) == flat.size
    w = {
        entry["name"]: torch.tensor(part.reshape(entry["shape"]))
        for entry, part in zip(group["weights"], np.split(flat, np.cumsum(sizes)[:-1]), strict=True)
    }
    out: dict[str, Tensor] = {}
    for layer in model["modelTopology"]["model_config"]["config"]["layers"]:
        name, kind, c = layer["name"], layer["class_name"], layer["config"]
        x = [out[node[0]] for nodes in layer["inbound_nodes"] for node in nodes]
        if kind == "InputLayer":
            out[name] = y
        elif kind == "ZeroPadding2D":
            (top, bottom), (left, right) = c["padding"]
            colour = border if x[0] is y else torch.zeros(())
            out[name] = F.pad(x[0] - colour, (left, right, top, bottom)) + colour
        elif kind == "Conv2D":
            kernel, same = w[f"{name}/kernel"].permute(3, 2, 0, 1), c["padding"] == "same"
            padding = [side // 2 for side in c["kernel_size"]] if same else [0, 0]
            out[name] = F.conv2d(x[0], kernel, w[f"{name}/bias"], c["strides"], padding)
        elif kind == "BatchNormalization":
            mean, variance = w[f"{name}/moving_mean"], w[f"{name}/moving_variance"]
            gamma, beta = w[f"{name}/gamma"], w[f"{name}/beta"]
            out[name] = F.batch_norm(x[0], mean, variance, gamma, beta, eps=c["epsilon"])
        elif kind == "Activation":
            assert c["activation"] == "relu"
            out[name] = x[0].relu()
        elif kind == "MaxPooling2D":
            out[name] = F.max_pool2d(x[0], c["pool_size"], c["strides"])
        elif kind == "Add":
            out[name] = x[0] + x[1]
        elif kind == "GlobalAveragePooling2D":
            out[name] = x[0].mean((2, 3))
        else:
            assert kind == "Dense" and c["activation"] == "softmax", kind
            out[name] = x[0] @ w[f"{name}/kernel"] + w[f"{name}/bias"]  # the logits, before the softmax
    return out["fc1000"]


def test_logits_equal_an_independent_forward_pass(
    msra_package: Path, photos: tuple[list[Image.Image], Tensor], logits: Tensor
) -> None:
    y = torch.cat([keras_pixels(photo) for photo in photos[0]])
    seen = torch.tensor(V1.transforms().mean).flip(0).view(1, 3, 1, 1) * 255 - KERAS_MEAN_BGR
    with torch.inference_mode():
        same_border = keras_forward(msra_package, y[:6], border=seen)
        own_border = keras_forward(msra_package, y, border=torch.zeros(()))
    torch.testing.assert_close(logits[:6], same_border, atol=1e-3, rtol=0)
    # Zeros around the photo are another colour for the two networks; the docstring bounds what that changes.
    assert 1e-3 < (logits - own_border).abs().max() <= 0.05
    assert torch.equal(logits.argmax(1), own_border.argmax(1))


def test_biases_of_convolutions_are_kept(
    msra_package: Path, photos: tuple[list[Image.Image], Tensor], tmp_path: Path
) -> None:
    """In the package itself these biases are nearly all zero, so the test above can't see a wrong sign."""
    model = json.loads((msra_package / "model.json").read_text())
    (group,) = model["weightsManifest"]
    flat = np.concatenate([np.fromfile(msra_package / shard, "<f4") for shard in group["paths"]])
    rng, start = np.random.default_rng(0), 0
    for entry in group["weights"]:
        end = start + int(np.prod(entry["shape"]))
        if entry["name"].endswith("/bias"):
            flat[start:end] += rng.normal(scale=0.02, size=end - start)
        start = end
    flat.tofile(tmp_path / "all.bin")
    group["paths"] = ["all.bin"]
    (tmp_path / "model.json").write_text(json.dumps(model))

    changed = resnet50()
    changed.load_state_dict(M.convert_msra(tmp_path))
    M.adapt_to_msra(changed).eval()
    seen = torch.tensor(V1.transforms().mean).flip(0).view(1, 3, 1, 1) * 255 - KERAS_MEAN_BGR
    with torch.inference_mode():
        found = changed(V1.transforms()(photos[0][0])[None])
        y = keras_pixels(photos[0][0])
        torch.testing.assert_close(found, keras_forward(tmp_path, y, border=seen), atol=1e-3, rtol=0)
        assert (found - keras_forward(msra_package, y, border=seen)).abs().max() > 0.1


def test_the_sample_photographs_are_recognised(
    logits: Tensor, photos: tuple[list[Image.Image], Tensor]
) -> None:
    hits = logits.topk(5).indices == photos[1][:, None]
    assert hits[:, 0].sum() >= 19
    assert hits.any(1).sum() == 20


def test_conversion_gives_the_known_tensors(msra_package: Path, msra_state: dict[str, Tensor]) -> None:
    expected = resnet50().state_dict()
    assert list(msra_state) == list(expected)
    assert all(msra_state[k].shape == v.shape and msra_state[k].dtype == v.dtype for k, v in expected.items())
    assert M.tensor_digest(msra_state) == M.MSRA_DIGEST
    changed = {**msra_state, "fc.bias": msra_state["fc.bias"] + 1e-6}
    assert M.tensor_digest(changed) != M.MSRA_DIGEST
    assert len(M.read_manifest(msra_package)) == 320


def test_the_stride_matters(msra_state: dict[str, Tensor], network: ResNet) -> None:
    plain = resnet50()
    plain.load_state_dict(msra_state)
    x = torch.linspace(-2, 2, 3 * 224 * 224).view(1, 3, 224, 224).sin()
    with torch.inference_mode():
        right, wrong = network(x), plain.eval()(x)
        assert (right - wrong).abs().max() > 0.1
        assert torch.equal(M.adapt_to_msra(M.adapt_to_msra(plain))(x), right)


# --- npm ---


def archive(path: Path, *members: tuple[str, bytes]) -> str:
    """Write a .tgz with these members and return its sha512 as npm writes it."""
    with tarfile.open(path, "w:gz") as out:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_only_the_model_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ("package/ResNet50/model.json", b"{}"), ("package/index.js", b"")
    monkeypatch.setattr(M, "NPM_SHA512", archive(tmp_path / "a.tgz", *files))
    model = M.unpack_package(tmp_path / "a.tgz", tmp_path / "out")
    assert [file.name for file in model.iterdir()] == ["model.json"]
    assert [file.name for file in (tmp_path / "out" / "package").iterdir()] == ["ResNet50"]


def test_a_path_outside_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = archive(tmp_path / "a.tgz", ("package/ResNet50/../../../evil", b"evil"))
    monkeypatch.setattr(M, "NPM_SHA512", digest)
    with pytest.raises(FetchError, match=r"can't be unpacked.*outside"):
        M.unpack_package(tmp_path / "a.tgz", tmp_path / "out")
    assert not (tmp_path / "evil").exists()
