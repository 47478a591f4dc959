"""The built site in a real browser, opened from its files with the network shut off.

Drives the Chromium or Chrome of the system. Without one the tests are skipped; in continuous integration
they fail.
"""

import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CONTENTS = [TOC["root"], *(page["file"] for part in TOC["parts"] for page in part["chapters"])]
CHAPTERS = [page for page in CONTENTS if page.startswith("notebooks/")]

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

DESKTOP, PHONE = (1280, 800), (390, 844)
VIEWS = [(theme, size) for theme in ("light", "dark") for size in (DESKTOP, PHONE)]

# Faults of the theme, not of a page: its search button's label, and parts of its frame without a landmark.
THEME_FAULTS = {"label-content-name-mismatch", "region"}

# One pass over the page for everything that the tests want to know about it.
LOOK = """async () => {
    if (window.MathJax?.startup?.promise) await MathJax.startup.promise
    await document.fonts.ready
    let pictures = [...document.querySelectorAll("article img")]
    for (const picture of pictures) picture.loading = "eager"
    await Promise.all(pictures.map(picture => picture.decode().catch(() => {})))
    pictures = pictures.filter(picture => picture.isConnected) // the playground has replaced its own by now
    const inherited = picture => {
        const changes = []
        for (let node = picture; node; node = node.parentElement) {
            const style = getComputedStyle(node)
            if (style.filter != "none" || style.opacity != "1" || style.mixBlendMode != "normal")
                changes.push(node.tagName)
        }
        return changes
    }
    const article = document.querySelector("article")
    return {
        math: document.querySelectorAll(".math").length,
        typeset: document.querySelectorAll(".math mjx-container").length,
        // an unknown command is drawn in red instead of failing
        math_errors: [...document.querySelectorAll("mjx-merror, mjx-mtext[style*='red']")].map(
            error => error.closest("mjx-container").parentElement.outerHTML.slice(0, 300)
        ),
        raw_math: (article.innerText.match(/\\\\\\(|\\\\\\[|\\$\\$|\\\\begin\\{/g) || []),
        blank: pictures.filter(picture => !picture.naturalWidth).map(picture => picture.src),
        recoloured: pictures.filter(picture => inherited(picture).length).map(picture => picture.src),
        width: document.documentElement.scrollWidth,
        theme: document.documentElement.dataset.theme,
    }
}"""


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, [*BROWSERS, MAC])), None)
    if path is None:
        reason = "No Chromium or Chrome on this machine: install one to test the pages in a browser."
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


class Reader:
    """One window: a theme and a size, no network, and a note of everything that goes wrong in it."""

    def __init__(self, browser, site, theme, size, chosen=True):
        self.site, self.complaints = site, []
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
        self.context.route(re.compile(r"^(?!file:|data:|blob:)"), lambda route: route.abort())
        self.context.set_default_timeout(10_000)
        if chosen:  # with the theme's button, on an earlier page
            self.context.add_init_script(
                f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
            )
        self.page = self.context.new_page()
        self.page.on("request", self.note_request)
        self.page.on("requestfailed", self.note_failure)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self.note_message)

    def note_request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"asks another host: {request.url}")

    def note_failure(self, request):
        if request.failure != "net::ERR_ABORTED":  # what was still under way when the last page was left
            self.complaints.append(f"{request.failure}: {request.url}")

    def note_message(self, message):
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def open(self, name, query=""):
        self.complaints.clear()
        self.page.goto((self.site / f"{name}.html").as_uri() + query)
        return self.page

    def at(self):
        """Name of the page that is open."""
        path = self.page.url.partition("#")[0].partition("?")[0].removeprefix(self.site.as_uri() + "/")
        return path.removesuffix(".html")


