"""Networks by name, with published weights or a file's, and the names of their classes."""

import argparse
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights, resnet18

import xaicore
from xaicore import WeightsUnavailableError, load_network
from xaicore.networks import families
from xaicore.networks.checkpoints import CheckpointError, fitted, read_checkpoint, read_class_names
from xaicore.networks.names import class_names


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return resnet18(num_classes=7)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def scores(net, model, photo):
    with torch.inference_mode():
        return net.eval()(model.preprocessing.normalise(model.preprocessing.fit(photo)[0])[None])[0].numpy()


def prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": prefixed(s, "module."), "optimizer": {}, "args": argparse.Namespace(lr=0.1)},
        lambda s: {"state_dict": {**prefixed(s, "model."), "loss.weight": torch.ones(2)}},
        lambda s: prefixed(s, "_orig_mod."),
        lambda s: {"model_state_dict": prefixed(s, "module._orig_mod.")},
        lambda s: {"n_averaged": torch.tensor(3), **prefixed(s, "module.")},
    ],
)
def test_a_checkpoint_gives_its_network_s_scores(net, wrap, photo, tmp_path):
    path = tmp_path / "my.pth"
    torch.save(wrap(net.state_dict()), path)
    model = load_network("torchvision:resnet18", checkpoint=path)
    assert model.categories == tuple(f"class {i}" for i in range(7))
    np.testing.assert_allclose(model.predict(photo).scores, scores(net, model, photo), atol=1e-4)
    assert model.provenance.source == "torchvision:resnet18" and len(model.provenance.sha256) == 64
    assert str(tmp_path) not in str(model.provenance)


def test_safetensors_and_the_at_sign(net, photo, tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(net.state_dict(), tmp_path / "my@home.safetensors")
    model = load_network(f"torchvision:resnet18@{tmp_path}/my@home.safetensors", classes=list("abcdefg"))
    assert model.categories == tuple("abcdefg")
    np.testing.assert_allclose(model.predict(photo).scores, scores(net, model, photo), atol=1e-4)


@pytest.mark.slow
def test_timm_takes_its_own_preprocessing(photo, tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    own = timm.create_model("resnet10t.c3_in1k", pretrained=False)
    torch.save(own.state_dict(), tmp_path / "my.pth")
    model = load_network("timm:resnet10t.c3_in1k@" + str(tmp_path / "my.pth"))
    wants = timm.data.resolve_model_data_config(own)
    p = model.preprocessing
    assert (p.crop_size, p.resize_size) == (
        wants["input_size"][1],
        int(wants["input_size"][1] / wants["crop_pct"]),
    )
    assert (p.mean, p.std, p.interpolation) == (wants["mean"], wants["std"], Image.Resampling.BICUBIC)
    np.testing.assert_allclose(model.predict(photo).scores, scores(own, model, photo), atol=1e-4)
    assert model.categories == tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    # published weights go the same way, once their file is there
    monkeypatch.setattr(families, "hub_file", lambda *_: (tmp_path / "my.pth", "https://somewhere"))
    published = load_network("timm:resnet10t.c3_in1k")
    np.testing.assert_array_equal(published.class_weights, model.class_weights)
    assert published.provenance.sha256 == model.provenance.sha256


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("resnet101", "Did you mean torchvision:resnet101?"),
        ("torchvision:resnet81", r"no network called 'resnet81'. Did you mean torchvision:resnet18"),
        ("torchvision:resnet50.V9", "Did you mean torchvision:resnet50"),
        ("keras:xception", "write torchvision:NAME, timm:NAME"),
        ("torchvision:", "write torchvision:NAME, timm:NAME"),
        ("my.pth", r"torchvision:resnet18@my.pth"),
        ("torchvision:resnet18@", "name of its file is empty"),
        ("torchvision:resnet18@nothing.pth", "No file of weights at nothing.pth"),
    ],
)
def test_an_unknown_network_is_explained(spec, told):
    with pytest.raises(ValueError, match=told):
        load_network(spec)


def test_a_checkpoint_of_an_empty_name_is_not_the_published_weights():
    with pytest.raises(ValueError, match="name of its file is empty"):
        load_network("torchvision:resnet18", checkpoint="")


def test_damaged_weights_of_timm_are_weights_that_can_t_be_had(monkeypatch, tmp_path):
    pytest.importorskip("timm")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04cut")
    monkeypatch.setattr(families, "hub_file", lambda *_: (tmp_path / "cut.pth", "https://somewhere"))
    with pytest.raises(WeightsUnavailableError, match=r"cut\.pth is damaged .*Delete it"):
        load_network("timm:resnet10t.c3_in1k")


def test_near_names_in_timm():
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"Did you mean timm:resnet50.a1_in1k"):
        load_network("timm:resnet50.a1_in1")


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        load_network("timm:resnet18")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "my.safetensors").touch()
    with pytest.raises(ImportError, match="pip install safetensors"):
        load_network("torchvision:resnet18", checkpoint=tmp_path / "my.safetensors")


