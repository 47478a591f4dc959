"""The tool that runs the notebooks: what it hashes and what it keeps; and that nbval runs each one alone."""

import json
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from notebook_samples import ROOT, book, good_notebook, of_code, on_disk, stream

# --- the hash of the code that a notebook reaches --------------------------------------------------------

SMALL_PACKAGE = {
    "__init__.py": (
        "from xaicore.b import b\nfrom .c import see as c_see\nfrom .maps import low as root_low\n"
        '__version__ = "1"\n'
    ),
    "a.py": "def a():\n    return 1\n",
    "b.py": "from .a import a\n\ndef b():\n    return a()\n",
    "c.py": '"""Doc."""\n\ndef see():\n    """Doc."""\n    return f"{1:.2f}"\n',
    "alone.py": "import numpy\nX = 1\n",
    "maps/__init__.py": '"""Doc."""\nfrom .views import view\nfrom xaicore.maps.deep import bottom as low\n',
    "maps/cells.py": "cell = 1\n",
    "maps/views.py": "from . import cells\n\ndef view():\n    return cells.cell\n",
    "maps/focus.py": "def x():\n    from ..alone import X\n    return X\n",
    "maps/focus.json": "{}",
    "maps/deep/__init__.py": "from .floor import floor as bottom\nfrom ...regions.trees import *\n",
    "maps/deep/floor.py": "from ... import c_see\nfloor = 1\n",
    "maps/deep/other.py": "other = 1\n",
    "regions/__init__.py": '"""Doc."""\n',
    "regions/trees.py": "tree = 1\n",
    "regions/averages.py": "from ..maps import view\nfrom ..maps.focus import x\n",
    "regions/sums.py": "import xaicore.maps as m\nm.deep.other.other\n",
    "data/some.css": "",
}
DEEP = ["maps.deep.floor", "maps.deep.other", "regions.trees"]
MAPS = ["maps.cells", *DEEP[:2], "maps.focus", "maps.views"]
REGIONS = ["regions.averages", "regions.sums", "regions.trees"]
ALL = ["a", "alone", "b", "c", *MAPS, *REGIONS]


@pytest.fixture
def package(tmp_path):
    for name, text in SMALL_PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "modules"),
    [
        (["import numpy"], []),
        (["from xaicore import b"], ["a", "b"]),
        (["from xaicore.b import b"], ["a", "b"]),
        (["from xaicore import c_see as see"], ["c"]),
        (["from xaicore import alone"], ["alone"]),
        (["import xaicore.alone as x\nx.X"], ["alone"]),
        (["import xaicore as xai", "xai.c_see()"], ["c"]),
        (["import xaicore", "%time xaicore.alone.X\nxaicore.c_see()"], ["c"]),
        (["import xaicore", "%%time\nxaicore.c_see()"], ["c"]),
        (["import xaicore\nxaicore.__version__"], []),
        (["import xaicore", "help(xaicore)"], ALL),
        (["from xaicore import *"], ALL),
        (["from xaicore import unheard_of"], ALL),
        (["%%html\n<b>no Python</b>", "!ls"], []),
        # modules of subpackages
        (["from xaicore.maps.focus import x"], ["alone", "maps.focus"]),
        (["import xaicore.maps.focus as f\nf.x()"], ["alone", "maps.focus"]),
        (["import xaicore.maps.focus"], ["alone", "maps.focus"]),
        (["from xaicore.maps import focus"], ["alone", "maps.focus"]),
        (["from xaicore.maps import cells, focus as f\nf.x()"], ["alone", "maps.cells", "maps.focus"]),
        (["import xaicore", "xaicore.maps.focus.x()"], ["alone", "maps.focus"]),
        (["import xaicore.maps", "xaicore.maps.focus.x()"], ["alone", "maps.focus"]),
        (["import xaicore.maps as m", "m.focus.x()"], ["alone", "maps.focus"]),
        (["from xaicore import maps", "maps.focus.x()"], ["alone", "maps.focus"]),
        (["from xaicore.maps.deep.other import other"], ["maps.deep.other"]),
        (["from xaicore import maps", "maps.deep.other.other"], ["maps.deep.other"]),
        (["import xaicore.maps\nxaicore.maps.__name__"], []),
        # names that subpackages re-export
        (["from xaicore.maps import view"], ["maps.cells", "maps.views"]),
        (["import xaicore.maps as m\nm.view()"], ["maps.cells", "maps.views"]),
        (["from xaicore.maps.deep import bottom"], ["c", "maps.deep.floor"]),
        (["from xaicore.maps import low"], ["c", "maps.deep.floor"]),
        (["from xaicore import root_low"], ["c", "maps.deep.floor"]),
        (["import xaicore", "xaicore.root_low.real"], ["c", "maps.deep.floor"]),
        # imports between subpackages
        (
            ["from xaicore.regions import averages"],
            ["alone", "maps.cells", "maps.focus", "maps.views", "regions.averages"],
        ),
        (["from xaicore.regions.sums import m"], ["maps.deep.other", "regions.sums"]),
        # whole subpackages
        (["from xaicore.regions.trees import *"], ["regions.trees"]),
        (["from xaicore.maps.deep import *"], ["c", *DEEP]),
        (["from xaicore.maps.deep import unheard_of"], ["c", *DEEP]),
        (["import xaicore.maps.deep.unheard_of"], ["c", *DEEP]),
        (["import xaicore", "help(xaicore.maps.deep)"], ["c", *DEEP]),
        (["import xaicore", "xaicore.maps.deep.unheard_of()"], ["c", *DEEP]),
        (["from xaicore.maps import deep", "help(deep)"], ["c", *DEEP]),
        (["from xaicore.maps import deep"], ["c", *DEEP]),
        (["from xaicore.maps import *"], ["alone", "c", *MAPS, "regions.trees"]),
    ],
)
def test_reached_modules(package, sources, modules):
    assert book.reached_modules(of_code(*sources), package) == sorted(modules)


