"""Many photographs at once: the same numbers as one by one, whatever happens in between."""

import contextlib
import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco
from tiny_network import tiny

import xaicore.apps.folder as folder
from xaicore import GapClassifier, Settings, explain, read_image
from xaicore.apps.cli import main
from xaicore.apps.folder import explain_folder
from xaicore.apps.parts import Parts, PartsError
from xaicore.apps.photos import NoPhotosError
from xaicore.apps.workers import WorkersError, each
from xaicore.maps.kinds import KINDS, map_kind
from xaicore.pictures.samples import SAMPLES, sample_path
from xaicore.regions.averages import Regions
from xaicore.regions.labels import LabelMap
from xaicore.regions.masks import shapes

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = Settings(segments=20)
ROUNDED = 1e-7  # of scores about 0.3: what float32 rounds otherwise when several photographs run together


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 small photographs of several shapes."""
    place = tmp_path_factory.mktemp("photos")
    names = list(SAMPLES)
    for number in range(24):
        image = Image.fromarray(read_image(sample_path(names[number % len(names)])))
        image.thumbnail((90 + 7 * (number % 3), 90))
        image.rotate(90 * (number % 2), expand=True).save(place / f"{number}.png")
    return place


def rows(out: Path) -> dict[tuple[str, int], dict]:
    """The table's rows by photograph and class; none twice."""
    found = {}
    for part in sorted(out.glob("*.parquet")):
        for row in pq.read_table(part).to_pylist():
            key = (Path(row["photo"]).name, row["index"])
            assert key not in found
            found[key] = row
    return found


