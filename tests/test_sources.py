"""Photographs and networks from anywhere, and what is refused."""

import numpy as np
import pytest
import torch
from torchvision.models import get_model, get_model_weights

import xaicore.networks.families
import xaicore.networks.load
from xaicore import ImageError, sample_image
from xaicore.networks.load import load_torchvision, offered_models
from xaicore.pictures.samples import sample_path
from xaicore.pictures.sources import picture, read_url, shrink, uploaded

# --- photographs -------------------------------------------------------------------------------------------


def test_large_photographs_are_made_smaller():
    large = np.full((1200, 2400, 3), 7, np.uint8)
    assert shrink(large).shape == (400, 800, 3)
    small = sample_image("coffee")
    assert shrink(small) is small


def test_uploads_are_read_safely():
    data = sample_path("goose").read_bytes()
    assert uploaded("..\\..\\goose.jpg", data).name == "goose.jpg"
    assert uploaded("../x/goose.jpg", data).original == data
    with pytest.raises(ImageError, match=r"letter\.txt is not a picture"):
        uploaded("letter.txt", b"Dear Sir")


def test_a_picture_from_the_web(web):
    for page in ("goose.jpg", "to-goose"):
        got = picture(f"{web}/{page}")
        assert np.array_equal(got.image, sample_image("goose"))
        assert got.code == f'xaicore.read_image(read_url("{web}/{page}"))'


def test_what_is_not_downloaded(web):
    for address in ("file:///etc/passwd", "ftp://host/x.jpg", "data:image/png;base64,AA", "http://"):
        with pytest.raises(ImageError, match="has to begin with http"):
            read_url(address)
    for page in ("to-file", "to-ftp"):
        with pytest.raises(ImageError, match=r"has to begin with http|can't be reached|answers 302"):
            read_url(f"{web}/{page}")
    with pytest.raises(ImageError, match="answers 404"):
        read_url(f"{web}/missing.jpg")
    with pytest.raises(ImageError, match=r"larger than 0\.001 MB"):
        read_url(f"{web}/goose.jpg", max_bytes=1000)
    with pytest.raises(ImageError, match="is not a picture"):
        picture(f"{web}/page.html")
    with pytest.raises(ImageError, match="can't be reached"):
        read_url("http://127.0.0.1:9/x.jpg")


# --- networks ----------------------------------------------------------------------------------------------


def test_offered_networks():
    names = list(offered_models())
    assert names[0] == "resnet50"
    assert {f"resnet50, {s}" for s in ("imagenet1k_v1", "imagenet1k_v2", "msra")} < set(names)
    assert len(xaicore.networks.load.TORCHVISION) >= 4


def test_weights_out_of_reach_are_said_plainly(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(url):
        raise OSError(f"{url} can't be reached")

    monkeypatch.setattr(xaicore.networks.families, "check_reachable", refuse)
    with pytest.raises(RuntimeError, match=r"resnet18 can't be downloaded.*put it into the folder"):
        load_torchvision("resnet18")


def test_torchvision_weights_in_the_cache_are_used(monkeypatch, tmp_path):
    """The file holds random numbers: what is tested is its way into the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(3)
    network = get_model("resnet18", weights=None)
    entry = get_model_weights("resnet18")["IMAGENET1K_V1"]
    file = tmp_path / "hub/checkpoints" / entry.url.rsplit("/", 1)[-1]
    file.parent.mkdir(parents=True)
    torch.save(network.state_dict(), file)
    loaded = load_torchvision("resnet18")
    assert np.array_equal(loaded.class_weights, network.fc.weight.detach().numpy())
    assert loaded.categories[281] == "tabby"
