"""Run the notebooks, and tell whether a committed one is still what its code gives.

python book/notebooks.py run [notebooks/03_cam.ipynb ...]    execute in a fresh kernel, in place
python book/notebooks.py check [notebooks/03_cam.ipynb ...]  list what is stale, out of order or in error
python book/notebooks.py repository https://github.com/owner/name

A notebook that ran carries two hashes in its metadata: of its code cells, and of the `xaicore` modules that
they use. Comments and docstrings of `xaicore` don't count, so they may change without a new run.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "xaicore"
CELL_SECONDS = 600  # a cell that takes longer has hung; the first one may have to fetch the weights

Notebook = Any  # nbformat's NotebookNode: a dict with attribute access
Place = tuple[
    str, ...
]  # where a module or subpackage is in the package: ("maps", "focus"); () is the package


class NotebookError(RuntimeError):
    """A notebook that can't be run or stamped; the message names the cell."""


def notebook_paths(root: Path = ROOT) -> list[Path]:
    """The book's notebooks, in reading order."""
    return sorted((root / "notebooks").glob("*.ipynb"))


def read(path: Path) -> Notebook:
    """The notebook at `path`, in the current notebook format."""
    return nbformat.v4.upgrade(nbformat.read(path, as_version=4))


def write(nb: Notebook, path: Path) -> None:
    """Write under another name and rename, so that a broken run never leaves half a notebook."""
    text = nbformat.writes(nb, version=4).rstrip("\n") + "\n"
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)


def code_cells(nb: Notebook) -> list[tuple[int, Notebook]]:
    """The code cells that hold code, each with its place among all cells, counted from 1."""
    return [(i, c) for i, c in enumerate(nb.cells, 1) if c.cell_type == "code" and c.source.strip()]


# --- hashes ------------------------------------------------------------------------------------------


def parse(nb: Notebook) -> ast.Module:
    """The syntax tree of the notebook's code; IPython's line magics become calls."""
    python = []
    for index, cell in code_cells(nb):
        source = cell.source
        magic = source.lstrip().startswith("%%")
        if magic:  # the code that %%time and its like run is below their line; %%html and its like hold none
            source = source.lstrip().partition("\n")[2]
        text = TransformerManager().transform_cell(source)
        try:
            ast.parse(text)
        except SyntaxError as error:
            if not magic:
                raise NotebookError(f"cell {index} is not Python: {error}") from error
        else:
            python.append(text)
    return ast.parse("\n".join(python))


def code_digest(nb: Notebook) -> str:
    """A hash of all code cells, in order."""
    return _sha256([cell.source for _, cell in code_cells(nb)])


def package_digest(nb: Notebook, package: Path) -> str:
    """A hash of the modules in the folder `package` that the notebook's code reaches."""
    modules = reached_modules(nb, package)
    files = [package.joinpath(*name.split(".")).with_suffix(".py") for name in modules]
    return _sha256(
        [[name, [_written(file.read_text("utf-8"))]] for name, file in zip(modules, files, strict=True)]
    )


def reached_modules(nb: Notebook, package: Path) -> list[str]:
    """The modules of the package that the notebook imports, and those that they import in turn, sorted.

    Each by its dotted path below the package: "claims", "maps.focus". A name that an `__init__` re-exports
    counts as the module it comes from. An `__init__` that holds nothing but such names is not among them; one
    with code of its own is, as "maps.__init__", wherever an import on the way to something else executes it.
    """
    sources = _Sources(package)
    todo = _imported(parse(nb), sources)
    reached: set[Place] = set()
    while todo:
        place = todo.pop()
        reached.add(place)
        todo |= _imported(sources.code(place), sources, here=place) - reached
    return sorted(".".join(place) for place in reached if not sources.only_reexports(place))