def same(a, b) -> bool:
    """Equal, but for what float32 rounds."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=ROUNDED)
    return a == b


# --- the numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        Settings(kind="focus", segments=20, resize="crop"),
        Settings(kind="contrast", against="bee", segmenter="felzenszwalb", threshold=0.4, top=None),
        Settings(statistic="max", resize="pad", segments=20),
        Settings(segmenter=None),
        Settings(target="elk", alignment="corners", segments=20, resize="squash"),
    ],
)
@pytest.mark.parametrize("classes", [1, 3])
def test_it_finds_what_explain_finds(
    one: GapClassifier, photos: Path, tmp_path: Path, settings: Settings, classes: int
) -> None:
    if settings.target is not None:
        classes = 1
    done = explain_folder(photos, one, tmp_path, settings, classes=classes, workers=0, batch=5)
    found = rows(tmp_path)
    assert (done.explained, done.before, done.failures) == (24, 0, ())
    assert len(found) == 24 * classes
    for (name, index), row in found.items():
        e = explain(settings.look(one, photos / name), settings, target=index)
        best = e.prediction.score(index)
        assert (row["class"], row["height"], row["width"]) == (best.name, *e.heat.size)
        assert same(row["score"], best.score)
        assert same(row["probability"], best.probability)
        assert e.prediction.top(6)[row["rank"] - 1].index == index
        assert same(row["adds_up_to"], e.heat.total)
        assert same(row["bias"], e.heat.bias)
        if e.averages is None or e.regions is None:
            assert row["regions"] is None and row["evidence_kept"] is None
            continue
        assert same(row["evidence_kept"], e.regions.evidence)
        assert row["superpixels"] == len(e.averages.scores)
        assert [r["superpixel"] for r in row["regions"]] == e.regions.superpixels
        for told, region in zip(row["regions"], e.regions, strict=True):
            assert same({k: told[k] for k in region._asdict()}, region._asdict())
            mask = e.averages.mask(Regions([region]))
            assert (coco.decode(told["mask"]) == mask).all()
            x, y, width, height = told["box"]
            assert mask[y : y + height, x : x + width].sum() == mask.sum()
            assert told["box"] == coco.toBbox(told["mask"]).tolist()


@pytest.mark.slow
def test_with_worker_processes_it_finds_the_same(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    explain_folder(photos, one, tmp_path / "a", SETTINGS, workers=0)
    explain_folder(photos, one, tmp_path / "b", SETTINGS, workers=2)
    assert same(rows(tmp_path / "a"), rows(tmp_path / "b"))


def test_real_photographs(resnet50: GapClassifier, tmp_path: Path) -> None:
    names = [sample_path(name) for name in ("chelsea", "coffee", "goose")]
    explain_folder(names, resnet50, tmp_path, classes=2, workers=0)
    for (name, index), row in rows(tmp_path).items():
        path = next(path for path in names if path.name == name)
        e = explain(Settings().look(resnet50, path), target=index)
        assert row["score"] == pytest.approx(e.prediction.scores[index], rel=1e-4)
        assert [r["superpixel"] for r in row["regions"]] == e.regions.superpixels
        assert row["evidence_kept"] == pytest.approx(e.regions.evidence, rel=1e-3)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(0, 2**32 - 1),
)
def test_run_lengths_are_those_of_the_full_mask(small, times, seed) -> None:
    random = np.random.default_rng(seed)
    height, width = (n * k + int(random.integers(0, k)) for n, k in zip(small, times, strict=True))
    index = random.integers(-1, 3, small).astype(np.int32)
    cut = LabelMap(index, np.arange(3), index, (height, width))
    seen = []
    for side in (height, width):
        start, end = sorted(random.integers(0, side + 1, 2))
        seen.append((np.arange(side) >= start) & (np.arange(side) < end))
    full = np.where(np.outer(*seen), cut.places((height, width)).filled(-1), -1)
    there = [place for place in range(3) if (full == place).any()]
    for place, shape in zip(there, shapes(cut, there, tuple(seen)), strict=True):
        expected = coco.encode(np.asfortranarray(full == place, dtype=np.uint8))
        assert shape.counts == expected["counts"].decode()
        assert list(shape.size) == expected["size"]
        assert list(shape.box) == coco.toBbox(expected).tolist()


def test_pandas_polars_and_duckdb_read_it(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    import duckdb
    import pandas
    import polars

    explain_folder(photos, one, tmp_path / "t", SETTINGS, classes=2, workers=0)
    expected = sorted(row["score"] for row in rows(tmp_path / "t").values())
    assert sorted(pandas.read_parquet(tmp_path / "t")["score"]) == expected
    table = polars.read_parquet(tmp_path / "t/*.parquet")
    assert sorted(table["score"]) == expected
    regions = table.explode("regions").unnest("regions", separator="_")
    assert regions["regions_area"].is_between(0, 1).all()
    found = duckdb.sql(
        f"SELECT max(r.evidence) FROM (SELECT unnest(regions) AS r FROM '{tmp_path}/t/*.parquet')"
    ).fetchall()
    assert found == [(max(r["evidence"] for row in rows(tmp_path / "t").values() for r in row["regions"]),)]


def test_each_file_says_what_made_it(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    explain_folder(photos, one, tmp_path, SETTINGS, workers=0)
    held = json.loads(pq.read_schema(tmp_path / "part-00000.parquet").metadata[b"xaicore"])
    assert Settings.of(held["settings"]) == SETTINGS
    assert held["weights"]["title"] == one.provenance
    assert held["classes"] == 1 and "torch" in held["versions"]


# --- going on --------------------------------------------------------------------------------------------

RUN = """
import sys
sys.path.insert(0, {tests!r})
from tiny_network import tiny
from xaicore import Settings
from xaicore.apps import folder, parts

