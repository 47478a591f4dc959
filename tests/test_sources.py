"""Photographs and networks from anywhere, and what is refused."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import os
import threading
import time

import numpy as np
import pytest
import torch
from torchvision.models import get_model, get_model_weights

import xaicore.networks.families
import xaicore.networks.load
from xaicore import ImageError, read_image, sample_image
from xaicore.networks.load import load_torchvision, offered_models
from xaicore.networks.weights import hub_folder
from xaicore.pictures import download
from xaicore.pictures.download import is_public, read_url
from xaicore.pictures.samples import sample_path
from xaicore.pictures.sources import picture, shrink, uploaded

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


def test_read_image_takes_an_address(web):
    assert np.array_equal(read_image(f"{web}/goose.jpg"), sample_image("goose"))
    assert np.array_equal(read_image(f"HTTP{web[4:]}/to-goose"), sample_image("goose"))
    with pytest.raises(ImageError, match=r"page\.html is not a picture"):
        read_image(f"{web}/page.html")
    with pytest.raises(ImageError, match="answers 404"):
        read_image(f"{web}/missing.jpg")


ADDRESSES = {
    "8.8.8.8": True,
    "2606:4700::6810:84e5": True,
    "::ffff:8.8.8.8": True,
    "127.0.0.1": False,
    "127.9.9.9": False,
    "0.0.0.0": False,
    "10.0.0.1": False,
    "172.16.0.1": False,
    "192.168.1.1": False,
    "100.64.0.1": False,
    "169.254.169.254": False,  # where clouds keep their machines' keys
    "224.0.0.1": False,
    "255.255.255.255": False,
    "::1": False,
    "::": False,
    "fe80::1": False,
    "fe80::1%eth0": False,
    "fc00::1": False,
    "ff02::1": False,
    "::ffff:127.0.0.1": False,
    "::ffff:a00:1": False,
    "64:ff9b::7f00:1": False,
    "2002:7f00:1::": False,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_public(address):
    assert is_public(address) == ADDRESSES[address]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "169.254.169.254"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_is_read_from_this_machine(host, scheme, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("connected")

    monkeypatch.setattr(download, "is_public", is_public)
    monkeypatch.setattr(download.socket, "create_connection", refuse)
    with pytest.raises(ImageError, match=r"not on the public internet|can't be reached"):
        read_image(f"{scheme}://{host}:9/photo.jpg")


def test_names_and_redirections_that_lead_inside(web, monkeypatch):
    resolve = download.socket.getaddrinfo

    def inside(host, port, *more, **options):
        return resolve("10.0.0.1" if host == "inside.example" else host, port, *more, **options)

    monkeypatch.setattr(download.socket, "getaddrinfo", inside)
    for address in (f"{web}/to-inside", f"{web}/to-name-inside", "http://inside.example/photo.jpg"):
        with pytest.raises(ImageError, match=r"not on the public internet.*allow_private=True"):
            read_url(address)
    with pytest.raises(ImageError, match="has to begin with http"):
        read_url("http://127.0.0.%31/photo.jpg")


def test_a_proxy_may_be_inside_but_not_what_it_fetches(web, monkeypatch):
    monkeypatch.setenv("http_proxy", web)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(download, "is_public", is_public)
    with pytest.raises(ImageError, match="not on the public internet"):
        read_url("http://10.0.0.1/photo.jpg")
    with pytest.raises(ImageError, match=r"answers|not a picture"):
        read_image("http://name-that-only-a-proxy-knows.invalid/missing.jpg")


def test_a_private_address_is_read_where_it_is_trusted(web, monkeypatch):
    monkeypatch.setattr(download, "is_public", is_public)
    data = sample_path("goose").read_bytes()
    assert read_url(f"{web}/goose.jpg", allow_private=True) == data
    with pytest.raises(ImageError, match="public"):
        read_url(f"{web}/goose.jpg")


def test_addresses_with_blanks_and_other_letters(web):
    for page in ("a b.html", "grüße.html?x=ä", "a%20b.html", "x.html#part"):
        assert read_url(f"{web}/{page}") == b"<html>"
    for wrong in ("http://[::1/x.jpg", "http://host:port/x.jpg"):
        with pytest.raises(ImageError):
            read_url(wrong)


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(monkeypatch):
    """Each byte comes in time, the picture never would."""

    class Dripping(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):  # until the client hangs up
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.05)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start = time.monotonic()
    with pytest.raises(ImageError, match=r"took over 0\.3 s"):
        read_url(f"http://127.0.0.1:{server.server_port}/a.jpg", timeout=0.3, allow_private=True)
    assert time.monotonic() - start < 5
    server.shutdown()


def test_thin_strips_stay_pictures():
    assert shrink(np.zeros((2, 20_000, 3), np.uint8)).shape == (2, 800, 3)
    assert shrink(np.zeros((5000, 3, 3), np.uint8)).shape == (800, 2, 3)


# --- networks ----------------------------------------------------------------------------------------------


def test_offered_networks():
    names = list(offered_models())
    assert names[0] == "resnet50"
    assert {f"resnet50, {s}" for s in ("imagenet1k_v1", "imagenet1k_v2", "msra")} < set(names)
    assert len(xaicore.networks.load.TORCHVISION) >= 4


def test_weights_out_of_reach_are_said_plainly(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(url, file, progress):
        raise OSError(f"{url} can't be reached")

    monkeypatch.setattr(xaicore.networks.families, "download", refuse)
    with pytest.raises(RuntimeError, match=r"resnet18 can't be downloaded.*put it into the folder"):
        load_torchvision("resnet18")


@pytest.mark.parametrize("whole", [True, False])
def test_published_weights_are_fetched_whole_or_not_at_all(monkeypatch, tmp_path, whole):
    """By a download that gives a stalling host up, which torch.hub's own does not."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(3)
    network = get_model("resnet18", weights=None)
    torch.save(network.state_dict(), file := io.BytesIO())
    data = file.getvalue()
    name = f"resnet18-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    asked = []

    def fetch(url, file, progress):
        asked.append(url)
        file.write_bytes(data if whole else data[:-1])

    entry = get_model_weights("resnet18")["IMAGENET1K_V1"]
    monkeypatch.setattr(entry, "_value_", dataclasses.replace(entry.value, url=f"https://x.invalid/{name}"))
    monkeypatch.setattr(xaicore.networks.families, "download", fetch)
    checkpoints = tmp_path / "hub/checkpoints"
    if whole:
        for _ in range(2):
            loaded = load_torchvision("resnet18")
            assert np.array_equal(loaded.class_weights, network.fc.weight.detach().numpy())
        assert [path.name for path in checkpoints.iterdir()] == [name] and len(asked) == 1
    else:
        with pytest.raises(RuntimeError, match=r"resnet18 can't be downloaded \(wrong checksum"):
            load_torchvision("resnet18")
        assert list(checkpoints.iterdir()) == []


def test_published_weights_that_can_t_be_read_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = get_model_weights("resnet18")["IMAGENET1K_V1"].url
    file = tmp_path / "hub/checkpoints" / url.rsplit("/", 1)[-1]
    file.mkdir(parents=True)
    with pytest.raises(RuntimeError, match=rf"{file} can't be read \(.*Is a directory.*Delete it"):
        load_torchvision("resnet18")
    file.rmdir()
    file.write_bytes(b"cut short")
    with pytest.raises(RuntimeError, match=rf"{file} is damaged \(UnpicklingError\)"):
        load_torchvision("resnet18")


def test_torch_hub_too_gets_a_folder_where_there_is_no_home(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "_hub_dir", "~/.cache/torch/hub")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    found = hub_folder()
    assert found.is_absolute() and found.name == "hub" and "~" not in str(found)
    assert torch.hub.get_dir() == str(found)


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
