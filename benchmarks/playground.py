"""How fast the playground answers, in a headless Chromium: python benchmarks/playground.py

Prints the medians and maxima in milliseconds, of the script alone and up to the next frame on the screen, and
the size of what the page carries. The first interaction is that of a page opened a moment ago.
"""

import json
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from xaicore import load_resnet50, mosaic, sample_image
from xaicore.playground.page import playground

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

# Time of one change: the script, and until the frame that shows it.
TIME = """async settings => {
    const playing = document.querySelector(".xai-play").playground
    const start = performance.now()
    if ("photo" in settings) await playing.choosePhoto(settings.photo)
    else playing.change(settings)
    const script = performance.now() - start
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)))
    return [script, performance.now() - start]
}"""


def page_of(folder: Path) -> Path:
    model = load_resnet50(progress=False)
    names = ["bull_mastiff", "bald_eagle", "strawberry", "yurt", "coffee", "motorcycle", "chelsea"]
    photos = [mosaic([sample_image("bull_mastiff"), sample_image("chelsea")], columns=2)]
    predictions = [model.predict(photos[0], "full"), *(model.predict(sample_image(n)) for n in names)]
    play = playground(predictions, names=["dog and cat", *names])
    for photo in json.loads(play.data)["photos"]:
        print(f"{photo['name']:<14}{len(json.dumps(photo)) / 1000:>6.0f} kB")
    print(f"{'all':<14}{len(play._repr_html_()) / 1000:>6.0f} kB, {len(play.classes)} classes")
    file = folder / "play.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'>{play._repr_html_()}", encoding="utf-8")
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
            classes = page.evaluate(
                "document.querySelector('.xai-play').playground.data.classes.map(c => c.index)"
            )
            first.append(page.evaluate(TIME, {"class": classes[3]}))
            if len(first) < 7:
                page.close()
        report("first interaction (a class change)", first)
        print(f"{'from opening the page until it runs':<38}{statistics.median(opening):>5.0f}")
        page.wait_for_timeout(1500)
        report("class change, CAM", [page.evaluate(TIME, {"class": c}) for c in classes[:40]])
        page.evaluate(TIME, {"mode": "secam"})
        report("class change, SeCAM", [page.evaluate(TIME, {"class": c}) for c in classes[:40]])
        page.evaluate(TIME, {"statistic": "median"})
        report("class change, SeCAM by the median", [page.evaluate(TIME, {"class": c}) for c in classes[:40]])
        page.evaluate(TIME, {"statistic": "mean", "mode": "cam"})
        report("number of feature maps", [page.evaluate(TIME, {"keep": n}) for n in range(1, 40)])
        report("another photograph", [page.evaluate(TIME, {"photo": i % 8}) for i in range(1, 17)])
        browser.close()


def report(what: str, times: list[list[float]]) -> None:
    script, frame = zip(*times, strict=True)
    print(
        f"{what:<38}script {statistics.median(script):>5.1f} (at most {max(script):.1f}), "
        f"to the next frame {statistics.median(frame):>5.1f} (at most {max(frame):.1f})"
    )


if __name__ == "__main__":
    main()
