"""Faults put into writing, names that anybody may choose, and a minute of fuzzing.

The page book/what_can_go_wrong.md tells what was injected and which test holds what.
"""

import errno
import io
import math
import os
import re
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import fuzz
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from xaicore.apps.outputs import Outputs
from xaicore.apps.saving import Photographs
from xaicore.apps.writing import (
    NAME_BYTES,
    FolderError,
    Inputs,
    check_folder,
    listing,
    name_key,
    names_like,
    shortened,
    write_files,
)

ROOT = Path(__file__).resolve().parents[1]
LINUX = sys.platform == "linux"

# what a file may be called: all but "/", NUL and the two that are folders
letters = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
file_names = st.text(letters, min_size=1, max_size=90).filter(lambda name: name not in (".", ".."))


# --- names -----------------------------------------------------------------------------------------------


@given(file_names, st.integers(20, 255))
@example("é" * 90, 255)
@example("👩‍👩‍👧" * 20, 60)
def test_a_cut_name_fits_and_stays_text(name, room):
    cut = shortened(name, room)
    assert len(os.fsencode(cut)) <= room
    assert cut == name if len(os.fsencode(name)) <= room else cut != name
    assert os.fsdecode(os.fsencode(cut)) == cut
    assert shortened(cut, room) == cut


@given(st.lists(file_names, unique=True, min_size=2, max_size=6), st.integers(20, 40))
def test_names_that_are_cut_stay_apart(names, room):
    long = [name * 5 for name in names]
    assert len({shortened(name, room) for name in long}) == len(set(long))


@given(file_names)
def test_how_a_name_is_spelt_plays_no_part(name):
    for form in ("NFC", "NFD"):
        assert name_key(unicodedata.normalize(form, name)) == name_key(name)
    assert name_key(name.casefold()) == name_key(name)
    assert name_key(name_key(name)) == name_key(name)


@given(file_names)
def test_further_names_are_other_ones(name):
    several = [one for one, _ in zip(names_like(name), range(12), strict=False)]
    assert several[0] == name and len({name_key(one) for one in several}) == 12
    assert all(os.path.splitext(one)[1] == os.path.splitext(name)[1] for one in several)


@given(st.lists(st.tuples(file_names, st.integers(0, 2)), min_size=1, max_size=8), st.booleans())
@settings(deadline=None)
def test_no_two_results_share_a_name_and_none_takes_an_input_s(tmp_path_factory, named, force):
    folder = tmp_path_factory.mktemp("out")
    inputs = [folder / f"{shortened(name, 200)}.png" for name, _ in named]
    outputs = Outputs(folder, Inputs(inputs), force)
    claimed = [
        outputs.claim(Path(f"/{i}/{name}.jpg"), name, str(pixels), ".json")[0]
        for i, (name, pixels) in enumerate(named)
    ]
    assert len({name_key(one) for one in claimed}) == len(named)
    taken = {name_key(path.name) for path in inputs}
    for one in claimed:
        assert len(os.fsencode(f"{one}.json")) <= NAME_BYTES
        assert name_key(f"{one}.png") not in taken


@given(st.lists(st.tuples(file_names, st.binary(max_size=2)), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_uploads_of_any_name_are_kept_apart(uploads):
    """Each under a name of its own, and the same one again under its own; none is one of the form's files."""
    from xaicore.pictures.sources import Picture

    photographs = Photographs()
    image = np.zeros((2, 2, 3), np.uint8)
    found = {}
    for name, data in uploads:
        given_name = photographs.of(Picture(image, name, f'xaicore.read_image("{name}")', data)).name
        assert found.setdefault(name_key(given_name), data) == data
        assert len(os.fsencode(given_name)) <= NAME_BYTES and "/" not in given_name
        assert name_key(given_name) not in {"figure.png", "figure.svg", "explain.py", "regions.csv"}


# --- writing ---------------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        file_names.filter(lambda n: len(os.fsencode(n)) < 200), st.binary(max_size=99), max_size=5
    )
)
@settings(deadline=None, max_examples=50)
def test_what_is_written_is_read_back(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("files") / "new" / "folder"
    write_files({folder / name: data for name, data in files.items()})
    assert {path.name: path.read_bytes() for path in listing(folder).values()} == files


FAULTS = [
    OSError(errno.ENOSPC, "No space left on device"),
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.EIO, "Input/output error"),
    KeyboardInterrupt(),
    MemoryError(),
]
STEPS = ["mkdir", "open", "write", "fsync", "replace"]


