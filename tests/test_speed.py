"""What `make bench` wrote is whole and within what the book promises; its stopwatch works."""

import csv
import json

import numpy as np
import pytest

from benchmarks import speed

with (speed.MEASURED / "speed.csv").open(newline="") as file:
    TABLE = {(row["part"], row["what"], row["measure"]): float(row["median"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("size", "regions", "focus"),
    [
        ("512 × 512", 1.5, 6.5),
        ("1200 × 800", 1.5, 6.5),
        ("2400 × 1602", 2, 7),
        ("4000 × 3000", 2, 8),
        ("6000 × 4000", 3, 8),
    ],
)
def test_a_photograph_takes_as_many_passes_as_the_page_promises(size, regions, focus):
    """Of the committed table: no test measures time."""
    assert 1 < TABLE["photo", size, "regions"] <= regions
    assert 4 < TABLE["photo", size, "focus"] <= focus
    assert TABLE["memory", size, "MB"] < 300


def test_the_table_has_every_part():
    assert {part for part, _, _ in TABLE} == {"photo", "memory", "pass", "segments", "classes"}
    held = json.loads((speed.MEASURED / "speed.json").read_text())
    assert held["pass in ms"] > 0 and set(held["packages"]) == set(speed.PACKAGES)


def test_each_work_is_timed_in_turn_with_a_pass(monkeypatch):
    clock, calls = [0.0], []

    def work(name, takes):
        def done():
            calls.append(name)
            clock[0] += takes[min(calls.count(name), len(takes)) - 1]

        return done

    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    found = speed.in_turn({"a": work("a", [99, 4, 6]), "b": work("b", [2])}, work("pass", [2]))
    assert found == {"a": [2.0] + [3.0] * (speed.ROUNDS - 1), "b": [1.0] * speed.ROUNDS}, "one warms up"
    assert calls[:8] == ["pass"] * 3 + ["a"] + ["pass"] * 3 + ["b"]


def test_a_sample_photograph_is_enlarged():
    assert speed.photo(640, 400).shape == (400, 640, 3) and np.ptp(speed.photo(640, 400)) > 200