def test_init_with_code_of_its_own_counts(package):
    (package / "__init__.py").write_text("from .c import see\nsee()\n")
    assert book.reached_modules(of_code("from xaicore import see"), package) == ["__init__", "c"]


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("from xaicore.maps.deep.other import other", True),
        ("import xaicore.maps.deep.other", True),
        ("import xaicore.maps", True),
        ("import xaicore\nxaicore.maps.deep.other.other", True),
        ("from xaicore.maps.deep import bottom", True),
        ("from xaicore import root_low", True),
        ("from xaicore.regions.averages import view", True),
        ("from xaicore.regions.trees import tree", False),
        ("from xaicore import c_see", False),
    ],
)
def test_init_of_a_subpackage_with_code_of_its_own_counts_where_an_import_executes_it(
    package, source, counts
):
    with (package / "maps/__init__.py").open("a") as init:
        init.write("view()\n")
    reached = book.reached_modules(of_code(source), package)
    assert ("maps.__init__" in reached) is counts
    assert ("maps.views" in reached) is counts, "what it imports is executed too"
    assert "__init__" not in reached and "maps.deep.__init__" not in reached


def test_a_name_that_is_brought_when_asked_for_counts_as_a_reexport(package):
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from xaicore.maps.focus import late\n"
    with (package / "__init__.py").open("a") as init:
        init.write(lazy + "def __getattr__(name):\n    return name\n")
    reached = book.reached_modules(of_code("import xaicore\nxaicore.late()"), package)
    assert reached == ["alone", "maps.focus"]


