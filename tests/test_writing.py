"""What the command line reads and writes: which photographs, under which names, and that nothing is lost."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tiny_network import tiny

import xaicore.apps.cli
from xaicore.apps import outputs
from xaicore.apps.cli import main
from xaicore.apps.photos import NoPhotosError, find_photos
from xaicore.apps.writing import (
    FolderError,
    Inputs,
    check_folder,
    expanded,
    listing,
    name_key,
    names_like,
    pixels_of,
    shortened,
    write_files,
)

LINUX = sys.platform == "linux"


@pytest.fixture(scope="module")
def network():
    return tiny(1, names=["ant", "bee", "crane", "crane", "dog", "elk"])


@pytest.fixture
def here(network, monkeypatch, tmp_path):
    """A folder to work in, and a network that needs no weights."""
    monkeypatch.setattr(xaicore.apps.cli, "load_resnet50", lambda _: network)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photo(path, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(values).save(path, **options)
    return path.read_bytes()


def explain(*arguments):
    return main(["explain", *map(str, arguments), "--segments", "4"])


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


# --- which photographs -------------------------------------------------------------------------------------


def test_a_folder_is_its_pictures_as_people_count_them(tmp_path):
    listed = ["IMG_2.jpg", "img_10.JPG", "IMG_10b.png", "x.heic", "y.avif", "z.webp"]
    for name in [*listed, "notes.txt", ".hidden.jpg", "deep/1.heif", ".git/2.jpg", "explained/3.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, missing = find_photos([str(tmp_path)])
    assert [path.name for path in found] == listed and missing == []
    found, _ = find_photos([str(tmp_path)], recursive=True, without=tmp_path / "explained")
    assert [path.name for path in found] == [*listed, "1.heif"]
    found, _ = find_photos([str(tmp_path / "explained")], without=tmp_path / "explained")
    assert [path.name for path in found] == ["3.png"]


def test_patterns_that_no_shell_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ["a/2.jpg", "a/10.jpg", "b/2.png", "b/notes.txt", "photo[1].jpg"]:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert find_photos(["a/*.jpg"])[0] == [Path("a/2.jpg"), Path("a/10.jpg")]
    assert find_photos(["**/2.*"])[0] == [Path("a/2.jpg"), Path("b/2.png")]
    assert find_photos(["b/*"])[0] == [Path("b/2.png")]
    assert find_photos(["?"], recursive=True)[0] == [Path("a/2.jpg"), Path("a/10.jpg"), Path("b/2.png")]
    assert find_photos(["photo[1].jpg"])[0] == [Path("photo[1].jpg")]
    assert find_photos(["a/2.jpg", "a", "./a/2.jpg"])[0] == [Path("a/2.jpg"), Path("a/10.jpg")]  # each once
    found, missing = find_photos(["*.tif", "gone.jpg", "."])
    assert found == [Path("gone.jpg"), Path("photo[1].jpg")]
    assert [str(m) for m in missing] == [str(missing[0])] and "*.tif matches no picture" in str(missing[0])
    assert isinstance(missing[0], NoPhotosError)


def test_figures_are_no_photographs_unless_named(here):
    photo(here / "a.png")
    for _ in range(2):
        assert explain("*.png", ".", "--out", ".") == 0
        assert names(".") == ["a-2.json", "a-2.png", "a.png"]
    assert explain("a-2.png") == 0
    assert names("explained") == ["a-2.json", "a-2.png"]


def test_an_empty_folder_is_said_and_the_network_is_not_asked(here, capsys, monkeypatch):
    monkeypatch.setattr(xaicore.apps.cli, "load_resnet50", None)
    (here / "empty").mkdir()
    assert explain("empty") == 1
    assert "--recursive" in capsys.readouterr().err


# --- names -------------------------------------------------------------------------------------------------


def test_names_that_some_file_system_takes_for_one():
    assert (
        name_key("Größe.PNG") == name_key(unicodedata.normalize("NFD", "größe.png")) == name_key("GRÖSSE.png")
    )
    names = names_like("a.b.png")
    assert [next(names) for _ in range(3)] == ["a.b.png", "a.b-2.png", "a.b-3.png"]


def test_long_names_are_cut_between_letters_and_stay_apart():
    one, two = ("é" * 200 + end for end in "ab")
    assert len(os.fsencode(shortened(one))) <= 255 and shortened(one) != shortened(two)
    assert shortened("é" * 100) == "é" * 100
    assert os.fsencode(shortened("\udcff" * 300))  # names of bytes that are no text
    assert shortened(one) == shortened(one)


def test_a_tilde_is_the_home_unless_it_is_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert expanded("~/maps") == tmp_path / "maps"
    assert expanded("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")
    (tmp_path / "~root").touch()
    assert expanded("~root") == Path("~root")


@pytest.mark.parametrize("name", ["~tmp.png", "-x.png", "a%20b.png", "größe & 中.png", "a" * 251 + ".png"])
def test_odd_names_are_explained(here, name):
    photo(here / name)
    photo(here / "z.png")
    assert explain(name, "z.png", "--out=out") == 0
    assert len(names("out")) == 4


@pytest.mark.skipif(not LINUX, reason="elsewhere a name is text")
def test_a_name_that_is_no_text(here, capsys):
    name = os.fsdecode(b"caf\xe9.png")
    photo(here / name)
    assert explain(".") == 0
    (record,) = (here / "explained").glob("*.json")
    assert json.loads(record.read_text("utf-8"))["photo"] == name
    assert main(["again", str(record), "--out", "again"]) == 0
    assert "caf" in capsys.readouterr().out


# --- nothing is lost ---------------------------------------------------------------------------------------


def test_photos_of_one_name_get_two(here):
    nfc, nfd = "größe.png", unicodedata.normalize("NFD", "größe.png")
    for i, path in enumerate(["a/x.png", "b/x.png", "c/X.PNG", f"a/{nfc}", f"b/{nfd}"]):
        photo(here / path, i)
    assert explain("a", "b", "c") == 0
    records = [json.loads(path.read_text("utf-8")) for path in Path("explained").glob("*.json")]
    assert len(records) == 5 and len({record["photo"] for record in records}) == 5
    assert len({name_key(name) for name in names("explained")}) == 10
    kept = {path: path.read_bytes() for path in Path("explained").iterdir()}
    assert explain("c", "b", "a") == 0  # again, in another order: each takes its own place
    assert {path: path.read_bytes() for path in Path("explained").iterdir()} == kept


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_photograph_itself_is_never_replaced(here, form, force):
    before = photo(here / "dog.png")
    os.link("dog.png", "other.png")
    for _ in range(2):
        assert explain("dog.png", "other.png", "--out", ".", "--format", form, *force) == 0
        assert (here / "dog.png").read_bytes() == (here / "other.png").read_bytes() == before
    assert len(names(".")) == 2 + 4


@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_others_made_is_kept_unless_forced(here, form, capsys):
    photo(here / "in/dog.png")
    mine = {"dog.png": photo(here / "explained/dog.png", 7), f"dog.{form}": b'{"photo": "in/dog.png"}'}
    Path(f"explained/dog.{form}").write_bytes(mine[f"dog.{form}"])
    assert explain("in/dog.png", "--format", form) == 0
    assert {name: Path("explained", name).read_bytes() for name in mine} == mine
    assert names("explained") == sorted([*mine, "dog-2.png", f"dog-2.{form}"])
    assert "is taken" in capsys.readouterr().out
    assert explain("in/dog.png", "--format", form) == 0
    assert len(names("explained")) == 4  # its own files it does replace
    assert explain("in/dog.png", "--format", form, "--force") == 0
    assert all(Path("explained", name).read_bytes() != data for name, data in mine.items())


def test_another_photo_s_record_is_kept(here):
    for i, folder in enumerate("ab"):
        photo(here / folder / "dog.png", i)
        assert explain(f"{folder}/dog.png") == 0
        assert explain(f"{folder}/dog.png", "--format", "csv", "--out", "tables") == 0
    records = {json.loads(path.read_text())["photo"] for path in Path("explained").glob("*.json")}
    assert records == {"a/dog.png", "b/dog.png"}
    assert names("tables") == ["dog-2.csv", "dog-2.png", "dog.csv", "dog.png"]
    photo(here / "a/dog.png", 5)  # edited: the same photograph still
    assert explain("a/dog.png") == 0
    assert len(names("explained")) == 4


def test_inputs_are_known_by_any_name(tmp_path):
    photo(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to("a.png")
    inputs = Inputs([tmp_path / "a.png", tmp_path / "gone.png"])
    for name in ("a.png", "A.PNG", "b.png", "c.png", "x/../a.png", "gone.png"):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert tmp_path / name in inputs
    assert tmp_path / "d.png" not in inputs and "a.png" not in inputs


def test_a_figure_says_whose_it_is(here):
    photo(here / "dog.png")
    explain("dog.png")
    record = json.loads(Path("explained/dog.json").read_text())
    assert pixels_of(here / "explained/dog.png") == record["pixels_sha256"]
    with Image.open("explained/dog.png") as figure:
        figure.load()  # every chunk's checksum is right
        assert figure.text["xaicore"] == f"of pixels {record['pixels_sha256']}"
    assert pixels_of(here / "dog.png") is None and pixels_of(here / "gone.png") is None
    assert outputs.photo_of(here / "explained/dog.json") == "dog.png"
    assert outputs.photo_of(here / "dog.png") is None


# --- written whole or not at all ---------------------------------------------------------------------------


def test_files_that_belong_together_come_together(tmp_path, monkeypatch):
    a, b = tmp_path / "new/a", tmp_path / "new/b"
    write_files({a: b"1", b: b"2"})
    assert names(a.parent) == ["a", "b"]
    if os.name == "posix":
        umask = os.umask(0)
        os.umask(umask)
        assert a.stat().st_mode & 0o777 == 0o666 & ~umask

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"can't be written \(No space left"):
        write_files({a: b"3", b: b"4"})
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        write_files({a: b"3", b: b"4"})
    assert (a.read_bytes(), b.read_bytes(), names(a.parent)) == (b"1", b"2", ["a", "b"])


def test_a_full_disk_is_said_with_the_photo_s_name(here, monkeypatch, capsys):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("one.png", "two.png"):
        photo(here / name)
    monkeypatch.setattr(os, "fsync", full)
    assert explain("one.png", "two.png") == 1
    told = capsys.readouterr().err
    assert told.count("not explained") == 2 and "one.png: " in told and "No space left" in told
    assert names("explained") == []


@pytest.mark.parametrize("command", [["explain", "a.png"], ["again", "a.json"]])
def test_an_out_that_can_t_be_is_a_wrong_command(here, command, capsys, monkeypatch):
    monkeypatch.setattr(xaicore.apps.cli, "load_resnet50", None)  # not asked
    photo(here / "a.png")
    (here / "taken").touch()
    bad = ["taken", "taken/below", *(["/proc/xaicore"] if LINUX else [])]
    for out in bad:
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--out", out])
        assert stopped.value.code == 2
        assert f"--out {out}" in capsys.readouterr().err
    check_folder(here / "new/folder")
    assert not (here / "new").exists()
    with pytest.raises(FolderError, match="is a file"):
        check_folder(here / "taken")
    assert listing(here / "new") == {}


# --- exit codes and streams --------------------------------------------------------------------------------


def test_whatever_one_photo_raises_the_others_are_done(here, capsys):
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 3_000_000, zip=True)
    photo(here / "comfy.png", pnginfo=info)
    (here / "bad.png").write_bytes(b"no picture")
    photo(here / "good.png")
    code = explain("bad.png", "comfy.png", "good.png")
    told = capsys.readouterr().err
    assert code == 1 and "not explained: " in told and "bad.png" in told
    assert "good.json" in names("explained")


def test_ctrl_c_is_one_line_and_130(here, monkeypatch, capsys):
    for name in ("a.png", "b.png", "c.png"):
        photo(here / name)
    (here / "a.png").write_bytes(b"no picture")
    figure_of, made = outputs.figure_of, []

    def interrupted(explanation):
        if made:
            raise KeyboardInterrupt
        made.append(1)
        return figure_of(explanation)

    monkeypatch.setattr("xaicore.apps.explaining.figure_of", interrupted)
    assert explain("a.png", "b.png", "c.png") == 130
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "a.png" in told[0] and "Stopped" in told[1]
    assert names("explained") == ["b.json", "b.png"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_the_arrow_stops_nothing(here, encoding, monkeypatch):
    for name in ("中.png", "b.png"):
        photo(here / name)
    shown, told = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(told, encoding=encoding))
    assert explain("中.png", "b.png", "gone-→.png") == 1
    assert len(names("explained")) == 4
    assert b"\\u2192" in shown.getvalue() and b"gone-\\u2192.png" in told.getvalue()


class Closed(io.StringIO):
    def write(self, _):
        raise BrokenPipeError

    def fileno(self):
        return os.open(os.devnull, os.O_WRONLY)


def test_a_reader_who_went_away_stops_nothing(here, monkeypatch):
    for name in ("a.png", "b.png"):
        photo(here / name)
    monkeypatch.setattr(sys, "stdout", Closed())
    assert explain("a.png", "b.png") == 0
    assert len(names("explained")) == 4


def test_streams_that_are_closed_stop_nothing(here, monkeypatch):
    photo(here / "a.png")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert explain("a.png", "gone.png") == 1
    assert names("explained") == ["a.json", "a.png"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_is_told_to_end_leaves_no_part_of_a_file(tmp_path):
    code = (
        "import os, signal, sys\nimport xaicore.apps.cli as cli\nfrom pathlib import Path\n"
        "from xaicore.apps.writing import write_files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGTERM)\n"
        "cli._weights = lambda *_: write_files({Path('a'): b'1', Path('b'): b'2'})\n"
        "sys.argv[1:] = ['weights']\nsys.exit(cli.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr, names(tmp_path)) == (143, "", [])


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("kind", "bars"), [(io.StringIO, False), (Terminal, True)])
def test_a_progress_bar_is_for_a_terminal(here, monkeypatch, kind, bars):
    for name in ("a.png", "b.png"):
        photo(here / name)
    told = kind()
    monkeypatch.setattr(sys, "stderr", told)
    explain("a.png", "b.png")
    assert ("\r" in told.getvalue()) is bars


def test_the_help_imports_nothing_that_takes_long():
    for command in ([], ["explain"], ["again"], ["weights"]):
        code = (
            "import sys\nfrom xaicore.apps.cli import main\n"
            f"try: main({[*command, '--help']})\nexcept SystemExit: pass\n"
            "slow = {'torch', 'torchvision', 'skimage', 'scipy', 'matplotlib', 'cv2', 'tqdm'}\n"
            "print(sorted(slow & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", command


# --- other networks ----------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(here):
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(0)
    torch.save({"state_dict": resnet18(num_classes=3).state_dict()}, here / "my.pth")
    (here / "names.txt").write_text("cat\ndog\nelk\n")
    photo(here / "a.png")
    return here / "my.pth"


def test_a_network_of_one_s_own_and_its_record(here, checkpoint, capsys):
    own = ["--network", "torchvision:resnet18", "--checkpoint", "my.pth", "--classes", "names.txt"]
    assert explain("a.png", *own, "--class", "dog") == 0
    record = json.loads(Path("explained/a.json").read_text())
    assert record["network"]["spec"] == "torchvision:resnet18" and record["network"]["checkpoint"] == "my.pth"
    assert record["network"]["classes"] == ["cat", "dog", "elk"] and len(record["weights"]["sha256"]) == 64
    assert record["found"]["class"]["name"] == "dog"
    (here / "names.txt").unlink()  # the record holds them
    assert main(["again", "explained/a.json", "--out", "again"]) == 0
    assert Path("again/a.png").read_bytes() == Path("explained/a.png").read_bytes()
    checkpoint.rename(here / "moved.pth")
    capsys.readouterr()
    assert main(["again", "explained/a.json", "--out", "again"]) == 1
    assert "No file of weights at my.pth" in capsys.readouterr().err
    assert main(["again", "explained/a.json", "--out", "again", "--checkpoint", "moved.pth"]) == 0
    assert explain("a.png", "--network", "torchvision:resnet18@moved.pth") == 0
    for moved in ([], ["--checkpoint", "moved.pth"]):
        assert main(["again", "explained/a.json", "--out", "again", *moved]) == 0
    (here / "moved.pth").write_bytes((here / "moved.pth").read_bytes() + b"\0")
    capsys.readouterr()
    assert main(["again", "explained/a.json", "--out", "again"]) == 1
    assert "others than the record's" in capsys.readouterr().err


def test_names_that_are_digits_go_before_indices(here, checkpoint):
    Path("names.json").write_text('["2", "1", "0"]')
    own = ["--network", "torchvision:resnet18@my.pth", "--classes", "names.json"]
    for asked, index, name in (("2", 0, "2"), ("0", 2, "0"), ("01", 1, "1")):
        assert explain("a.png", *own, "--class", asked) == 0
        found = json.loads(Path("explained/a.json").read_text())["found"]["class"]
        assert (found["index"], found["name"]) == (index, name)
    assert explain("a.png", *own, "--kind", "contrast", "--class", "2", "--against", "0") == 0
    assert json.loads(Path("explained/a.json").read_text())["settings"]["against"] == 2


def test_both_sides_of_one_logit_can_be_named(here):
    import torch
    from torchvision.models import resnet18

    from xaicore import load_network

    torch.manual_seed(0)
    torch.save(resnet18(num_classes=1).state_dict(), "one.pth")
    Path("sides.txt").write_text("no\nyes\n")
    picture = here / "a.png"
    photo(picture)
    spec = "torchvision:resnet18@one.pth"
    score = float(load_network(spec).predict(picture, "full").scores[0])
    assert score != 0
    for name, expected in (("no", -score), ("yes", score)):
        assert explain("a.png", "--network", spec, "--classes", "sides.txt", "--class", name) == 0
        record = json.loads(Path("explained/a.json").read_text())
        assert record["found"]["class"]["score"] == pytest.approx(expected, abs=1e-4)
        assert record["network"]["classes"] == ["no", "yes"]
    assert main(["again", "explained/a.json", "--out", "again"]) == 0


def test_weights_are_of_resnet50_by_any_of_its_names(here, network, monkeypatch):
    photo(here / "a.png")
    asked = []
    monkeypatch.setattr(xaicore.apps.cli, "load_resnet50", lambda weights: asked.append(weights) or network)
    explain("a.png", "--weights", "msra")
    explain("a.png", "--weights", "msra", "--network", "resnet50")
    explain("a.png")
    assert asked == ["msra", "msra", "auto"]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--network", "torchvision:resnet81"], 2, "Did you mean torchvision:resnet18"),
        (["--network", "torchvision:resnet34", "--checkpoint", "my.pth"], 2, "tensors are missing"),
        (["--network", "torchvision:resnet18", "--checkpoint", "gone.pth"], 2, "no such file"),
        (["--network", "torchvision:resnet18@my.pth", "--classes", "gone.txt"], 2, "no such file"),
        (["--network", "torchvision:resnet18@my.pth", "--checkpoint", "my.pth"], 2, "drop one"),
        (["--network", "torchvision:resnet18@my.pth", "--weights", "msra"], 2, "--weights is for resnet50"),
        (["--network", "torchvision:resnet18@my.pth", "--class", "bird"], 2, "No class is called 'bird'"),
        (["--network", "torchvision:resnet18@cut.pth"], 2, "damaged"),
        (["--network", "torchvision:resnet18@empty.pth"], 2, "no classes"),
        (["--network", "torchvision:resnet18@my.pth", "--classes", "deep.json"], 2, "nested too deep"),
        (["--network", "timm:resnet18"], 3, "pip install timm"),
    ],
)
def test_a_wrong_network_is_explained(here, checkpoint, options, code, told, capsys, monkeypatch):
    import torch

    monkeypatch.setitem(sys.modules, "timm", None)
    Path("cut.pth").write_bytes(checkpoint.read_bytes()[:1000])
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    torch.save({**state, "fc.weight": state["fc.weight"][:0], "fc.bias": state["fc.bias"][:0]}, "empty.pth")
    Path("deep.json").write_text("[" * 100_000)
    try:
        found = explain("a.png", *options)
    except SystemExit as stopped:
        found = stopped.code
    assert found == code and told in capsys.readouterr().err
    assert not Path("explained").exists()


def test_an_error_of_pytorch_s_own_is_no_missing_network(here, checkpoint, capsys, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("sizes of tensors\nat line 3")

    monkeypatch.setattr(xaicore.apps.cli, "_load", fail)
    with pytest.raises(SystemExit) as stopped:
        explain("a.png", "--network", "torchvision:resnet18@my.pth")
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("torchvision:resnet18 can't be used with my.pth: sizes of tensors")


# --- records -----------------------------------------------------------------------------------------------


def test_again_never_replaces_the_photograph(here):
    before = photo(here / "dog.png")
    explain("dog.png", "--out", "here")
    Path("here/dog.json").rename("dog.json")
    for options in ([], ["--force"]):
        assert main(["again", "dog.json", "--out", ".", *options]) == 0
        assert (here / "dog.png").read_bytes() == before
    assert names(".") == ["dog-2.png", "dog.json", "dog.png", "here"]


@pytest.mark.parametrize(
    "change",
    [
        {"found": []}, {"found": None}, {"found": {"labels_sha256": 3}}, {"photo": 5}, {"photo": None},
        {"settings": []}, {"settings": {"kind": ["cam"]}}, {"settings": {"target": {}}}, {"weights": "x"},
        {"weights": {"source": 1, "sha256": ""}}, {"pixels_sha256": 0}, {"network": 3},
        {"network": {"spec": ["x"]}}, {"network": {"spec": "torchvision:nothing"}},
        {"settings": {"top": None}},
    ],
)  # fmt: skip
def test_a_damaged_record_is_a_sentence(here, change, capsys):
    photo(here / "dog.png")
    explain("dog.png")
    record = json.loads(Path("explained/dog.json").read_text())
    Path("bad.json").write_text(json.dumps({**record, **change}))
    capsys.readouterr()
    assert main(["again", "bad.json", "--out", "again"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    missing = {name: value for name, value in record.items() if name not in change or name == "network"}
    Path("bad.json").write_text(json.dumps(missing))
    assert main(["again", "bad.json", "--out", "again"]) == (0 if "network" in change else 1)


@pytest.mark.parametrize(
    "content", [b"[]", b"3", b"null", b"", b"\xff\xfe", b"[" * 100_000, b'{"found": []}']
)
def test_what_is_no_record_is_a_sentence(here, content, capsys):
    Path("bad.json").write_bytes(content)
    assert main(["again", "bad.json"]) == 1
    told = capsys.readouterr().err
    assert "bad.json is no record" in told and len(told.splitlines()) == 1
    assert main(["again", "gone.json"]) == 1


@pytest.mark.skipif(not LINUX, reason="a limit on files stands in for a full disk")
def test_a_limit_on_files_leaves_nothing_cut_short(tmp_path):
    code = (
        "import resource, signal\nfrom pathlib import Path\nfrom xaicore.apps.writing import write_files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "try: write_files({Path('a'): b'1' * 100, Path('b'): b'2' * 1000})\n"
        "except OSError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "can't be written" in done.stdout and names(tmp_path) == []
