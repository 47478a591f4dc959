"""How fast the playground answers, in a headless Chromium: python benchmarks/playground.py

Prints medians and maxima in milliseconds: of the script alone, which computes the map and draws it, and up to
the next frame on the screen. Also the size of what the page carries. The first interaction is that of a page
opened a moment ago. A setting that the page doesn't have is refused, and each change is seen to be made.
"""

import json
import shutil
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from xaicore import load_resnet50, mosaic, sample_image
from xaicore.playground.page import playground
from xaicore.playground.script import script, style_sheet

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

# Time of one change: the script, and until the frame that shows it.
TIME = """async settings => {
    const playing = document.querySelector(".xai-play").playground
    const start = performance.now()
    if ("photo" in settings) await playing.choosePhoto(settings.photo)
    else playing.change(settings)
    const script = performance.now() - start
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)))
    const frame = performance.now() - start
    for (const [name, value] of Object.entries(settings)) {
        if (playing.state[name] !== value) throw new Error(`${name} is ${playing.state[name]}, not ${value}`)
    }
    return [script, frame]
}"""

CLASSES = """() => {
    const { data, state } = document.querySelector(".xai-play").playground
    return [state.target, data.classes.map(c => c.index).filter(c => c !== state.target)]
}"""

# Each change of class is another map than the one before it.
STATES = {
    "CAM": {},
    "SeCAM": {"regions": True},
    "SeCAM by the median": {"regions": True, "statistic": "median"},
    "contrast with rivals": {"kind": "contrast", "regions": False, "statistic": "mean"},
    "contrast with all others": {"against": "others"},
    "focus": {"kind": "focus", "against": "rivals"},
    "focus by regions": {"regions": True},
}

NAMES = ["bull_mastiff", "bald_eagle", "strawberry", "yurt", "coffee", "motorcycle", "chelsea"]


def page_of(folder: Path) -> Path:
    model = load_resnet50(progress=False)
    both = mosaic([sample_image("bull_mastiff"), sample_image("chelsea")], columns=2)
    looks = [model.look(both, (1, 2), "full"), *(model.look(sample_image(n), (1, 2)) for n in NAMES)]
    play = playground(looks, names=["dog and cat", *NAMES])
    for photo in json.loads(play.data)["photos"]:
        whole, second = (len(json.dumps(part)) / 1000 for part in (photo, photo["second"]))
        print(f"{photo['name']:<14}{whole:>6.0f} kB, {second:.0f} of them for the second look")
    html = play._repr_html_()
    print(f"{'all':<14}{len(html) / 1000:>6.0f} kB, {len(play.classes)} classes")
    print(f"{'script, style':<14}{(len(script()) + len(style_sheet())) / 1000:>6.0f} kB, once a site")
    file = folder / "play.html"
    parts = [html, f"<style>{style_sheet()}</style>", f"<script>{script()}</script>"]
    file.write_text("<!doctype html><meta charset='utf-8'>" + "".join(parts), encoding="utf-8")
    return file


def main() -> None:
    browser_path = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = page_of(Path(folder))
        browser = playwright.chromium.launch(executable_path=browser_path, args=OPTIONS)
        first, opening = [], []
        for _ in range(7):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(file.as_uri())
            page.wait_for_function("document.querySelector('.xai-play').playground?.result")
            opening.append(page.evaluate("performance.now()"))
            start, classes = page.evaluate(CLASSES)
            first.append(page.evaluate(TIME, {"target": classes[3]}))
            if len(first) < 7:
                page.close()
        report("first interaction: a change of class", first)
        print(f"{'from opening the page until it runs':<38}{statistics.median(opening):>5.0f}")
        page.wait_for_timeout(1500)

        def times(settings: Iterable[dict[str, Any]]) -> list[list[float]]:
            return [page.evaluate(TIME, one) for one in settings]

        for what, state in STATES.items():
            page.evaluate(TIME, state)
            report(f"change of class, {what}", times({"target": c} for c in classes[:40]))
        page.evaluate(TIME, {"kind": "cam", "regions": False, "target": start})
        report("redraw of the same map", times({"target": start} for _ in range(40)))
        report("number of feature maps", times({"keep": n} for n in range(1, 40)))
        report("another photograph", times({"photo": i % (len(NAMES) + 1)} for i in range(1, 17)))
        browser.close()


def report(what: str, times: list[list[float]]) -> None:
    script_times, frame = zip(*times, strict=True)
    print(
        f"{what:<42}script {statistics.median(script_times):>5.1f} (at most {max(script_times):.1f}), "
        f"to the next frame {statistics.median(frame):>5.1f} (at most {max(frame):.1f})"
    )


if __name__ == "__main__":
    main()