class _Sources:
    """The source files of the package as they are now, each read at most once."""

    def __init__(self, package: Path) -> None:
        files = {path.relative_to(package).with_suffix("").parts: path for path in package.rglob("*.py")}
        self.files = {place: file for place, file in files.items() if all(map(str.isidentifier, place))}
        self.subpackages = {(), *(place[:n] for place in self.files for n in range(len(place)))}
        self.code = functools.cache(lambda place: _code_of(self.files[place].read_text("utf-8")))

    def known(self, place: Place) -> bool:
        """Whether there is a module or a subpackage at `place`."""
        return place in self.files or place in self.subpackages

    def inside(self, place: Place) -> set[Place]:
        """Every module in a subpackage and in those below it, their `__init__`s too."""
        return {file for file in self.files if file[: len(place)] == place}

    def only_reexports(self, place: Place) -> bool:
        """Whether this is an `__init__` with imports and dunder names (`__all__`, `__version__`) only."""
        return place[-1] == "__init__" and all(map(_is_reexport, self.code(place).body))

    def loaded(self, place: Place) -> set[Place]:
        """What importing `place` executes: the module, and each `__init__` on the way that has code."""
        inits = {(*place[:n], "__init__") for n in range(len(place) + 1)} & self.files.keys()
        module = {place} - self.subpackages
        return module | {init for init in inits if not self.only_reexports(init)}

    def reexports(self, place: Place) -> dict[str, tuple[Place, str]]:
        """The names that a subpackage's `__init__` imports: name → where from, and its name there.

        Those too that it imports for type checkers only, and brings by `__getattr__` when asked.
        """
        init = (*place, "__init__")
        body = self.code(init).body if init in self.files else []
        imports = [node for part in body for node in (part.body if isinstance(part, ast.If) else [part])]
        return {
            alias.asname or alias.name: (source, alias.name)
            for node in imports
            if isinstance(node, ast.ImportFrom) and (source := _source(node, init)) is not None
            for alias in node.names
            if alias.name != "*"
        }


def _imported(tree: ast.AST, sources: _Sources, here: Place | None = None) -> set[Place]:
    """Modules of the package that this code imports; `here` is the module it stands in, if any."""
    used = _used(tree)
    found: set[Place] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, *rest = alias.name.split(".")
                if top == PACKAGE:
                    found |= _import_path(tuple(rest), (), sources)
                    for names in used.get(alias.asname or PACKAGE, ()):
                        found |= _follow((), (*rest, *names) if alias.asname else names, sources)
        elif isinstance(node, ast.ImportFrom) and (source := _source(node, here)) is not None:
            for alias in node.names:
                for names in used.get(alias.asname or alias.name, [()]):
                    found |= _import_path(source, (alias.name, *names), sources)
    return found


def _used(tree: ast.AST) -> dict[str, set[Place]]:
    """The names that the code uses, each with the attributes it takes of them: `a.b.c` gives a → (b, c)."""
    nodes = list(ast.walk(tree))
    around = {node.value: node for node in nodes if isinstance(node, ast.Attribute)}
    used: dict[str, set[Place]] = {}
    for name in nodes:
        if isinstance(name, ast.Name):
            names: Place = ()
            node: ast.expr = name
            while node in around:
                node = around[node]
                names = (*names, node.attr)
            used.setdefault(name.id, set()).add(names)
    return used


def _source(node: ast.ImportFrom, here: Place | None) -> Place | None:
    """Where in the package a `from … import` takes its names from; None if it is not from the package."""
    names = tuple(node.module.split(".")) if node.module else ()
    if not node.level:
        return names[1:] if names[:1] == (PACKAGE,) else None
    if here is None or node.level > len(here):
        return None
    return (*here[: -node.level], *names)


def _import_path(path: Place, names: Place, sources: _Sources) -> set[Place]:
    """What `import path` executes and, after it, the attributes `names` lead to.

    The path of an import leads from file to file, past any re-exported name that is the same as a file's.
    """
    known = next(n for n in range(len(path), -1, -1) if sources.known(path[:n]))
    names = (*path[known:], *names)
    place = path[:known]
    return _follow(place, names, sources) if names else sources.loaded(place)


def _follow(
    place: Place, names: Place, sources: _Sources, passed: frozenset[tuple[Place, str]] = frozenset()
) -> set[Place]:
    """The modules that attributes, one after the other, lead to from a module or a subpackage.

    A subpackage used as a whole, as in `help(xaicore.maps)`, or for a name from who knows where, is all its
    modules. `passed` are the re-exports followed so far, as two may refer to each other.
    """
    found = sources.loaded(place)
    if place not in sources.subpackages:
        return found
    if not names:
        return found | sources.inside(place)
    name, rest = names[0], names[1:]
    if name.startswith("__"):
        return found  # __version__ and its like
    step = (place, name)
    origin = sources.reexports(place).get(name, step)
    if origin != step and step not in passed:
        source, original = origin
        if sources.known(source):
            return found | _follow(source, (original, *rest), sources, passed | {step})
    elif sources.known((*place, name)):
        return found | _follow((*place, name), rest, sources)
    return found | sources.inside(place)


