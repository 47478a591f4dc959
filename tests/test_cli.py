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
from xaicore import GapClassifier, sample_image, secam
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
    assert [r["superpixel"] for r in record["regions"]] == regions.superpixels
    assert record["class"]["name"] == "tabby"
    settings = {name: record[name] for name in ("method", "resize", "segments", "top")}
    assert settings == {"method": "secam", "resize": "full", "segments": 60, "top": 3}
    assert record["class"]["score"] == pytest.approx(prediction.score("tabby").score, abs=1e-4)
    assert record["evidence"] == pytest.approx(regions.evidence)
    assert record["weights"]["sha256"] == resnet50.provenance.sha256
    assert read_image(out / "chelsea.png").shape[1] > 600
    assert prediction.top(1)[0].name in capsys.readouterr().out


def test_csv_threshold_and_cam(explain) -> None:
    _, out = explain(sample_path("coffee"), "--threshold", 0.5, "--format", "csv", "--class", 967)
    lines = (out / "coffee.csv").read_text().splitlines()
    assert lines[0] == "superpixel,score,area,evidence,row,column"
    scores = [float(line.split(",")[1]) for line in lines[1:]]
    assert min(scores) >= 0.5 * max(scores)
    explain(sample_path("coffee"), "--method", "cam", "--resize", "squash")
    record = json.loads((out / "coffee.json").read_text())
    assert np.mean(record["map"]) + record["bias"] == pytest.approx(record["class"]["score"], abs=1e-3)
    explain(sample_path("coffee"), "--method", "cam", "--format", "csv", "--resize", "squash")
    assert len((out / "coffee.csv").read_text().splitlines()) == 1 + 49


def test_one_bad_photo_does_not_stop_the_rest(explain, tmp_path: Path, capsys) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(sample_path("drum").read_bytes()[:5000])
    odd = tmp_path / "größe & 中.png"
    Image.fromarray(sample_image("coffee")).convert("RGBA").resize((33, 90)).save(odd)
    code, out = explain(broken, odd, tmp_path / "missing.jpg", tmp_path)
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
        (["--top", "0"], "at least 1"),
        (["--threshold", "1.5"], "not in (0, 1]"),
        (["--top", "3", "--threshold", "0.5"], "not allowed with"),
        (["--method", "cam", "--segments", "50"], "has no regions"),
        (["--method", "lime"], "invalid choice"),
    ],
)
def test_a_wrong_command_is_explained_and_exits_with_2(explain, arguments, told, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        explain(sample_path("coffee"), *arguments)
    assert exit_.value.code == 2
    assert told in capsys.readouterr().err


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


def test_help_teaches_and_the_book_tells_every_option() -> None:
    command = [sys.executable, "-m", "xaicore.apps.cli"]
    texts = [
        subprocess.run([*command, *part, "--help"], capture_output=True, text=True, check=True).stdout
        for part in ([], ["explain"], ["weights"])
    ]
    assert "examples:" in texts[1]
    options = set(re.findall(r"(?<![\w-])--[a-z]+", "".join(texts))) - {"--help"}
    page = (ROOT / "book" / "command_line.md").read_text()
    assert options == set(re.findall(r"(?<![\w-])--[a-z]+", page))