parts.SECONDS, parts.ROWS = 0.0, 5
model = tiny(1, names=["ant", "bee", "crane", "crane", "dog", "elk"])
folder.explain_folder({photos!r}, model, {out!r}, Settings(segments=20), classes=2, batch=3, workers=1)
"""


def start(tmp_path: Path, photos: Path, out: Path) -> subprocess.Popen:
    script = tmp_path / "script.py"
    script.write_text(RUN.format(tests=str(ROOT / "tests"), photos=str(photos), out=str(out)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and nobody has waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_killed_at_any_moment_it_goes_on(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for wanted in (1, 2, 4):  # files
        process = start(tmp_path, photos, out)
        while len(list(out.glob("*.parquet"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(rows(out)) < 48  # each file is whole
        deadline = time.monotonic() + 20
        while any(alive(int(child)) for child in children):
            assert time.monotonic() < deadline, "a worker outlives its parent"
            time.sleep(0.05)
    done = explain_folder(photos, one, out, SETTINGS, classes=2, workers=0)
    assert 0 < done.before < 24 and done.before + done.explained == 24
    explain_folder(photos, one, tmp_path / "undisturbed", SETTINGS, classes=2, workers=0)
    assert same(rows(out), rows(tmp_path / "undisturbed"))


def test_a_second_run_does_nothing(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    explain_folder(photos, one, tmp_path, SETTINGS, workers=0)
    before = (tmp_path / "part-00000.parquet").stat().st_mtime_ns
    done = explain_folder(photos, one, tmp_path, SETTINGS, workers=0)
    assert (done.explained, done.before) == (0, 24)
    assert (tmp_path / "part-00000.parquet").stat().st_mtime_ns == before


def test_an_error_in_the_middle_keeps_what_was_done(
    one: GapClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, "somebody_watches", lambda: False)
        add, counted = Parts.add, []

        def stop(self, new):
            add(self, new)
            counted.append(1)
            if len(counted) == 10:
                raise KeyboardInterrupt

        patch.setattr(Parts, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            explain_folder(photos, one, tmp_path, SETTINGS, workers=0)
    assert len(rows(tmp_path)) == 10
    done = explain_folder(photos, one, tmp_path, SETTINGS, workers=0)
    assert (done.explained, done.before) == (14, 10)
    assert len(rows(tmp_path)) == 24


def test_files_are_bounded_and_go_on_growing(
    one: GapClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xaicore.apps.parts.ROWS", 10)
    names = sorted(photos.iterdir())
    explain_folder(names[:4], one, tmp_path, SETTINGS, workers=0)
    explain_folder(names, one, tmp_path, SETTINGS, workers=0)
    assert [len(pq.read_table(part)) for part in sorted(tmp_path.glob("*.parquet"))] == [10, 10, 4]


def test_a_photograph_that_changed_is_explained_again(
    one: GapClassifier, photos: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(photos, own)
    explain_folder(own, one, tmp_path / "out", SETTINGS, workers=0)
    shutil.copy(own / "1.png", own / "0.png")
    done = explain_folder(own, one, tmp_path / "out", SETTINGS, workers=0)
    assert (done.explained, done.before) == (1, 23)
    sums = {name: row["sha256"] for (name, _), row in rows(tmp_path / "out").items()}
    assert len(sums) == 24 and sums["0.png"] == sums["1.png"]


def test_rows_of_a_photograph_that_can_not_be_read_now_stay(
    one: GapClassifier, photos: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(photos, own)
    paths = sorted(own.iterdir())
    explain_folder(paths, one, tmp_path / "out", SETTINGS, workers=0)
    before = rows(tmp_path / "out")
    (own / "1.png").rename(own / "away")
    done = explain_folder(paths, one, tmp_path / "out", SETTINGS, workers=0)
    assert done.explained == 0 and [photo.name for photo, _ in done.failures] == ["1.png"]
    assert rows(tmp_path / "out") == before


def test_a_kind_of_ones_own_may_want_the_photograph(
    one: GapClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "bright", None)  # so that it is gone afterwards
    del KINDS["bright"]

    @map_kind("bright")
    def bright(prediction, c, shares):
        """How bright the photograph is, in each cell."""
        return np.full(prediction.feature_maps.shape[1:], prediction.image.mean())

    with pytest.raises(ValueError, match="kind='bright' is your own"):
        explain_folder(photos, one, tmp_path / "out", Settings(kind="bright"), workers=0)
    assert not (tmp_path / "out").exists()


def test_how_a_path_is_spelt_plays_no_part(
    one: GapClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    explain_folder(photos.name, one, tmp_path / "out", SETTINGS, workers=0)
    assert explain_folder(photos, one, tmp_path / "out", SETTINGS, workers=0).explained == 0
    # the project moves, and the photographs with it
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copytree(photos, moved / photos.name)
    monkeypatch.chdir(moved)
    assert explain_folder(photos.name, one, tmp_path / "out", SETTINGS, workers=0).explained == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": Settings(segments=21)}, "segments 20, and now 21"),
        ({"classes": 2}, "classes 1, and now 2"),
        ({"model": tiny(2, names=["ant", "bee", "crane", "crane", "dog", "elk"])}, "head_sha256"),
    ],
)
def test_rows_made_otherwise_are_refused(
    one: GapClassifier, photos: Path, tmp_path: Path, change, told
) -> None:
    given = {"model": one, "settings": SETTINGS, "workers": 0}
    explain_folder(photos, out=tmp_path, **given)
    with pytest.raises(PartsError, match=told):
        explain_folder(photos, out=tmp_path, **given | change)


def test_another_folder_is_refused(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "0.png", tmp_path)
    with pytest.raises(PartsError, match=r"holds 0\.png"):
        explain_folder(photos, one, tmp_path, SETTINGS, workers=0)
    other = tmp_path / "other"
    other.mkdir()
    (other / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(PartsError, match="no part of a table"):
        explain_folder(photos, one, other, SETTINGS, workers=0)
    assert (other / "part-00000.parquet").read_bytes() == b"PAR1"


def test_two_processes_do_not_write_into_one_folder(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    held = folder.made_by(one, SETTINGS, 1)
    with Parts(tmp_path, held), pytest.raises(PartsError, match="Another process"):
        explain_folder(photos, one, tmp_path, SETTINGS, workers=0)


# --- what goes wrong -------------------------------------------------------------------------------------


def test_bad_photographs_are_told_and_tried_again(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(photos, own)
    whole = (own / "3.png").read_bytes()
    (own / "3.png").write_bytes(whole[:500])
    (own / "5.png").write_text("no picture")
    Image.new("RGB", (3000, 2)).save(own / "strip.png")
    paths = [*sorted(own.iterdir()), own / "gone.png"]
    done = explain_folder(paths, one, tmp_path / "out", SETTINGS, workers=0)
    assert [path.name for path, _ in done.failures] == ["3.png", "5.png", "strip.png", "gone.png"]
    assert all(str(path) in words for path, words in done.failures)
    assert done.explained == 22 and "4 failed" in str(done)
    (own / "3.png").write_bytes(whole)
    done = explain_folder(paths, one, tmp_path / "out", SETTINGS, workers=0)
    assert (done.explained, len(done.failures)) == (1, 3)


def test_what_the_network_refuses_stops_no_other(
    one: GapClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = GapClassifier.forward

    def refuse(self, inputs):
        if any(torch.equal(x, refused) for x in inputs):
            raise ValueError("no")
        return forward(self, inputs)

    squash = replace(SETTINGS, resize="squash")
    picture, _ = one.preprocessing.fit(read_image(photos / "7.png"), "squash")
    refused = one.preprocessing.normalise(picture)
    monkeypatch.setattr(GapClassifier, "forward", refuse)
    done = explain_folder(photos, one, tmp_path, squash, workers=0)
    assert [path.name for path, _ in done.failures] == ["7.png"] and done.explained == 23


@pytest.mark.parametrize(
    "arguments",
    [{"classes": 0}, {"batch": 0}, {"workers": -1}, {"classes": 2, "settings": Settings(target=1)}],
)
def test_wrong_arguments(one: GapClassifier, photos: Path, tmp_path: Path, arguments) -> None:
    with pytest.raises(ValueError, match="classes="):
        explain_folder(photos, one, tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder(one: GapClassifier, tmp_path: Path) -> None:
    with pytest.raises(NoPhotosError):
        explain_folder(tmp_path, one, tmp_path / "out")


# --- worker processes ------------------------------------------------------------------------------------


def end_at_13(number: int) -> int:
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@pytest.mark.slow
def test_a_worker_that_dies_costs_one_item() -> None:
    found = list(each(end_at_13, range(40), 2, 8))
    assert [item for item, _ in found] == list(range(40))
    assert [item for item, result in found if result != item * item] == [13]


@pytest.mark.slow
def test_processes_that_die_as_they_start_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaicore.apps.workers._begin", partial(os._exit, 1))
    with pytest.raises(WorkersError, match="workers=0"):
        list(each(abs, range(3), 1, 2))


@pytest.mark.slow
def test_the_caller_s_script_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from xaicore.apps.workers import each\n"
        "print('once')\n"
        "print([found for _, found in each(abs, range(3), 1, 2)])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.stdout == "once\n[0, 1, 2]\n", done.stderr


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_only_so_many_are_taken_ahead(workers: int) -> None:
    taken = 0

    def numbers():
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with contextlib.closing(each(abs, numbers(), workers, 8)) as results:
        for given_back, _ in enumerate(results, 1):
            assert taken - given_back <= 8
    assert taken == 100


def test_few_photographs_are_held_at_a_time(
    one: GapClassifier, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: prepared, and without rows yet."""
    held, most = 0, 0
    prepare, rows_of = folder.prepare, folder._rows

    def counted(plan, photo):
        nonlocal held, most
        held += 1
        most = max(most, held)
        return prepare(plan, photo)

    def released(*arguments):
        nonlocal held
        held -= 1
        return rows_of(*arguments)

    monkeypatch.setattr(folder, "prepare", counted)
    monkeypatch.setattr(folder, "_rows", released)
    explain_folder(photos, one, tmp_path, SETTINGS, workers=0, batch=2)
    assert most <= folder.WAITING * 2