def _is_reexport(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    dunder = bool(targets) and all(isinstance(t, ast.Name) and t.id.startswith("__") for t in targets)
    if isinstance(node, ast.If):  # `if TYPE_CHECKING:`
        return all(map(_is_reexport, node.body))
    if isinstance(node, ast.FunctionDef):  # PEP 562
        return node.name in ("__getattr__", "__dir__")
    return dunder or isinstance(node, ast.Import | ast.ImportFrom)


@functools.cache
def _written(text: str) -> object:
    """A source file's code as nested lists; the notebooks share most files, so each text is read once."""
    return _canonical(_code_of(text))


@functools.cache
def _code_of(text: str) -> ast.Module:
    """The syntax tree of a source file's text, without docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del node.body[0]
    return tree


def _canonical(node: object) -> object:
    """The tree as nested lists, the same in every Python: `ast.dump` is not, as new fields come and go.

    A field that is empty is left out, as an older Python may not have it; so are the empty pieces that
    Python 3.12 adds to f-strings.
    """
    if isinstance(node, ast.JoinedStr):
        node.values = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value == "")]
    if isinstance(node, ast.AST):
        fields = [(n, v) for n, v in ast.iter_fields(node) if n not in ("kind", "type_comment", "ctx")]
        return [type(node).__name__, *([n, _canonical(v)] for n, v in fields if v is not None and v != [])]
    return [_canonical(item) for item in node] if isinstance(node, list) else repr(node)


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()


# --- the state of a committed notebook ---------------------------------------------------------------


def stamp(nb: Notebook, package: Path) -> None:
    """Write both hashes into the notebook's metadata."""
    nb.metadata["book"] = {"code_sha256": code_digest(nb), "xaicore_sha256": package_digest(nb, package)}


def problems(nb: Notebook, package: Path) -> list[str]:
    """What shows that the notebook's outputs are not those of one clean run of its present code."""
    return [*_stale(nb, package), *_out_of_order(nb), *_bad_outputs(nb)]


def _stale(nb: Notebook, package: Path) -> list[str]:
    book = nb.metadata.get("book", {})
    if not book:
        return ["stale: it was never run by `make notebooks`"]
    found = []
    if book.get("code_sha256") != code_digest(nb):
        found.append("stale: its code cells changed since it was run")
    if book.get("xaicore_sha256") != package_digest(nb, package):
        used = ", ".join(reached_modules(nb, package))
        found.append(f"stale: {PACKAGE} changed since it was run (it uses {used or 'nothing of it'})")
    return found


def _out_of_order(nb: Notebook) -> list[str]:
    counts = [cell.execution_count for _, cell in code_cells(nb)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"out of order: its cells were executed as {counts}"]


def _bad_outputs(nb: Notebook) -> list[str]:
    found = []
    for index, cell in code_cells(nb):
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"error in cell {index}: {output.ename}: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr":
                found.append(f"warning or progress bar (stderr) in cell {index}: {output.text.strip()[:300]}")
    return found


# --- running -----------------------------------------------------------------------------------------

TRANSIENT = ("ExecuteTime", "collapsed", "colab", "execution", "id", "outputId", "scrolled", "trusted")


def execute(path: Path, package: Path = ROOT / PACKAGE) -> float:
    """Run one notebook top to bottom in a fresh kernel and write it back; return the seconds it took.

    The kernel starts in the notebook's folder. If a cell fails or writes to stderr, the file stays as it was.

    Raises:
        NotebookError: which cell failed, and how.
    """
    nb = read(path)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        nb,
        kernel_name=NATIVE_KERNEL_NAME,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # or each kernel warns of running over TCP
    )
    start = time.monotonic()
    try:
        client.execute(env=os.environ | {"XAICORE_STATIC": "1"})  # outputs for pages without a kernel
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        index, cell = _where_it_stopped(nb)
        raise NotebookError(f"{path.name}, cell {index}:\n{_indented(cell.source)}\n{error}") from error
    seconds = time.monotonic() - start
    tidy(nb)
    stamp(nb, package)
    if found := problems(nb, package):
        raise NotebookError(f"{path.name} ran, but was not kept:\n" + _indented("\n".join(found)))
    write(nb, path)
    return seconds


