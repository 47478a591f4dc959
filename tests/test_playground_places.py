"""Where playgrounds live: the book's pages, stored notebooks, a live JupyterLab."""

import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import time

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_samples import book
from playground_page import agrees, seen
from playground_window import Hand, Window, part, root_of, wait_for
from playground_window import folder as folder  # the fixtures
from test_browser import ROOT, VIEWS
from test_browser import browser as browser  # the fixture
from test_notebooks import RULES

from xaicore.playground.script import script, style_sheet


@pytest.mark.parametrize("chapter", ["03_cam", "04_secam", "playground"])
@pytest.mark.parametrize("theme, size", [VIEWS[0], VIEWS[-1]], ids=["light-1280", "dark-390"])
def test_on_the_pages_of_the_book(browser, site, chapter, theme, size):
    with Window(browser, site / f"notebooks/{chapter}.html", theme, size) as page:
        told = seen(page)
        assert told["state"]["regions"] == (chapter == "04_secam")
        photos = root_of(page).evaluate("root => root.playground.data.photos.length")
        assert photos >= (6 if chapter == "playground" else 2)
        Hand(page, "mouse").radio(part(page, "photos"), 1)
        wait_for(page, "state.photo === 1")
        part(page, "copy").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


PLAYED = [
    path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if "xaicore.playground" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.stem)
def test_notebooks_hold_no_script(path):
    """The site brings it, so a changed character of it makes no notebook stale."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = [out for cell in cells if cell.cell_type == "code" for out in cell.outputs]
    told = "".join(out.get("data", {}).get("text/html", "") for out in outputs)
    assert 'class="xai-play-static"' in told
    assert "xaicorePlayground" not in told and "<style" not in told


def test_the_site_holds_the_script_once(site):
    assert (site / "_static/playground.js").read_text(encoding="utf-8") == script()
    assert (site / "_static/playground.css").read_text(encoding="utf-8") == style_sheet()
    for file in site.glob("*/*.html"):
        html = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        asked = [tag for tag in html.select("script[src], link[href]") if "_static/playground." in str(tag)]
        assert len(asked) == (2 if html.select(".xai-play") else 0), file


def test_the_playground_page_keeps_the_rules_of_notebooks():
    nb = book.read(ROOT / "notebooks/playground.ipynb")
    assert {rule.__name__: rule(nb) for rule in RULES} == {rule.__name__: [] for rule in RULES}


def test_in_a_live_jupyterlab(browser, folder, tmp_path):
    """Untrusted, the saved output is a picture; run, it is a playground."""
    html = pickle.loads((folder / "play.pickle").read_bytes())._repr_html_()
    nb = new_notebook()
    nb.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    source = "import pickle\nfrom pathlib import Path\npickle.loads(Path('play.pickle').read_bytes())"
    nb.cells = [new_code_cell(source, outputs=[new_output("display_data", {"text/html": html})])]
    nbformat.write(nb, tmp_path / "play.ipynb")
    shutil.copy(folder / "play.pickle", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path / "home"
    settings = {f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=play"]
    command += [f"--ServerApp.root_dir={tmp_path}"]
    log = (tmp_path / "log").open("wb")
    environment = {**os.environ, **settings, "JUPYTERLAB_SETTINGS_DIR": str(home), "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    try:
        wait_for_port(port, server, tmp_path / "log")
        elsewhere = re.compile(rf"^(?!https?://127\.0\.0\.1:{port}|data:|blob:)")
        context.route(elsewhere, lambda route: route.abort())
        lab = context.new_page()
        lab.set_default_timeout(150_000)  # the kernel imports torch
        lab.goto(f"http://127.0.0.1:{port}/lab/tree/play.ipynb?token=play")
        picture = lab.locator(".jp-OutputArea img").first
        picture.wait_for()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 300
        assert lab.locator(".xp-body").count() == 0
        # before there is a kernel, running would open a dialog that asks for one
        lab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        run_all(lab, lab.locator(".xp-body"))
        lab.wait_for_function("document.querySelector('.xai-play').playground?.result")
        Hand(lab, "keyboard").pick(part(lab, "target"), "zebra")
        told = seen(lab)
        play = pickle.loads((folder / "play.pickle").read_bytes())
        assert told["state"]["target"] == play.predictions[0].index("zebra")
        agrees(play, told)
        Hand(lab, "mouse").box(part(lab, "regions"))
        agrees(play, seen(lab))
        part(lab, "canvas").focus()
        lab.keyboard.press("ArrowDown")  # Jupyter would go to the next cell
        assert part(lab, "readout").inner_text().startswith("Superpixel")
        assert part(lab, "canvas").evaluate("node => node === document.activeElement")
    finally:
        context.close()
        server.terminate()
        server.wait(20)
        log.close()


def run_all(lab, result, seconds=150):
    """Run all cells until `result` is there.

    JupyterLab says "idle" a moment before the connection to its kernel is up, and forgets what is run in that
    moment: the cell's prompt is then empty again, where it would show a star or a number.
    """
    prompt = lab.locator(".jp-InputPrompt").first
    for _ in range(seconds // 3):
        if prompt.inner_text() == "[ ]:":
            lab.get_by_role("menuitem", name="Run", exact=True).click()
            lab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        lab.wait_for_timeout(3000)
        if result.is_visible():
            return
    pytest.fail(f"JupyterLab showed no result in {seconds} seconds; the prompt is {prompt.inner_text()}")


def wait_for_port(port, server, log):
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"JupyterLab doesn't answer:\n{log.read_text()}")
