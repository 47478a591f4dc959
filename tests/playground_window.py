"""Playgrounds in a window of a browser, and how a reader uses them: by mouse, by keyboard, by touch."""

import base64
import io
import pickle
import re

import numpy as np
import playground_page
import pytest
from PIL import Image
from playground_page import seen
from test_browser import DESKTOP
from test_browser import browser as browser  # the fixture


@pytest.fixture(scope="module")
def folder(once_per_run, resnet50):
    return once_per_run("playground", lambda folder: playground_page.make(folder, resnet50))


@pytest.fixture(scope="module")
def play(folder):
    return pickle.loads((folder / "play.pickle").read_bytes())


class Window:
    """A page with playgrounds in a window of its own, without network, and a note of what goes wrong."""

    def __init__(self, browser, file, theme="light", size=DESKTOP, touch=False, address="", **options):
        self.complaints = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, has_touch=touch, **options
        )
        self.context.set_default_timeout(10_000)
        self.context.route(re.compile(r"^(?!file:|data:|blob:)"), lambda route: route.abort())
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        self.page.on(
            "request",
            lambda r: re.match("file:|data:|blob:", r.url) or self.complaints.append(r.url),
        )
        self.page.goto(file.as_uri() + address)
        if options.get("java_script_enabled", True):
            for root in self.page.locator(".xai-play").all():
                root.locator(".xp-body").wait_for()
            self.page.wait_for_function(
                "[...document.querySelectorAll('.xai-play')].every(root => root.playground.result)"
            )

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_):
        self.context.close()
        if kind is None:
            assert self.complaints == []


@pytest.fixture
def window(browser, folder):
    def opened(name="one", **options):
        return Window(browser, folder / f"{name}.html", **options)

    return opened


def root_of(page, nth=0):
    return page.locator(".xai-play").nth(nth)


def part(page, name, nth=0):
    return root_of(page, nth).locator(f"[data-part={name}]")


def state_of(page, nth=0):
    return seen(page, nth)["state"]


class Hand:
    """Uses controls in one way: by mouse, by keyboard, or by touch."""

    def __init__(self, page, way):
        self.page, self.way = page, way

    def press(self, target):
        """A button, a summary, an option of a list."""
        if self.way == "mouse":
            target.click()
        elif self.way == "touch":
            target.tap()
        else:
            target.focus()
            assert target.evaluate("node => node === document.activeElement")
            self.page.keyboard.press("Enter")

    def radio(self, group, value):
        if self.way == "keyboard":
            group.locator("input:checked").focus()
            for _ in range(group.locator("input").count()):
                if group.locator("input:checked").get_attribute("value") == str(value):
                    return
                self.page.keyboard.press("ArrowRight")
            raise AssertionError(f"the arrow keys never reach {value}")
        label = group.locator(f"label:has(input[value='{value}'])")
        label.click() if self.way == "mouse" else label.tap()

    def box(self, target):
        if self.way == "keyboard":
            target.focus()
            self.page.keyboard.press("Space")
        elif self.way == "mouse":
            target.click()
        else:
            target.tap()

    def slide(self, target, share):
        """Bring a slider near a share of its length."""
        if self.way == "keyboard":
            target.focus()
            self.page.keyboard.press("Home")
            low, high, step = (float(target.get_attribute(a) or 1) for a in ("min", "max", "step"))
            for _ in range(round(share * (high - low) / step)):
                self.page.keyboard.press("ArrowRight")
            return
        target.scroll_into_view_if_needed()
        size = target.bounding_box()
        place = {"x": 8 + share * (size["width"] - 16), "y": size["height"] / 2}
        target.click(position=place) if self.way == "mouse" else target.tap(position=place)

    def pick(self, field, typed, nth=0):
        """A class, by typing a part of its name and choosing among what is left."""
        box = field.get_by_role("combobox")
        if self.way == "keyboard":
            box.focus()
            self.page.keyboard.press("Control+a")
            self.page.keyboard.type(typed)
            for _ in range(nth):
                self.page.keyboard.press("ArrowDown")
            self.page.keyboard.press("Enter")
            return
        box.click() if self.way == "mouse" else box.tap()
        box.fill(typed)
        option = field.get_by_role("option").nth(nth)
        option.click() if self.way == "mouse" else option.tap()


def start_of(play, **state):
    return {**play.another(**state).state, "off": []}


def summary(page, text):
    return root_of(page).locator("summary", has_text=text)


def pixels(page, nth=0):
    data = part(page, "canvas", nth).evaluate("c => c.toDataURL().split(',')[1]")
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def wait_for(page, condition):
    """Until something holds of the first playground on the page."""
    page.wait_for_function(f"document.querySelector('.xai-play').playground.{condition}")


def set_state(page, nth=0, **state):
    root_of(page, nth).evaluate("(root, state) => root.playground.change(state)", state)