def tidy(nb: Notebook) -> None:
    """Drop what differs from one run or one machine to the next, so that a diff shows what changed."""
    nb.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nb.metadata["language_info"] = {"name": "python"}
    for key in ("widgets", *TRANSIENT):
        nb.metadata.pop(key, None)
    for cell in nb.cells:
        for key in TRANSIENT:
            cell.metadata.pop(key, None)


def _where_it_stopped(nb: Notebook) -> tuple[int, Notebook]:
    """The cell with the error, or else the first one that did not finish."""
    cells = code_cells(nb)
    failed = [(i, c) for i, c in cells if any(o.output_type == "error" for o in c.outputs)]
    unfinished = [(i, c) for i, c in cells if c.execution_count is None]
    return (failed or unfinished or cells[-1:])[0]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


# --- the repository's address ------------------------------------------------------------------------

WITH_ADDRESS = (
    "_config.yml", "README.md", "CONTRIBUTING.md", "CITATION.cff", "pyproject.toml",
    "book/**/*.md", "notebooks/*.ipynb",
)  # fmt: skip


def repository_url(root: Path = ROOT) -> str:
    """The address that `_config.yml` gives, where it is written once for the whole book."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(config["repository"]["url"]).removesuffix("/").removesuffix(".git")


def set_repository(url: str, root: Path = ROOT) -> list[Path]:
    """Write the address wherever the old one stands; return the files that changed.

    A notebook's hash of its code follows, since its set-up cell holds the address. One that was stale
    before stays stale.

    Raises:
        ValueError: `url` is not the address of a GitHub repository.
    """
    new = _owner_and_name(url)
    old = _owner_and_name(repository_url(root))
    changed = []
    for path in sorted({p for pattern in WITH_ADDRESS for p in root.glob(pattern)}):
        before = path.read_text(encoding="utf-8")
        after = _replace_address(before, old, new)
        if after == before:
            continue
        if path.suffix == ".ipynb":
            was, now = (nbformat.reads(text, as_version=4) for text in (before, after))
            hash_before = code_digest(was)
            if was.metadata.get("book", {}).get("code_sha256") == hash_before:
                after = after.replace(hash_before, code_digest(now))
        path.write_text(after, encoding="utf-8", newline="\n")
        changed.append(path)
    return changed


def _owner_and_name(url: str) -> tuple[str, str]:
    match = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+?)(\.git)?/?", url.strip())
    if not match:
        raise ValueError(f"{url!r} is not of the form https://github.com/owner/name")
    return match[1], match[2]


def _replace_address(text: str, old: tuple[str, str], new: tuple[str, str]) -> str:
    for between in ("/", ".github.io/"):  # the repository, and its GitHub Pages
        text = re.sub(rf"(?<![\w.-]){re.escape(between.join(old))}(?![\w-])", between.join(new), text)
    return text


# --- the command -------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "check"):
        commands.add_parser(name).add_argument("notebooks", nargs="*", type=Path)
    commands.add_parser("repository").add_argument("url")
    options = parser.parse_args(arguments)
    try:
        if options.command == "repository":
            for path in set_repository(options.url):
                print(path.relative_to(ROOT))
            return 0
        paths = [path.resolve() for path in options.notebooks] or notebook_paths()
        if missing := [path for path in paths if not path.is_file()]:
            raise NotebookError(f"no such notebook: {', '.join(map(str, missing))}")
        return _run(paths) if options.command == "run" else _check(paths)
    except (NotebookError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(paths: Iterable[Path]) -> int:
    total, failed = 0.0, []
    for path in paths:
        print(f"{path.name:<32}", end="", flush=True)
        try:
            seconds = execute(path)
        except NotebookError as error:
            print("FAILED")
            print(error, file=sys.stderr)
            failed.append(path.name)
            continue
        total += seconds
        print(f"{seconds:6.1f} s {path.stat().st_size / 1e6:6.2f} MB")
    print(f"{'all':<32}{total:6.1f} s")
    if failed:
        print(f"Left as they were: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _check(paths: Iterable[Path]) -> int:
    found = [f"{path.name}: {text}" for path in paths for text in problems(read(path), ROOT / PACKAGE)]
    print("\n".join(found) or "Every notebook holds the outputs of its present code.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
