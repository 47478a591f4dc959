"""A playground on a page: links, saving, company, and that everyone can use it."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image
from playground_page import agrees, page, seen
from playground_window import (
    Hand,
    Window,
    part,
    pixels,
    root_of,
    set_state,
    start_of,
    state_of,
    summary,
    wait_for,
)
from playground_window import folder as folder  # the fixtures
from playground_window import play as play
from playground_window import window as window
from playwright.sync_api import Error
from test_browser import VIEWS, barriers
from test_browser import browser as browser  # the fixture

from xaicore.playground.page import playground


def test_a_link_brings_the_state_back(window, browser, folder, play):
    with window() as page:
        set_state(
            page, kind="contrast", against=play.predictions[0].index("zebra"), regions=True, segments=50,
            statistic="max", choose="top", top=7, view="outline", colours="teal-brown", opacity=0.45,
            sign="positive", cells=True, keep=300, off=[3, 12],
        )  # fmt: skip
        part(page, "copy").click()
        link = part(page, "link").input_value()
        state = state_of(page)
        assert page.url == link
    file, _, address = link.partition("#")
    assert file == (folder / "one.html").as_uri()
    with window(address=f"#{address}") as page:
        assert state_of(page) == state
        agrees(play, seen(page))
        part(page, "reset").click()
        assert state_of(page) != state
        page.evaluate("location.hash = ''")
        page.evaluate("address => { location.hash = address }", address)
        wait_for(page, "state.regions")
        assert state_of(page) == state
        part(page, "reset").click()
        summary(page, "Link").click()
        part(page, "link").fill(link)
        part(page, "link").press("Enter")
        wait_for(page, "state.regions")
        assert state_of(page) == state
    assert play.another(**{**state, "off": tuple(state["off"])}).state == {**state, "off": (3, 12)}


@pytest.mark.parametrize(
    "query, vain",
    [
        ("photo=99&target=abc&kind=x&keep=-3&off=a,9999&top=1e9", "photo=99, target=abc, kind=x, keep=-3"),
        ("photo=&target=&segments=", "photo=, target=, segments="),
        ("mode=secam", "mode=secam"),
        ("photo=2&kind=focus", "kind=focus"),
    ],
)
def test_a_broken_link_is_no_harm(window, play, query, vain):
    """What it asks for in vain stays at its start, and the page says so until the next change."""
    with window(address=f"#play={play.key}&{query}") as page:
        photo = 2 if "photo=2" in query else 0
        assert state_of(page) == start_of(play, photo=photo)
        assert f"asks for {vain}" in part(page, "notice").inner_text()
        set_state(page, opacity=0.5)
        assert part(page, "notice").is_hidden()


def test_settings_that_do_not_exist_are_refused(window, play):
    """By the script as by Python, so that nobody times a redraw for a change of class."""
    with window() as page:
        before = state_of(page)
        for bad in ({"class": 3}, {"kind": "lime"}, {"top": 2.5}, {"against": before["target"]}):
            with pytest.raises(Error, match=r"No control is called class|can't be"):
                set_state(page, **bad)
        assert state_of(page) == before


def test_saving_gives_a_png(window, play):
    with window() as page:
        with page.expect_download() as download:
            part(page, "save").click()
        name = play.predictions[0].top(1)[0].name
        assert download.value.suggested_filename == f"cam-{name.lower().replace(' ', '-')}.png"
        picture = Image.open(download.value.path())
        assert picture.format == "PNG"
        height, width = play.predictions[0].image.shape[:2]
        assert picture.size[0] == width and picture.size[1] > height
        saved = np.array(picture.convert("RGB"))[36 : 36 + height].astype(int)
        assert np.abs(saved - pixels(page)).max() <= 1


def test_several_on_a_page_leave_each_other_alone(window, play):
    with window("several") as page:
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
        assert len(ids) == len(set(ids))
        assert [state_of(page, i)["regions"] for i in range(3)] == [False, True, False]
        hidden = [seen(page, i) for i in (1, 2)]
        Hand(page, "mouse").pick(part(page, "target"), "zebra")
        Hand(page, "mouse").radio(part(page, "kind"), "contrast")
        assert [seen(page, i) for i in (1, 2)] == hidden
        names = page.evaluate("[...document.querySelectorAll('.xai-play')].map(root => root.playground.name)")
        assert len(set(names)) == 3
        button = page.locator("button.xai-play-go")
        button.click()
        wait_for(page, "photo.name === 'strawberry'")
        state = state_of(page)
        assert (state["regions"], state["view"]) == (True, "cutout")
        assert [seen(page, i) for i in (1, 2)] == hidden
        agrees(play, seen(page))


def test_class_names_are_text(browser, play, tmp_path):
    """Not markup, in whatever place they stand."""
    name = "</script><img src=x onerror=alert(1)> & \"quoted\" 'so'"
    view = play.predictions[1]
    names = list(view.categories)
    names[view.index()] = name
    odd = playground(dataclasses.replace(view, categories=tuple(names)), segments=(25,), names=["<b>"])
    html = odd._repr_html_()
    assert name not in html and "<b>" not in html
    (tmp_path / "odd.html").write_text(page(odd), encoding="utf-8")
    with Window(browser, tmp_path / "odd.html") as opened:
        assert part(opened, "target").get_by_role("combobox").input_value() == name
        assert opened.locator("img[src=x]").count() == 0


def test_without_scripts(window):
    with window("several", java_script_enabled=False) as page:
        pictures = page.locator(".xai-play-static img")
        assert pictures.count() == 3
        assert all(picture.is_visible() for picture in pictures.all())
        assert "this picture is a playground" in page.locator(".xai-play-static p").first.inner_text()
        assert page.locator("button.xai-play-go").is_hidden()


def test_a_browser_that_cannot_inflate_says_so(browser, folder):
    with Window(browser, folder / "one.html", java_script_enabled=False):
        pass  # the page itself opens
    context = browser.new_context()
    context.add_init_script("delete window.DecompressionStream")
    opened = context.new_page()
    opened.goto((folder / "one.html").as_uri())
    opened.get_by_text("can't start in this browser").wait_for()
    assert opened.locator(".xai-play-static img").is_visible()
    context.close()


@pytest.mark.parametrize("theme, size", VIEWS, ids=[f"{theme}-{size[0]}" for theme, size in VIEWS])
def test_accessible_and_no_wider_than_the_window(window, theme, size):
    with window("several", theme=theme, size=size) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert barriers(page) == {}
        part(page, "target").get_by_role("combobox").click()
        assert part(page, "target").get_by_role("option").count() > 10
        assert barriers(page) == {}
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        paper = root_of(page).evaluate("node => getComputedStyle(node).backgroundColor")
        dark = np.mean([int(n) for n in re.findall(r"\d+", paper)[:3]]) < 100
        assert dark == (theme == "dark")


@pytest.mark.parametrize(
    "mark, dark",
    [
        ("document.documentElement.dataset.theme = 'dark'", True),
        ("document.documentElement.dataset.theme = 'light'", False),
        ("document.body.dataset.jpThemeLight = 'false'", True),
        ("document.body.dataset.jpThemeLight = 'true'", False),
        ("document.body.className = 'vscode-dark'", True),
        ("document.body.className = 'vscode-light'", False),
        ("document.documentElement.setAttribute('theme', 'dark')", True),
        ("document.documentElement.setAttribute('theme', 'light')", False),
    ],
)
def test_the_theme_is_the_one_of_the_place(window, mark, dark):
    """Of the site, JupyterLab, VS Code or Colab, whatever the system prefers."""
    with window(theme="light" if dark else "dark") as page:
        page.evaluate(mark)
        paper = root_of(page).evaluate("node => getComputedStyle(node).backgroundColor")
        assert (np.mean([int(n) for n in re.findall(r"\d+", paper)[:3]]) < 100) == dark


def test_every_control_can_be_reached_with_tab_and_seen(window, play):
    """Tab goes through them all, and what has the focus shows it."""
    with window() as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        set_state(page, kind="contrast", regions=True)
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            one = page.evaluate(
                """() => {
                const node = document.activeElement
                if (!node.closest('.xai-play')) return null
                const shows = [node, node.nextElementSibling].some(
                    one => one && getComputedStyle(one).outlineStyle !== 'none')
                return [(node.closest('[data-part]') ?? node).dataset.part ?? node.textContent.trim(), shows]
            }"""
            )
            if one:
                reached.append(one)
        assert all(shows for _, shows in reached), [name for name, shows in reached if not shows]
        names = {name for name, _ in reached}
        wanted = set(play.controls) - {"photo", "top", "off", "cells"}  # of which two are hidden now
        wanted |= {"photos", "canvas", "maps", "copy", "save", "reset", "link"}
        assert wanted <= names, wanted - names


def test_a_screen_reader_is_told(window, play):
    with window() as page:
        live = part(page, "live")
        assert live.get_attribute("aria-live") == "polite"
        Hand(page, "keyboard").pick(part(page, "target"), "zebra")
        wait_for(page, "part('live').textContent.startsWith('CAM: zebra, on dog and cat. Score')")
        Hand(page, "keyboard").box(part(page, "regions"))
        wait_for(page, "part('live').textContent.match(/^SeCAM: zebra.*superpixels. Chosen/)")
        set_state(page, kind="focus")
        wait_for(page, "part('live').textContent.match(/^focus.*adds up to no score/)")


def test_a_kind_that_cannot_be_had_says_why(window, play):
    with window() as page:
        focus = part(page, "kind").locator("input[value=focus]")
        why = part(page, "missing")
        assert focus.is_enabled() and why.is_hidden()
        set_state(page, keep=100)
        assert focus.is_disabled() and "needs all feature maps" in why.inner_text()
        set_state(page, keep=None, kind="focus")
        Hand(page, "mouse").radio(part(page, "photos"), 2)  # which has no second look
        wait_for(page, "photo.name === 'strawberry'")
        assert state_of(page)["kind"] == "cam"
        assert focus.is_disabled() and "needs a second look" in why.inner_text()
        agrees(play, seen(page))