def test_what_is_written_is_csv_s_regions(one: GapClassifier, photos: Path, tmp_path: Path) -> None:
    """The table of regions that `--format csv` writes has the same numbers."""
    explain_folder([photos / "0.png"], one, tmp_path, SETTINGS, workers=0)
    ((_, row),) = rows(tmp_path).items()
    e = explain(SETTINGS.look(one, photos / "0.png"), SETTINGS)
    for told, line in zip(row["regions"], csv.DictReader(e.regions.to_csv().splitlines()), strict=True):
        assert float(line["score"]) == pytest.approx(told["score"], rel=1e-6)


# --- the command line ------------------------------------------------------------------------------------


@pytest.fixture
def command(one: GapClassifier, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xaicore.apps.cli.load_resnet50", lambda _: one)
    return lambda *arguments: main(["explain", *map(str, arguments), "--format", "parquet"])


def test_the_command_line(command, photos: Path, tmp_path: Path, capsys) -> None:
    options = ["--out", tmp_path / "t", "--best", 2, "--segments", 20, "--workers", 0]
    assert command(photos, *options) == 0
    assert "24 photographs explained" in capsys.readouterr().out
    assert len(rows(tmp_path / "t")) == 48
    assert command(photos, tmp_path / "gone.png", tmp_path / "none/", *options) == 1
    told = capsys.readouterr()
    assert told.err.count("not explained") == 2 and "24 were there before" in told.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--best", "2", "--class", "ant"], "--best"),
        (["--best", "0"], "--best"),
        (["--workers", "-1"], "--workers"),
        (["--force"], "--force"),
    ],
)
def test_a_wrong_command(command, photos: Path, tmp_path: Path, options, told, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        command(photos, "--out", tmp_path / "t", *options)
    assert exit_.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_rows_made_otherwise_are_a_wrong_command(command, photos: Path, tmp_path: Path, capsys) -> None:
    options = ["--out", tmp_path / "t", "--workers", 0]
    assert command(photos / "0.png", "--segments", 20, *options) == 0
    with pytest.raises(SystemExit) as exit_:
        command(photos / "0.png", "--segments", 30, *options)
    assert exit_.value.code == 2
    assert "segments 20, and now 30" in capsys.readouterr().err
