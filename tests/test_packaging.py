"""What is installed, what it asks for, and which module may import which."""

import ast
import importlib
import importlib.metadata
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]

EXAMPLE = "https://github.com/owner/name"


def requirements(lines):
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r.specifier for r in found}


def listed(file):
    """The requirements in a file, and its option lines (-r, -e)."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    lines = [line for line in lines if line]
    return [line for line in lines if line[0] != "-"], [line for line in lines if line[0] == "-"]


def python(code, **environment):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- what is installed -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(once_per_run):
    """The wheel that `pip install` makes of this checkout."""

    def build(folder):
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
        done = subprocess.run([*pip, *options, str(ROOT)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    (file,) = once_per_run("wheel", build).glob("*.whl")
    return file


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {p for p in (ROOT / "xaicore").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert names == {p.relative_to(ROOT).as_posix() for p in files}
    data = {"py.typed", "book/outlines.json", "playground/playground.css", "playground/js/start.js"}
    assert {f"xaicore/{name}" for name in data} <= names


def test_the_wheel_says_what_it_is(wheel):
    assert wheel.name == f"xaicore-{PROJECT['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    assert "License-Expression: MIT" in text
    assert "Requires-Python: >=3.11" in text
    assert "# CAM and SeCAM" in text


def test_building_leaves_nothing_in_the_checkout(wheel):
    assert not (ROOT / "build").exists()
    assert not list(ROOT.glob("*.egg-info"))


# --- what it asks for ------------------------------------------------------------------------------------


def test_requirements_and_pyproject_agree():
    lines, options = listed("requirements.txt")
    assert requirements(lines) == requirements(
        [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["book"]]
    )
    assert options == ["-e ."]
    assert listed("requirements-test.txt") == (
        [],
        ["-r requirements.txt", "-e .[evaluation,many,oracles,test]"],
    )


def test_what_the_book_was_asked_to_use_is_there():
    asked = "jupyter-book torch torchvision numpy opencv-python scikit-image matplotlib ipywidgets nbval"
    assert set(asked.split()) <= requirements(listed("requirements.txt")[0]).keys()


def test_no_dependency_is_capped():
    """Colab has its own torch and numpy; a cap would replace them."""
    capped = {
        n: str(s)
        for n, s in requirements(PROJECT["dependencies"]).items()
        if not re.fullmatch(r">=[\d.]+", str(s))
    }
    assert capped == {}


def test_every_pin_gives_its_reason():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        requirement, _, reason = line.partition("#")
        if "==" in requirement or "<" in requirement:
            assert len(reason) > 20, line


def test_what_is_installed_here_is_what_is_asked_for():
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    wrong = {
        name: importlib.metadata.version(name)
        for lines in lists
        for name, specifier in requirements(lines).items()
        if not specifier.contains(importlib.metadata.version(name), prereleases=True)
    }
    assert wrong == {}


def test_cv2_is_opencv_python_and_works():
    """opencv-python-headless, which grad-cam asks for, would overwrite the same folder."""
    others = {canonicalize_name(d.name) for d in importlib.metadata.distributions() if d.name}
    assert {name for name in others if name.startswith("opencv-")} == {"opencv-python"}
    import cv2

    assert importlib.metadata.version("opencv-python").startswith(cv2.__version__)
    square = np.zeros((64, 64, 3), np.uint8)
    square[16:48, 16:48] = (255, 0, 0)
    assert cv2.resize(square, (32, 32), interpolation=cv2.INTER_AREA)[16, 16].tolist() == [255, 0, 0]
    ok, data = cv2.imencode(".png", square)
    assert ok and (cv2.imdecode(data, cv2.IMREAD_COLOR) == square).all()
    assert "highgui" in cv2.getBuildInformation()
    assert cv2.applyColorMap(square, cv2.COLORMAP_JET).shape == square.shape


def test_grad_cam_works_without_its_own_opencv():
    from pytorch_grad_cam import HiResCAM

    assert callable(HiResCAM)


# --- importing -------------------------------------------------------------------------------------------


def test_layers_import_one_way():
    """The contracts of [tool.importlinter] in pyproject.toml hold, and name every module there is."""
    command = [str(Path(sys.executable).with_name("lint-imports"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    listed = {name.strip() for layer in layers for name in layer.split("|")}
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "xaicore").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert listed == modules, "say in pyproject.toml in which layer a new module stands"


def test_imports_are_absolute_and_of_modules():
    """Inside the package nothing comes from a package's `__init__`, whose names are for readers."""
    packages = {"xaicore", *(f"xaicore.{p.parent.name}" for p in (ROOT / "xaicore").glob("*/__init__.py"))}
    for path in (ROOT / "xaicore").rglob("*.py"):
        if path.name == "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} has a relative import; write from xaicore.… import …"
                assert node.module not in packages, f"{path} imports from {node.module} itself"


