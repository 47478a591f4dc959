"""The command line, as a person uses it: good, odd and broken photographs, and the weights."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xaicore.apps.cli
from xaicore import GapClassifier, Settings, average, heat_map, sample_image, secam, superpixels
from xaicore.apps.cli import main
from xaicore.networks.weights import WeightsUnavailableError
from xaicore.pictures.reading import read_image
from xaicore.pictures.samples import sample_path

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def explain(resnet50: GapClassifier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run `xaicore explain` with the session's network, into a folder of its own."""
    monkeypatch.setattr(xaicore.apps.cli, "load_resnet50", lambda _: resnet50)

    def run(*arguments: object) -> tuple[int, Path]:
        return main(["explain", *map(str, arguments), "--out", str(tmp_path / "out")]), tmp_path / "out"

    return run


def test_explain_says_what_the_package_says(explain, resnet50: GapClassifier, capsys) -> None:
    code, out = explain(sample_path("chelsea"), "--class", "tabby", "--segments", 60, "--top", 3)
    assert code == 0
    record = json.loads((out / "chelsea.json").read_text())
    prediction = resnet50.predict(sample_image("chelsea"), "full")
    regions = secam(prediction, "tabby", segments=60).regions(top=3)
    found = record["found"]
    assert [r["superpixel"] for r in found["regions"]] == regions.superpixels
    assert found["class"]["name"] == "tabby"
    assert Settings.of(record["settings"]) == Settings(
        target=prediction.index("tabby"), resize="full", segments=60, top=3
    )
    assert found["class"]["score"] == pytest.approx(prediction.score("tabby").score, abs=1e-4)
    assert found["evidence"] == pytest.approx(regions.evidence)
    assert record["weights"]["sha256"] == resnet50.provenance.sha256
    assert read_image(out / "chelsea.png").shape[1] > 600
    assert prediction.top(1)[0].name in capsys.readouterr().out


def test_csv_threshold_and_cam(explain) -> None:
    _, out = explain(sample_path("coffee"), "--threshold", 0.5, "--format", "csv", "--class", 967)
    lines = (out / "coffee.csv").read_text().splitlines()
    assert lines[0] == "superpixel,score,area,evidence,row,column"
    scores = [float(line.split(",")[1]) for line in lines[1:]]
    assert min(scores) >= 0.5 * max(scores)
    explain(sample_path("coffee"), "--segmenter", "none", "--resize", "squash")
    found = json.loads((out / "coffee.json").read_text())["found"]
    assert np.mean(found["cells"][0]) + found["bias"] == pytest.approx(found["class"]["score"], abs=1e-3)
    assert "regions" not in found and "SeCAM" not in found["title"]
    explain(sample_path("coffee"), "--segmenter", "none", "--format", "csv", "--resize", "squash")
    assert len((out / "coffee.csv").read_text().splitlines()) == 1 + 49