def break_at(monkeypatch, step, number, fault):
    """Let the `number`th call of one step of writing fail."""
    calls = [0]

    def failing(real):
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] == number:
                raise fault
            return real(*arguments, **options)

        return call

    class File(io.FileIO):
        write = failing(io.FileIO.write)

    if step == "mkdir":
        monkeypatch.setattr(Path, "mkdir", failing(Path.mkdir))
    elif step == "open":
        monkeypatch.setattr(Path, "open", failing(Path.open))
    elif step == "write":
        monkeypatch.setattr(Path, "open", lambda path, mode: File(path, mode.replace("b", "")))
    else:
        monkeypatch.setattr(os, step, failing(getattr(os, step)))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault) or type(fault).__name__)
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_wherever_writing_fails_each_file_is_whole(tmp_path, monkeypatch, step, number, fault):
    old = {tmp_path / name: name.encode() * 50 for name in ("a.png", "a.json", "a.csv")}
    write_files(old)
    new = {path: data.upper() for path, data in old.items()}
    with monkeypatch.context() as patch:
        break_at(patch, step, number, fault)
        with pytest.raises(type(fault)):
            write_files(new)
    assert sorted(tmp_path.iterdir()) == sorted(old)  # nothing half written beside them
    found = {path: path.read_bytes() for path in old}
    if step == "replace":  # the last step: those before it are done
        assert [found[path] == new[path] for path in old] == [i < number for i in (1, 2, 3)]
        assert all(found[path] in (old[path], new[path]) for path in old)
    else:
        assert found == old


WRITE_ON = """
import sys
from pathlib import Path
from xaicore.apps.writing import write_files
print("begun", flush=True)
for number in range(10**6):
    write_files({Path(name): bytes([number % 256]) * 3_000_000 for name in ("a", "b")})
"""


@pytest.mark.parametrize("after", [0.0, 0.01, 0.02, 0.05, 0.1])
def test_a_process_that_is_killed_leaves_whole_files(tmp_path, after):
    process = subprocess.Popen([sys.executable, "-c", WRITE_ON], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"begun\n"
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        if not re.fullmatch(r"\.xaicore-[0-9a-f]{16}\.part", path.name):  # all that may be left besides
            assert path.name in "ab" and data == data[:1] * 3_000_000


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(FolderError, match="Permission denied"):
        check_folder(tmp_path / "out")


@pytest.mark.skipif(not LINUX, reason="/dev/full is always full")
def test_a_full_device_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: real(Path("/dev/full"), "wb"))
    with pytest.raises(OSError, match=r"can't be written \(No space left on device\).*a\.png"):
        write_files({tmp_path / "a.png": b"x" * 100_000})
    assert list(tmp_path.iterdir()) == []


# --- the page --------------------------------------------------------------------------------------------


def test_the_page_of_faults_names_tests_that_there_are():
    page = (ROOT / "book/what_can_go_wrong.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "What was broken" not in line]
    named = [re.fullmatch(r".*\| `(test_\w+)` \|", row) for row in rows]
    assert len(named) > 30 and all(named)
    there = {
        name
        for file in (ROOT / "tests").glob("*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert {found[1] for found in named if found} <= there


# --- fuzzing ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("target", "inputs"), [("pictures", 5000), ("weights", 1200), ("links", 600_000)])
def test_what_strangers_send_is_read_or_refused(target, inputs):
    """A minute in all, with the same inputs every time; `make fuzz` has others, ten minutes for each."""
    command = [sys.executable, str(ROOT / "tests/fuzz.py"), "600", target, "--seed=1", f"--most={inputs}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_the_fuzzer_finds_a_fault_and_keeps_its_input(monkeypatch, tmp_path, capfd):
    """A reader that fails at every tenth input."""

    def faulty(chance, folder):
        for number in range(100):
            yield b"input %d" % number, lambda number=number: 1 // (number % 10) >= 0

    monkeypatch.setitem(fuzz.TARGETS, "pictures", faulty)
    monkeypatch.setattr(fuzz, "_limit_memory", lambda: None)  # this process has other tests to run
    with pytest.raises(SystemExit):
        fuzz.work("pictures", 5, math.inf, 0, tmp_path)
    assert (tmp_path / "input").read_bytes() == b"input 10"
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_the_fuzzer_s_files_are_pictures_until_they_are_damaged():
    from xaicore.pictures.reading import read_image

    files = list(fuzz._picture_files())
    assert len({Image.open(io.BytesIO(data)).format for data in files}) >= 12
    for data in files:
        assert read_image(data).shape in {(12, 16, 3), (16, 12, 3)}