def test_no_function_shadows_its_module():
    """`xaicore.show.records` is a module and nothing else: a name for readers never hides one."""
    for package in sorted((ROOT / "xaicore").rglob("__init__.py")):
        name = ".".join(package.parent.relative_to(ROOT).parts)
        there = importlib.import_module(name)
        for module in package.parent.glob("[a-z]*.py"):
            found = getattr(there, module.stem, None)
            assert found is None or inspect.ismodule(found), f"{name}.{module.stem}"


def test_all_lists_what_there_is():
    import xaicore

    assert sorted(set(xaicore.__all__)) == sorted(xaicore.__all__)
    assert [name for name in xaicore.__all__ if not hasattr(xaicore, name)] == []


@pytest.mark.slow
def test_import_is_light(tmp_path):
    """It asks no network, writes nothing, and leaves foolbox (which only lends photographs) alone."""
    loaded = python(
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "import xaicore\n"
        "print(sorted({'foolbox', 'eagerpy', 'git', 'captum', 'sklearn', 'IPython'} & set(sys.modules)))",
        TORCH_HOME=str(tmp_path / "torch"),
        XAICORE_WEIGHTS_DIR=str(tmp_path / "weights"),
    )
    assert loaded == "[]"
    assert list(tmp_path.iterdir()) == []


# --- the files about the project -------------------------------------------------------------------------


def test_one_address_everywhere():
    """`make repository URL=…` changes all of them; here none has been left behind."""
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["repository-code"] == PROJECT["urls"]["Repository"] == url
    for file in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / file).read_text()
        assert set(re.findall(r"https://github\.com/[\w-]+/[\w.-]+", text)) - {EXAMPLE} == {url}, file


def test_readme_has_a_colab_badge_for_each_chapter():
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    owner_and_name = url.removeprefix("https://github.com/")
    links = re.findall(r"\]\((https://colab[^()\s]+ipynb)\)", (ROOT / "README.md").read_text())
    assert links == [
        f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{path.name}"
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    ]


def test_readme_links_lead_somewhere():
    for file in ("README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / file).read_text()):
            assert (ROOT / link).exists(), f"{file}: {link}"


def test_readme_code_uses_what_exists():
    """Each `xaicore.name` in the README is public."""
    import xaicore

    names = set(re.findall(r"\bxaicore\.(\w+)", (ROOT / "README.md").read_text()))
    assert names and names <= set(xaicore.__all__)


def test_licences():
    assert "MIT License" in (ROOT / "LICENSE").read_text()
    text = (ROOT / "LICENSE-TEXT").read_text()
    assert all(f"Section {n} – " in text for n in range(1, 9))
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["license"] == ["MIT", "CC-BY-4.0"]


@pytest.mark.parametrize(
    "command",
    ["book", "check", "test", "mutate", "check-js", "notebooks", "lab", "repository", "clean", "distclean"],
)
def test_make_knows_and_explains(command):
    told = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert f"make {command}" in told
    dry = ["make", "--dry-run", command, f"URL={EXAMPLE}"]
    assert subprocess.run(dry, cwd=ROOT, capture_output=True, text=True).returncode == 0


def test_listed_survivors_are_of_functions_that_exist():
    """Each is a changed line, not one of the code, and has its reason; `make mutate` compares the rest."""
    listed = tomllib.loads((ROOT / "tests/mutation_survivors.toml").read_text())["survivor"]
    for entry in listed:
        package, name, *rest = re.fullmatch(r"(xaicore\.\w+\.\w+)\.(\w+)(?:\.(\w+))?", entry["in"]).groups()
        found = getattr(importlib.import_module(package), name)
        source = inspect.getsource(getattr(found, rest[0]) if rest[0] else found)
        lines = {line.strip() for line in source.splitlines()}
        assert entry["reason"] and entry["changes"] and not lines & set(entry["changes"]), entry["in"]


COLLECT = """
import json, pytest

class Note:
    def pytest_collection_finish(self, session):
        self.markers = [sorted({m.name for m in item.iter_markers()}) for item in session.items]

note = Note()
pytest.main(["tests", "--collect-only", "-qq", "-p", "no:cacheprovider"], plugins=[note])
print(json.dumps(note.markers))
"""


@pytest.mark.slow
def test_make_check_runs_the_unmarked_tests_and_they_are_most():
    registered = [line.partition(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    dry = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True).stdout
    assert f'-m "{" and ".join(f"not {marker}" for marker in registered)}"' in dry
    done = subprocess.run([sys.executable, "-c", COLLECT], cwd=ROOT, capture_output=True, text=True)
    markers = [set(found) for found in json.loads(done.stdout.splitlines()[-1])]
    assert sum(found.isdisjoint(registered) for found in markers) > len(markers) / 2
    assert set(registered) <= set().union(*markers)


def test_make_refuses_an_old_python(tmp_path):
    """With a word on what to do, before anything is made."""
    old = tmp_path / "python-of-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\n[ "$1" = --version ]\n')
    old.chmod(0o755)
    command = ["make", "book", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr and "Python 3.9.2" in done.stderr
    assert "make book PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()