def test_a_focus_map_says_what_it_is(explain, resnet50: GapClassifier) -> None:
    options = ["--kind", "focus", "--segmenter", "felzenszwalb"]
    code, out = explain(sample_path("chelsea"), *options)
    assert code == 0
    found = json.loads((out / "chelsea.json").read_text())["found"]
    looks = resnet50.look(sample_image("chelsea"), (1, 2), "full")
    heat = heat_map(looks, kind="focus")
    expected = average(heat, superpixels(heat.image, segmenter="felzenszwalb")).regions(top=5)
    assert [r["superpixel"] for r in found["regions"]] == expected.superpixels
    assert found["title"].startswith("focus") and "SeCAM" not in found["title"]
    assert (found["adds_up_to"], found["evidence"]) == (None, None)
    assert len(found["rivals"]) == 10


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--kind", "focus", "--segmenter", "felzenszwalb"],
        ["--kind", "contrast", "--against", "tabby", "--segmenter", "none", "--sign", "positive"],
        ["--statistic", "max", "--threshold", "0.3", "--opacity", "0.5", "--resize", "pad"],
    ],
)
def test_a_record_makes_its_figure_again(explain, options, tmp_path: Path, capsys) -> None:
    _, out = explain(sample_path("chelsea"), "--class", "Egyptian cat", *options)
    record = out / "chelsea.json"
    assert main(["again", str(record), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again/chelsea.png").read_bytes() == (out / "chelsea.png").read_bytes()


def test_a_record_that_no_longer_fits_is_refused(explain, tmp_path: Path, capsys) -> None:
    _, out = explain(sample_path("coffee"), "--segments", 20)
    record = json.loads((out / "coffee.json").read_text())
    damaged = tmp_path / "damaged.json"
    for change, told in (
        ({"photo": "gone.jpg"}, "No file at"),
        ({"photo": str(sample_path("goose"))}, "another picture than the record's"),
        ({"weights": {**record["weights"], "sha256": "0" * 64}}, "others than the record's"),
        ({"settings": {"kind": "xrai"}}, "choose one of cam"),
        ({"settings": 3}, "no record of"),
        ({"settings": {**record["settings"], "target": 5000}}, "out of range"),
        ({"found": {**record["found"], "labels_sha256": "0"}}, "superpixels are others"),
    ):
        damaged.write_text(json.dumps({**record, **change}))
        assert main(["again", str(damaged), "--out", str(tmp_path / "x")]) == 1
        assert told in capsys.readouterr().err
    damaged.write_text("{}")
    assert main(["again", str(damaged)]) == 1
    assert "no record of" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_one_bad_photo_does_not_stop_the_rest(explain, tmp_path: Path, capsys) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(sample_path("drum").read_bytes()[:5000])
    odd = tmp_path / "größe & 中.png"
    Image.fromarray(sample_image("coffee")).convert("RGBA").resize((33, 90)).save(odd)
    (tmp_path / "nothing").mkdir()
    code, out = explain(broken, odd, tmp_path / "missing.jpg", tmp_path / "nothing")
    assert code == 1
    assert sorted(file.name for file in out.iterdir()) == [f"{odd.stem}.json", f"{odd.stem}.png"]
    told = capsys.readouterr().err
    assert told.count("not explained") == 3
    assert "cut short" in told
    assert "missing.jpg" in told
    assert "folder" in told


def test_two_photos_of_one_name_both_stay(explain, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(sample_path("coffee"), tmp_path / folder)
    _, out = explain(tmp_path / "a/coffee.png", tmp_path / "b/coffee.png")
    assert {file.name for file in out.glob("*.json")} == {"coffee.json", "coffee-2.json"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--class", "tabbi"], "Did you mean 'tabby'"),
        (["--class", "1000"], "1000 classes"),
        (["--top", "0"], "from 1 to 1000"),
        (["--threshold", "1.5"], "from 0.01 to 1"),
        (["--top", "3", "--threshold", "0.5"], "not allowed with"),
        (["--segmenter", "none", "--segments", "50"], "takes no number"),
        (["--segmenter", "quickshift", "--segments", "50"], "takes no number"),
        (["--kind", "lime"], "invalid choice"),
        (["--against", "tabby"], "--kind contrast"),
        (["--kind", "contrast", "--against", "tabbi"], "Did you mean 'tabby'"),
        (["--kind", "contrast", "--class", "tabby", "--against", "tabby"], "against itself"),
    ],
)
def test_a_wrong_command_is_explained_and_exits_with_2(explain, arguments, told, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        explain(sample_path("coffee"), *arguments)
    assert exit_.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", ""],
        ["explain", "a.png", ""],
        ["explain", "a.png", "--out", ""],
        ["explain", "a.png", "--out="],
        ["explain", "a.png", "--class", ""],
        ["explain", "a.png", "--kind", "contrast", "--against", ""],
        ["explain", "a.png", "--network", ""],
        ["explain", "a.png", "--network", "torchvision:resnet18@"],
        ["explain", "a.png", "--checkpoint", ""],
        ["explain", "a.png", "--classes", ""],
        ["again", ""],
        ["again", "a.json", "--photo", ""],
        ["again", "a.json", "--checkpoint", ""],
        ["again", "a.json", "--out", ""],
    ],
)
def test_an_empty_argument_is_a_wrong_command(arguments, monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(xaicore.apps.cli, "_load", None)  # not asked
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30)).save("a.png")
    Path("a.json").write_text("{}")
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert re.search("it is empty|names no file", capsys.readouterr().err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png"]


def test_no_weights_exits_with_3(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def nothing(_: str) -> None:
        raise WeightsUnavailableError("what to do")

    monkeypatch.setattr(xaicore.apps.cli, "load_resnet50", nothing)
    assert main(["explain", "photo.jpg"]) == 3
    assert "what to do" in capsys.readouterr().err


def test_weights_shows_and_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", str(tmp_path))
    assert main(["weights"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("not in the cache") == 3
    assert str(tmp_path / "resnet50-0676ba61.pth") in shown
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(b"damaged")
    assert main(["weights"]) == 1
    assert "imagenet1k_v1: wrong checksum" in capsys.readouterr().out


def test_weights_fetches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, msra_state, capsys) -> None:
    import torch

    monkeypatch.setenv("XAICORE_WEIGHTS_DIR", str(tmp_path))
    torch.save(msra_state, tmp_path / "resnet50-msra-d325d4c0.pth")
    assert main(["weights", "--fetch", "msra"]) == 0
    assert "msra: verified" in capsys.readouterr().out


@pytest.mark.slow
def test_help_teaches_and_the_book_tells_every_option() -> None:
    command = [sys.executable, "-m", "xaicore.apps.cli"]
    texts = [
        subprocess.run([*command, *part, "--help"], capture_output=True, text=True, check=True).stdout
        for part in ([], ["explain"], ["again"], ["weights"])
    ]
    assert "examples:" in texts[1]
    options = set(re.findall(r"(?<![\w-])--[a-z]+", "".join(texts))) - {"--help"}
    page = (ROOT / "book" / "command_line.md").read_text()
    assert options == set(re.findall(r"(?<![\w-])--[a-z]+", page))