@pytest.fixture(scope="module")
def readers(browser, site):
    """A window for each theme and size, opened when first asked for."""
    opened = {}

    def reader(theme, size):
        if (theme, size) not in opened:
            opened[theme, size] = Reader(browser, site, theme, size)
        return opened[theme, size]

    yield reader
    for one in opened.values():
        one.context.close()


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("theme, size", VIEWS, ids=[f"{theme}-{size[0]}" for theme, size in VIEWS])
def test_page_is_whole(readers, theme, size, name):
    reader = readers(theme, size)
    page = reader.open(name)
    seen = page.evaluate(LOOK)
    assert seen["theme"] == theme
    assert seen["typeset"] == seen["math"]
    assert seen["math_errors"] == []
    assert seen["raw_math"] == []
    assert seen["blank"] == []
    assert seen["recoloured"] == []  # heat maps keep their colours
    assert seen["width"] <= size[0]  # what is wide scrolls within itself
    assert reader.complaints == []
    if (theme, size) in (VIEWS[0], VIEWS[-1]):  # each theme once, each size once
        assert barriers(page) == {}


def barriers(page):
    """What keeps somebody from reading the page, by axe-core's rules: {rule: [element, ...]}."""
    # Code is coloured alike everywhere: three blocks a page stand for all, and spare thousands of elements.
    page.evaluate(
        "[...document.querySelectorAll('.highlight pre')].slice(3).forEach(code => {"
        " code.textContent = code.textContent })"
    )
    # preload would fetch the style sheets once more, which a page opened from a file may not
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return {v["id"]: [node["html"] for node in v["nodes"]] for v in found if v["id"] not in THEME_FAULTS}


def test_there_is_mathematics_to_typeset(readers):
    assert readers("light", DESKTOP).open("book/glossary").evaluate(LOOK)["typeset"] > 10


@pytest.mark.parametrize("name", [TOC["root"], "notebooks/04_secam"])
def test_pictures_look_the_same_in_both_themes(readers, name):
    shots = []
    for theme in ("light", "dark"):
        page = readers(theme, DESKTOP).open(name)
        page.set_viewport_size({"width": DESKTOP[0], "height": 1600})
        page.evaluate(LOOK)
        picture = page.locator("article img").first
        picture.evaluate(
            "picture => { picture.style.borderRadius = 0; picture.scrollIntoView({block: 'center'}) }"
        )
        shots.append(np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB"), dtype=int))
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    light, dark = shots
    assert light.std() > 10  # not a blank area
    inside = np.s_[3:-3, 3:-3]  # where a picture ends between two pixels, the paper shows through
    assert np.abs(light[inside] - dark[inside]).max() <= 1


def test_search_finds_a_word(readers):
    reader = readers("light", DESKTOP)
    page = reader.open(TOC["root"])
    page.keyboard.press("Control+k")
    page.keyboard.type("superpixel")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?**")
    page.wait_for_selector("#search-results li a")
    page.wait_for_function("document.querySelector('#search-results p.search-summary').innerText.length > 0")
    found = page.locator("#search-results li a").evaluate_all("links => links.map(link => link.href)")
    assert any("notebooks/04_secam" in address for address in found)
    assert any("book/glossary" in address for address in found)
    assert reader.complaints == []
    page.locator("#search-results li a").first.click()
    assert reader.at() in CONTENTS


def test_next_and_previous_buttons(readers):
    """That they go through all pages in order, test_site.py checks in the files."""
    reader = readers("light", PHONE)
    page = reader.open(CONTENTS[0])
    for button, name in (
        (".right-next", CONTENTS[1]),
        (".right-next", CONTENTS[2]),
        (".left-prev", CONTENTS[1]),
    ):
        page.locator(f"a{button}").click()
        assert reader.at() == name


def test_button_changes_the_theme(readers):
    """The button goes round light, dark and the system's choice; the page follows."""
    page = readers("light", DESKTOP).open(TOC["root"])
    seen = set()
    for _ in range(3):
        page.locator("button.theme-switch-button:visible").click()
        theme = page.evaluate("document.documentElement.dataset.theme")
        seen.add((theme, page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert {theme for theme, _ in seen} == {"light", "dark"}
    assert len(seen) == 2  # two themes, two colours of paper


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_first_visit_follows_the_system_without_complaint(browser, site, theme):
    """Nothing is stored yet: the page takes the system's theme and reports no error."""
    reader = Reader(browser, site, theme, DESKTOP, chosen=False)
    page = reader.open(TOC["root"])
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert not reader.complaints
    reader.context.close()
