"""The measured tables: what is picked from them and summed up, and that the committed ones are whole."""

import numpy as np
import pytest

from xaicore import SAMPLES
from xaicore.book.results import (
    COLUMNS,
    RESULTS,
    Row,
    difference,
    environment,
    fingerprint,
    interval,
    rows,
    table,
)


def row(method, picture, value, others="", setting="s"):
    return Row("net", "protocol", setting, method, picture, others, "measure", value)


SMALL = [row("A", "x", 1.0), row("A", "y", 0.5), row("B", "x", 0.25), row("B", "y", 0.5), row("B", "z", 9.0)]


def test_rows_are_picked_by_column():
    assert [r.value for r in rows(SMALL, method="B", picture="x")] == [0.25]
    with pytest.raises(ValueError, match=r"No result for .*'C'.* There are: .*\['A', 'B'\]"):
        rows(SMALL, method="C")


def test_interval_is_the_mean_over_pictures():
    found = interval(SMALL, method="A")
    assert (found.mean, found.pictures, found.n) == (0.75, 2, 2)
    assert 0.5 <= found.low <= 0.75 <= found.high <= 1


def test_difference_is_paired_by_picture():
    found = difference("A", "B", SMALL)
    assert found.mean == pytest.approx((0.75 + 0.0) / 2)  # z has no partner
    with pytest.raises(ValueError, match="not measured on the same pictures"):
        difference("A", "B", [row("A", "x", 1.0), row("B", "y", 1.0)])


def test_difference_pairs_mosaics_by_their_companions():
    source = [
        row("A", "x", 1.0, "u+v"),
        row("A", "x", 0.0, "u+w"),
        row("B", "x", 0.5, "u+w"),
        row("B", "x", 0.25, "u+v"),
    ]
    assert difference("A", "B", source).mean == pytest.approx((0.75 - 0.5) / 2)


def test_measures_are_not_mixed():
    """A mean over shares and seconds would be a number, too."""
    mixed = [*SMALL, SMALL[0]._replace(measure="seconds", value=60.0)]
    for wrong in (lambda: interval(mixed, method="A"), lambda: difference("A", "B", mixed)):
        with pytest.raises(ValueError, match=r"say measure= one of \['measure', 'seconds'\]"):
            wrong()
    assert interval(mixed, method="A", measure="measure").n == 2


def test_missing_table_says_what_writes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="make evaluate"):
        table("evaluation", tmp_path)


@pytest.mark.parametrize("name", ["evaluation", "choice"])
def test_committed_table_is_whole(name):
    found = table(name)
    assert (RESULTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    keys = [r[:-1] for r in found]
    assert len(set(keys)) == len(keys), "a number was measured twice"
    assert np.isfinite([r.value for r in found if r.measure != "rank correlation"]).all()
    assert {r.picture for r in found} | {o for r in found for o in r.others.split("+") if o} <= {*SAMPLES}


def test_the_two_halves_share_no_photograph():
    halves = environment()["halves"]
    assert not {*halves["choose"]} & {*halves["report"]}
    for name, half in (("choice", "choose"), ("evaluation", "report")):
        used = {r.picture for r in table(name)} | {o for r in table(name) for o in r.others.split("+") if o}
        assert used <= {*halves[half]}


def test_fingerprint_is_that_of_the_bytes(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"abc")
    assert fingerprint("t", tmp_path) == "ba7816bf"  # SHA-256 of "abc", from FIPS 180-2


def test_environment_names_the_weights_and_the_packages():
    found = environment()
    assert {"ResNet50", "EfficientNet-Lite0", "EfficientNet-Lite2"} == found["weights"].keys()
    assert {row.network for row in table()} == found["weights"].keys()
    assert {"torch", "grad-cam", "captum", "lime", "saliency"} <= found["packages"].keys()