def test_a_file_that_does_not_fit_is_explained(net, tmp_path):
    path = tmp_path / "my.pth"
    torch.save(net.state_dict(), path)
    with pytest.raises(CheckpointError, match=r"tensors are missing: layer1.2.conv1.weight, .* …"):
        load_network("torchvision:resnet34", checkpoint=path)
    with pytest.raises(CheckpointError, match=r"no last layer classifier.6.weight"):
        load_network("torchvision:vgg11", checkpoint=path)
    with pytest.raises(ValueError, match="3 class names for a network of 7 classes"):
        load_network("torchvision:resnet18", checkpoint=path, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="drop one"):
        load_network(f"torchvision:resnet18@{path}", checkpoint=path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(CheckpointError, match="no weights by name"):
        load_network("torchvision:resnet18", checkpoint=path)
    twice = {**prefixed(net.state_dict(), "student."), **prefixed(net.state_dict(), "teacher.")}
    with pytest.raises(CheckpointError, match=r"2 times, under 'student\.', 'teacher\.'"):
        fitted(twice, net.state_dict(), path)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (
            "fc.weight",
            lambda _: torch.tensor(1.0),
            r"no classes: .* fc.weight has the shape \(\)",
        ),
        ("fc.weight", lambda w: w[:0], r"no classes: .* shape \(0, 512\)"),
        ("fc.weight", lambda w: w.to_sparse(), "fc.weight as a sparse_coo tensor"),
        ("fc.weight", lambda w: w.to("meta"), "fc.weight as a meta tensor"),
        ("fc.bias", lambda w: w.to_sparse(), r"not plain ones: fc.bias \(sparse_coo\)"),
        ("conv1.weight", lambda w: w.to("meta"), r"not plain ones: conv1.weight \(meta\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_tensors_that_no_network_can_take_are_named(net, name, change, told, tmp_path):
    state = net.state_dict()
    torch.save({**state, name: change(state[name])}, tmp_path / "my.pth")
    with pytest.raises(CheckpointError, match=told):
        load_network("torchvision:resnet18", checkpoint=tmp_path / "my.pth")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04cut"])
def test_what_is_no_checkpoint_is_refused(content, tmp_path):
    for name in ("x.pth", "x.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            read_checkpoint(tmp_path / name)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code in a checkpoint was run')",))


def test_no_code_in_a_checkpoint_is_run(tmp_path, net):
    for held in (net, {"state_dict": net.state_dict(), "hook": Trap()}):
        torch.save(held, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match="could run code"):
            read_checkpoint(tmp_path / "x.pth")


def test_without_a_connection_it_says_what_to_do(monkeypatch, tmp_path):
    def refuse(url):
        raise families.FetchError(f"{url} can't be reached")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(families, "check_reachable", refuse)
    with pytest.raises(WeightsUnavailableError, match=r"resnet101-\w+\.pth and put it into the folder"):
        load_network("torchvision:resnet101")
    pytest.importorskip("timm")
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(WeightsUnavailableError, match=r"name the file: timm:resnet18.a1_in1k@FILE"):
        load_network("timm:resnet18.a1_in1k")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "cat\nbig dog\nelk\n\n"),
        ("a.txt", "\ufeffcat\r\nbig dog\r\nelk"),
        ("a.json", '["cat", "big dog", "elk"]'),
        ("a.json", '{"2": "elk", "0": "cat", "1": "big dog"}'),
        ("a.json", '{"elk": 2, "cat": 0, "big dog": 1}'),
        ("a.json", '{"0": ["n1", "cat"], "1": ["n2", "big dog"], "2": ["n3", "elk"]}'),
        ("config.json", '{"id2label": {"0": "cat", "1": "big dog", "2": "elk"}, "layers": 3}'),
    ],
)
def test_class_names_from_files(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert class_names(read_class_names(tmp_path / name), 3) == ("cat", "big dog", "elk")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "cat\n\nelk\n", "no name for class 1"),
        ("a.txt", "", "holds no class names"),
        ("a.json", '{"0": "cat", "2": "elk"}', "not 0 to 1, each once"),
        ("a.json", "3", "holds a int"),
        ("a.json", "{", "no JSON"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.json", "[null, 2]", "of type NoneType"),
    ],
)
def test_other_files_of_class_names_are_refused(name, text, told, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=told):
        class_names(read_class_names(tmp_path / name), 2)
    with pytest.raises(ValueError, match="can't be read"):
        read_class_names(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    ("held", "names"),
    [
        ({"0": "2", "1": "0", "2": "1"}, ("2", "0", "1")),
        ({"2": 0, "0": 1, "1": 2}, ("2", "0", "1")),
        ([0, 1, 2], ("0", "1", "2")),
        ([" ant ", "bee", 3], ("ant", "bee", "3")),
    ],
)
def test_a_file_of_names_is_read_as_the_same_names_in_python(held, names, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(held))
    torch.save(resnet18(num_classes=3).state_dict(), tmp_path / "my.pth")
    spec = f"torchvision:resnet18@{tmp_path / 'my.pth'}"
    assert class_names(held, 3) == names
    assert load_network(spec, classes=tmp_path / "a.json").categories == names
    assert load_network(spec, classes=held).categories == names


def test_the_package_brings_its_names_when_asked():
    assert {"load_network", "GapClassifier"} <= set(dir(xaicore))
    code = (
        "import sys, xaicore; before = 'torch' in sys.modules; xaicore.gap_classifier\n"
        "print(before, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match=re.escape("'xaicore' has no attribute 'nothing'")):
        _ = xaicore.nothing
