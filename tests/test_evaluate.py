"""The evaluation's command, run small: it measures, goes on where it stopped, gives the same numbers."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.evaluate
from benchmarks.evaluate import QUICK, WHOLE, begin, compared, main, measure, read, stopwatch, write
from xaicore.book.results import COLUMNS, rows, table

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


def test_minutes_are_kept_with_the_table(quick):
    """Of a run in several goes, too: each part's time is added when its rows are written."""
    record = json.loads((quick / "environment.json").read_text())
    assert record["weights"].keys() == {"ResNet50"}
    assert 0 < record["processor minutes"]["evaluation"] < 60
    assert 0 < record["clock minutes"]["evaluation"] < 60
    before = record["processor minutes"]["evaluation"]
    stopwatch(record, "evaluation", quick / "again.json")(30)
    again = json.loads((quick / "again.json").read_text())
    assert again["processor minutes"]["evaluation"] == pytest.approx(before + 0.5, abs=1e-3)


def test_a_run_that_ended_before_its_first_result_goes_on(tmp_path):
    file = tmp_path / "table.csv"
    for _ in range(2):
        measure([], file, workers=1)
        assert file.read_text() == ",".join(COLUMNS) + "\n"


def test_runs_of_several_environments_do_not_mix(tmp_path):
    assert begin(tmp_path, {"python": "3.11"})["python"] == "3.11"
    (tmp_path / "environment.json").write_text('{"python": "3.11", "machine": "x", "finished": "today"}')
    assert begin(tmp_path, {"python": "3.11", "machine": "x"})["finished"] == "today"
    with pytest.raises(SystemExit, match=r"other python, machine .*delete that folder"):
        begin(tmp_path, {"python": "3.12", "machine": "y"})


def row(method, value, measure="IROF"):
    return ("ResNet50", "IROF", "100 segments", method, "yurt", "", measure, str(value))


def test_tables_are_compared_value_by_value(tmp_path):
    old, new = tmp_path / "old.csv", tmp_path / "evaluation.csv"
    write(old, [row("CAM", 0.5), row("focus", 0.5), row("gone", 0.5), row("CAM", 3, "time in passes")])
    write(new, [row("CAM", 0.5), row("focus", 0.25), row("CAM", 9, "time in passes")])
    told = compared(old, new)
    assert told == (
        "evaluation: 2 values. 2 were in the book's table, 1 of them the same to 0.001; "
        "the largest change is 0.25. 1 of the book's are gone."
    )
    assert "0 were in the book's table" in compared(tmp_path / "none.csv", new)


def test_whole_run_takes_the_place_of_the_books_tables(tmp_path, monkeypatch, capsys):
    """And a part of it doesn't; nor is anything measured into the book's own folder."""
    work, book = tmp_path / "work", tmp_path / "book"
    book.mkdir()
    for name in WHOLE:
        write(book / f"{name}.csv", [row("old", 0.5)])

    def measured(plans, file, workers, taken):
        write(file, [row("new", 0.5)])
        taken(60)

    monkeypatch.setattr(benchmarks.evaluate, "WORK", work)
    monkeypatch.setattr(benchmarks.evaluate, "RESULTS", book)
    monkeypatch.setattr(benchmarks.evaluate, "measure", measured)
    monkeypatch.setattr(benchmarks.evaluate, "environment", lambda names: {"weights": sorted(names)})
    monkeypatch.setattr(sys, "argv", ["evaluate", "--only", "choice"])
    main()
    assert read(work / "choice.csv") == [row("new", 0.5)]
    assert read(book / "choice.csv") == [row("old", 0.5)]
    monkeypatch.setattr(sys, "argv", ["evaluate"])
    main()
    assert [read(book / f"{name}.csv") for name in WHOLE] == [[row("new", 0.5)]] * 2
    record = json.loads((book / "environment.json").read_text())
    assert record["processor minutes"] == {"choice": 2, "evaluation": 1}
    assert len(record["weights"]) == 3
    assert list(work.iterdir()) == []
    assert "tables are replaced" in capsys.readouterr().out


def test_quick_run_keeps_out_of_the_book(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evaluate", "--quick"])
    with pytest.raises(SystemExit):
        main()
    assert QUICK.keys() < WHOLE.keys()


@pytest.mark.parametrize("half", ["ResNet50,IROF,100 seg", "ResNet50,IROF,100 segments,SeCAM,yurt,,IROF,0.4"])
def test_half_a_line_is_measured_again(tmp_path, half):
    """The run before was killed while it wrote; even a line that lacks nothing but its end may be cut."""
    file = tmp_path / "table.csv"
    whole = ("ResNet50", "IROF", "100 segments", "CAM", "yurt", "", "IROF", "0.5")
    file.write_text(",".join(COLUMNS) + "\n" + ",".join(whole) + "\n" + half)
    assert read(file) == [whole]
    measure([], file, workers=1)
    assert file.read_text().splitlines()[1:] == [",".join(whole)]
