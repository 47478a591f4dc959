"""The evaluation's command, run small: it measures, goes on where it stopped, gives the same numbers."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.evaluate import measure, read
from xaicore.results import COLUMNS, rows, table

ROOT = Path(__file__).resolve().parents[1]


def evaluate(folder):
    command = [sys.executable, "-m", "benchmarks.evaluate", "--quick", "--workers", "1", "--out", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def quick(resnet50, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    evaluate(folder)
    return folder


def test_quick_run_gives_the_committed_numbers(quick, resnet50):
    """With the same weights the committed table can be measured again, picture by picture."""
    small = {r[:-1]: r.value for r in table("evaluation", quick)}
    assert {r[1] for r in small} == {"grid pointing game", "single photographs", "IROF", "two seeds"}
    if resnet50.provenance.source != "msra":
        pytest.skip("the committed table was measured with the weights 'msra'")
    whole = {r[:-1]: r.value for r in table()}
    compared = {k: v for k, v in small.items() if k[-1] != "time in passes" and k in whole}
    assert len(compared) > 40
    assert {k: v for k, v in compared.items() if abs(v - whole[k]) > 5e-3} == {}


def test_cost_is_counted(quick):
    passes = {r.method: r.value for r in rows(table("evaluation", quick), measure="passes")}
    assert passes == {"CAM": 1, "SeCAM": 1, "focus": 2}


def test_map_without_a_seed_is_the_same_twice(quick):
    assert {r.value for r in rows(table("evaluation", quick), protocol="two seeds")} == {1.0}


def test_irof_cannot_tell_a_map_from_its_averages(quick):
    values = {r.method: r.value for r in rows(table("evaluation", quick), protocol="IROF")}
    assert values["CAM"] == pytest.approx(values["SeCAM"], abs=1e-4)
    assert values["focus"] != values["CAM"]


def test_interrupted_run_goes_on(quick):
    """Without its last lines the table becomes the same again, and nothing is measured twice."""
    file = quick / "evaluation.csv"
    lines = file.read_text().splitlines(keepends=True)
    last = [line for line in lines if ",IROF," in line]
    assert last
    file.write_text("".join(line for line in lines if line not in last))
    evaluate(quick)
    with file.open(newline="") as again:
        keys = [tuple(line[:7]) for line in csv.reader(again)]
    assert len(keys) == len(set(keys)) == len(lines)
    assert file.read_text().splitlines(keepends=True) == lines  # in the same order, too


def test_a_run_that_ended_before_its_first_result_goes_on(tmp_path):
    file = tmp_path / "table.csv"
    for _ in range(2):
        assert measure([], file, workers=1) == 0  # seconds: nothing was done before
        assert file.read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("half", ["ResNet50,IROF,100 seg", "ResNet50,IROF,100 segments,SeCAM,yurt,,IROF,0.4"])
def test_half_a_line_is_measured_again(tmp_path, half):
    """The run before was killed while it wrote; even a line that lacks nothing but its end may be cut."""
    file = tmp_path / "table.csv"
    whole = ("ResNet50", "IROF", "100 segments", "CAM", "yurt", "", "IROF", "0.5")
    file.write_text(",".join(COLUMNS) + "\n" + ",".join(whole) + "\n" + half)
    assert read(file) == [whole]
    measure([], file, workers=1)
    assert file.read_text().splitlines()[1:] == [",".join(whole)]