def test_reexports_that_refer_to_each_other(package):
    (package / "maps/__init__.py").write_text("from ..regions import lost\nfrom . import focus\n")
    (package / "regions/__init__.py").write_text("from ..maps import lost\n")
    assert book.reached_modules(of_code("from xaicore.maps import focus"), package) == ["alone", "maps.focus"]
    assert set(MAPS) <= set(book.reached_modules(of_code("from xaicore.maps import lost"), package))


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("maps/views.py", True),
        ("maps/cells.py", True),
        ("maps/focus.py", False),
        ("maps/deep/floor.py", False),
        ("maps/__init__.py", False),
        ("maps/focus.json", False),
        ("alone.py", False),
    ],
)
def test_a_notebook_is_stale_after_a_change_in_a_module_it_reaches_not_in_one_beside_it(package, file, stale):
    nb = of_code("from xaicore.maps import view")
    nb.cells[0].execution_count = 1
    book.stamp(nb, package)
    assert book.problems(nb, package) == []
    with (package / file).open("a") as source:
        source.write("import os\n")
    found = book.problems(nb, package)
    assert found == (
        ["stale: xaicore changed since it was run (it uses maps.cells, maps.views)"] if stale else []
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("c.py", "Doc.", "Another docstring.", True),
        ("c.py", "return", "# why\n    return", True),
        ("c.py", '    """Doc."""\n', "", True),
        ("c.py", ".2f", ".3f", False),
        ("c.py", "see()", "see(x=None)", False),
        ("a.py", "1", "2", True),
        ("alone.py", "1", "2", True),
        ("__init__.py", '"1"', '"2"', True),
    ],
)
def test_package_digest(package, file, old, new, same):
    nb = of_code("from xaicore import c_see")
    before = book.package_digest(nb, package)
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert (book.package_digest(nb, package) == before) is same


def test_a_module_that_is_imported_by_another_counts(package):
    nb = of_code("from xaicore import b")
    before = book.package_digest(nb, package)
    (package / "a.py").write_text("def a():\n    return 2\n")
    assert book.package_digest(nb, package) != before


def test_digest_is_the_same_in_every_python(package):
    """`ast.dump` is not; this value was the same in Python 3.11, 3.12 and 3.13."""
    (package / "c.py").write_text(
        "@d\nclass C(B, k=1):\n    x: int = 0\n\n    def f(self, a, /, b=None, *c, d=1, **e):\n"
        "        match a:\n            case {'k': [1, *_]} if b:\n"
        "                return f'{a!r:>{b}} {1e-3}'\n"
        "        with a as b, c:\n            del b\n        return lambda: (i async for i in a)\n"
    )
    assert book.package_digest(of_code("from xaicore.c import C"), package) == (
        "f245c0c2394d9f919c477a806112245a7b60877922e1e04e22db420e9cdae63f"
    )


def test_code_digest_sees_order_and_borders_of_cells():
    digests = {book.code_digest(of_code(*cells)) for cells in (["a", "b"], ["b", "a"], ["a\nb"], ["ab"])}
    assert len(digests) == 4


# --- running ---------------------------------------------------------------------------------------------


@pytest.mark.notebooks
def test_execute_keeps_a_clean_run(tmp_path):
    nb = of_code(
        "import os\nprint(os.getcwd() == HERE)".replace("HERE", repr(str(tmp_path))), "print(1)\nprint(2)", ""
    )
    nb.cells[1].metadata = {"tags": ["mine"], "execution": {"iopub.status.busy": "2026"}, "collapsed": True}
    nb.cells[1].outputs = [stream("stdout", "old")]
    nb.metadata = {"language_info": {"version": "3.1"}, "widgets": {}, "mine": 1}
    path = on_disk(tmp_path, nb)
    assert book.execute(path) > 0
    ran = book.read(path)
    assert book.problems(ran, ROOT / "xaicore") == []
    assert [c.outputs[0].text for c in ran.cells[:2]] == ["True\n", "1\n2\n"]
    assert ran.cells[1].metadata == {"tags": ["mine"]}
    assert set(ran.metadata) == {"kernelspec", "language_info", "book", "mine"}
    assert ran.metadata.language_info == {"name": "python"}
    once = path.read_bytes()
    book.execute(path)
    assert path.read_bytes() == once, "a second run changed the file"


@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\nx / 0", "ZeroDivisionError"),
        ("import sys\nprint('50%|###', file=sys.stderr)", "stderr"),
        ("import os\nos._exit(1)", "died"),
    ],
)
def test_execute_leaves_the_file_after_a_bad_run(tmp_path, source, says):
    path = on_disk(tmp_path, of_code("1", source))
    before = path.read_bytes()
    with pytest.raises(book.NotebookError, match=says) as caught:
        book.execute(path)
    assert "cell 2" in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.notebooks
def test_commands(tmp_path, capsys):
    path = on_disk(tmp_path, of_code("1 + 1"))
    assert book.main(["check", str(path)]) == 1
    assert "never run" in capsys.readouterr().out
    assert book.main(["run", str(path)]) == 0
    assert book.main(["check", str(path)]) == 0
    assert book.main(["run", str(tmp_path / "none.ipynb")]) == 1
    assert "none.ipynb" in capsys.readouterr().err
    bad = on_disk(tmp_path, of_code("1 / 0"))
    assert book.main(["run", str(bad)]) == 1
    assert book.main(["repository", "https://example.org/x"]) == 1


@pytest.mark.notebooks
def test_nbval_runs_a_notebook_alone(tmp_path):
    """The kernel knows neither the checkout nor the notebook's folder, only the installed package."""
    alone = (
        "import os, pathlib, sys, xaicore\n"
        f"checkout = pathlib.Path({str(ROOT)!r})\n"
        "assert os.listdir() == []\n"
        "assert checkout not in pathlib.Path(xaicore.__file__).parents, xaicore.__file__\n"
        "assert not {str(checkout), str(checkout / 'tests'), str(checkout / 'book')} & set(sys.path)\n"
        "assert (pathlib.Path(xaicore.__file__).parent / 'py.typed').exists()"
    )
    different = new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(1)", outputs=[stream("stdout", "2\n")])
    nb = of_code(alone, "# NBVAL_CHECK_OUTPUT\nprint(1)", "1 / 0")
    nb.cells[1].outputs = [stream("stdout", "1\n")]
    nb.cells.append(different)
    for count, cell in enumerate(nb.cells, 1):
        cell.execution_count = count
    path = on_disk(tmp_path, nb)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        "-m",
        "notebooks",  # as each of its cells is marked
        str(path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    result = done.stdout + done.stderr
    assert re.search(r"2 failed, 2 passed", result), result
    assert "Cell 2" in result and "Cell 3" in result and done.returncode == 1


# --- the repository's address ----------------------------------------------------------------------------


def test_set_repository(tmp_path):
    old = "/".join(book._owner_and_name(book.repository_url()))
    files = [p for pattern in book.WITH_ADDRESS for p in ROOT.glob(pattern) if "_build" not in p.parts]
    for path in files:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    fresh, stale = good_notebook(), good_notebook()
    stale.metadata["book"]["code_sha256"] = "0"
    nbformat.write(fresh, tmp_path / "notebooks" / "98_fresh.ipynb")
    nbformat.write(stale, tmp_path / "notebooks" / "99_stale.ipynb")
    (tmp_path / "README.md").open("a").write(
        f"\nhttps://{old.replace('/', '.github.io/')} git+https://github.com/{old}.git https://github.com/{old}-two\n"
    )

    changed = {
        str(p.relative_to(tmp_path))
        for p in book.set_repository("https://github.com/Some-One/their.book", tmp_path)
    }

    assert {"_config.yml", "README.md", "CITATION.cff", "notebooks/98_fresh.ipynb"} <= changed
    assert book.repository_url(tmp_path) == "https://github.com/Some-One/their.book"
    left = [p for p in tmp_path.rglob("*.*") if old in p.read_text().replace(f"{old}-two", "")]
    assert left == []
    readme = (tmp_path / "README.md").read_text()
    assert "https://Some-One.github.io/their.book git+https://github.com/Some-One/their.book.git" in readme
    assert f"https://github.com/{old}-two" in readme
    assert book.problems(book.read(tmp_path / "notebooks" / "98_fresh.ipynb"), ROOT / "xaicore") == []
    assert "code cells changed" in str(
        book.problems(book.read(tmp_path / "notebooks" / "99_stale.ipynb"), ROOT / "xaicore")
    )
    for path in book.notebook_paths():  # and nothing but the address and the hash of the code
        now = json.loads((tmp_path / path.relative_to(ROOT)).read_text())
        was = json.loads(path.read_text().replace(old, "Some-One/their.book"))
        for nb in (now, was):
            nb["metadata"].pop("book", None)
        assert now == was


@pytest.mark.parametrize(
    "url",
    ["", "github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", "https://github.com/a/b/c"],
)
def test_set_repository_refuses(url, tmp_path):
    with pytest.raises(ValueError, match="owner/name"):
        book.set_repository(url, tmp_path)
