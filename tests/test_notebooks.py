"""The rules that every committed notebook keeps.

Nothing here executes the book's notebooks: nbval does. Each rule is a function from a notebook to the list of
what breaks it; each is also shown a notebook that breaks it, so that none can pass by looking the other way.
"""

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_output
from notebook_samples import ROOT, SET_UP, book, display, good_notebook, run, stream

NOTEBOOKS = book.notebook_paths()
Problems = list[str]

# --- the rules -------------------------------------------------------------------------------------------


def is_what_its_code_gives(nb) -> Problems:
    return book.problems(nb, ROOT / "xaicore")


def every_figure_is_described(nb) -> Problems:
    found, names = [], []
    for index, cell in book.code_cells(nb):
        pictures = sum(any(kind.startswith("image/") for kind in out.get("data", {})) for out in cell.outputs)
        if not pictures:
            continue
        told = cell.metadata.get("mystnb", {})
        alt = told.get("image", {}).get("alt", "").strip()
        caption = told.get("figure", {}).get("caption", "").strip()
        name = told.get("figure", {}).get("name", "")
        names.append(name)
        if pictures > 1:
            found.append(f"cell {index} draws {pictures} pictures; one caption can't tell them apart")
        if len(alt) < 20:
            found.append(f"cell {index}: no alt text that says what is to be seen: {alt!r}")
        if not caption:
            found.append(f"cell {index}: no caption")
        if alt == caption:
            found.append(
                f"cell {index}: the alt text repeats the caption instead of telling what is to be seen"
            )
        if not re.fullmatch(r"fig-[a-z0-9-]+", name):
            found.append(f"cell {index}: the name {name!r} is not of the form fig-…")
    return found + [f"the name {name!r} is given twice" for name in {n for n in names if names.count(n) > 1}]


def starts_with_the_set_up_cell(nb) -> Problems:
    first, *rest = [cell.source for cell in nb.cells if cell.cell_type == "code"] or [""]
    want = SET_UP.format(url=book.repository_url()).strip()
    plain = re.sub(r'"xaicore\[\w+\] @ ', '"', first)  # with what an extra brings
    found = [] if plain.strip() == want else [f"the first code cell is not\n{want}"]
    return found + [
        "a second cell installs something" for s in rest if re.search(r"pip.? install|apt-get", s)
    ]


RAW_ELSEWHERE = {
    r"^\s*(?:`{3,}|~{3,}|:{3,})\s*\{": "a directive",
    r"^\s*:{3,}": "a colon fence",
    r"\{[a-z][\w:+-]*\}`": "a role",
    r"^\([\w-]+\)=\s*$": "a target",
    r"\{\{.*?\}\}": "a substitution",
    r"\[\^[^\]]+\]": "a footnote",
    r"^>\s*\[!\w+\]": "a GitHub alert",
    r"^\{[.#][^}]*\}\s*$": "an attribute line",
}


def markdown_is_plain(nb) -> Problems:
    return [
        f"cell {index} holds {what}, which Jupyter and Colab show raw: {match[0]!r}"
        for index, cell in enumerate(nb.cells, 1)
        if cell.cell_type == "markdown"
        for pattern, what in RAW_ELSEWHERE.items()
        for match in re.finditer(pattern, cell.source, re.MULTILINE)
    ]


OF_ONE_MACHINE = (
    r"(?<![\w.:/~-])/(?:home|root|Users|tmp|work|usr|opt|var|mnt|private|content|data)/[\w.-]+"
    r"|\b[A-Z]:\\\w+|\bfile:/|\blocalhost\b|\b127\.0\.0\.1\b|\bat 0x[0-9a-fA-F]{6,}"
)


def names_no_machine(nb) -> Problems:
    found = []
    for index, cell in enumerate(nb.cells, 1):
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts.append(output.get("text", ""))
            texts += [
                str(v) for kind, v in output.get("data", {}).items() if not re.match("image/(png|jpeg)", kind)
            ]
        for text in texts:
            text = re.sub(r"data:[\w/+-]+;base64,[\w+/=\s]+", "", text)
            found += [
                f"cell {index} names something of one machine: {m[0]}"
                for m in re.finditer(OF_ONE_MACHINE, text)
            ]
    return found


def is_small(nb) -> Problems:
    size = len(nbformat.writes(nb).encode())
    return [f"{size / 1e6:.2f} MB; a page has at most 2 MB"] if size > 2e6 else []


def is_laid_out_alike(nb) -> Problems:
    first = next((i for i, c in enumerate(nb.cells) if c.cell_type == "code"), len(nb.cells))
    opening = "\n".join(c.source for c in nb.cells[:first])
    prose = "\n".join(c.source for c in nb.cells if c.cell_type == "markdown")
    prose = re.sub(r"^(```|~~~).*?^\1", "", prose, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^# +(.+)$", prose, re.MULTILINE)
    heads = [head.strip() for head in re.findall(r"^## +(.+)$", prose, re.MULTILINE)]
    found = []
    if len(titles) != 1 or not nb.cells[0].source.startswith("# "):
        found.append(f"it opens with its one title; the titles found: {titles}")
    if heads[:1] != ["Overview"]:
        found.append("its first section is not '## Overview'")
    found += [
        f"the opening lacks **{f}**"
        for f in ("You will learn", "You need", "Time")
        if f"**{f}" not in opening
    ]
    if heads[-3:] != ["Summary", "Exercises", "What to read next"]:
        found.append(f"it doesn't end with Summary, Exercises, What to read next, but with {heads[-3:]}")
    return found


def cells_fit_a_phone(nb) -> Problems:
    found = []
    for index, cell in book.code_cells(nb):
        lines = cell.source.splitlines()
        if len(lines) > 40:
            found.append(f"cell {index} has {len(lines)} lines of code; at most 40")
        found += [
            f"cell {index}, line {n} has {len(s)} characters; at most 100"
            for n, s in enumerate(lines, 1)
            if len(s) > 100
        ]
    return found


def is_run_whole(nb) -> Problems:
    return [
        f"cell {index} is kept from being tested ({mark})"
        for index, cell in book.code_cells(nb)
        for mark in (
            "NBVAL_SKIP",
            "NBVAL_RAISES_EXCEPTION",
            "nbval-skip",
            "nbval-raises-exception",
            "raises-exception",
        )
        if mark in cell.source or mark in cell.metadata.get("tags", [])
    ]


def is_alive_without_a_kernel(nb) -> Problems:
    return [
        f"cell {index} shows a widget, which is dead on a static page"
        for index, cell in book.code_cells(nb)
        for output in cell.outputs
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]


def every_mark_has_its_claim(nb) -> Problems:
    """A mark in the text, `<a href="#claim-…">✓</a>`, leads to the one claim of that name in the notebook."""
    outputs = [
        out.get("data", {}).get("text/html", "") for _, cell in book.code_cells(nb) for out in cell.outputs
    ]
    made = re.findall(r"id='(claim-[a-z0-9-]+)'", "\n".join(outputs))
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    found = [f"two claims are called {name!r}" for name in sorted({n for n in made if made.count(n) > 1})]
    return found + [
        f"the text relies on {name!r}, which no cell checks"
        for name in sorted(set(re.findall(r"#(claim-[\w-]*)", text)) - set(made))
    ]


def imports_what_colab_has(nb) -> Problems:
    return [
        f"it imports {name}, which its set-up cell doesn't bring"
        for name in foreign(book.parse(nb), extras_of(nb))
    ]


def extras_of(nb) -> list[str]:
    """The lists of pyproject.toml that the set-up cell installs besides xaicore."""
    first = next((cell.source for cell in nb.cells if cell.cell_type == "code"), "")
    return re.findall(r"xaicore\[(\w+)\]", first)


def foreign(tree: ast.AST, extras: Sequence[str] = ()) -> list[str]:
    """Imported packages that neither Python, nor Jupyter, nor a dependency of xaicore or an extra brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        *project["dependencies"],
        *(line for e in extras for line in project["optional-dependencies"][e]),
    ]
    brought = {normal(re.match(r"[\w.-]+", line)[0]) for line in lines}
    brought |= {"ipython", "matplotlib-inline"}
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    of = distributions()
    return sorted(
        name
        for name in imported - sys.stdlib_module_names - {"xaicore"}
        if not brought & {normal(distribution) for distribution in of.get(name, [])}
    )


distributions = functools.cache(importlib.metadata.packages_distributions)  # reads the whole of site-packages


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


RULES = [
    is_what_its_code_gives,
    every_figure_is_described,
    starts_with_the_set_up_cell,
    markdown_is_plain,
    names_no_machine,
    is_small,
    is_laid_out_alike,
    cells_fit_a_phone,
    is_run_whole,
    is_alive_without_a_kernel,
    every_mark_has_its_claim,
    imports_what_colab_has,
]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_notebook(path, rule):
    assert rule(book.read(path)) == []


def test_the_chapters_are_there():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_xai_overview",
        "02_resnet50",
        "03_cam",
        "04_secam",
        "05_your_own_photo",
        "06_can_we_trust_it",
        "07_when_maps_mislead",
        "playground",
    ]


def test_figure_names_are_unique_in_the_whole_book():
    """`numref` finds a figure by its name alone."""
    names = [
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for path in NOTEBOOKS
        for _, cell in book.code_cells(book.read(path))
    ]
    assert sorted(n for n in names if n) == sorted({n for n in names if n})


def test_xaicore_imports_only_its_dependencies():
    """Two modules need an extra to write a table, and ask for it only then."""
    folder = ROOT / "xaicore"
    trees = {path: ast.parse(path.read_text()) for path in sorted(folder.rglob("*.py"))}
    tables = {folder / "apps/parts.py", folder / "regions/masks.py"}
    found = {path: foreign(tree, ["many"] * (path in tables)) for path, tree in trees.items()}
    assert found == {path: [] for path in trees}
    for path in tables:
        at_once = [node for node in trees[path].body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert foreign(ast.Module(at_once, [])) == [], path


# --- each rule sees what breaks it -----------------------------------------------------------------------


def test_a_set_up_cell_may_install_an_extra_and_the_notebook_then_import_it():
    nb = good_notebook()
    edit(nb.cells[2], '"git+', '"xaicore[any] @ git+')
    change(nb, "import captum")
    assert starts_with_the_set_up_cell(nb) == imports_what_colab_has(nb) == []


def figure_of(nb):
    return nb.cells[3].metadata["mystnb"]


def say(nb, text):
    nb.cells[1].source += text


def output(nb, out):
    nb.cells[4].outputs.append(out)


def change(nb, source):
    nb.cells[4].source = source
    run(nb)


def edit(cell, old, new):
    assert old in cell.source
    cell.source = cell.source.replace(old, new)


def an_error(nb):
    output(nb, new_output("error", ename="E", evalue="no"))


def twice(nb):
    nb.cells.insert(4, deepcopy(nb.cells[3]))


svg = display("image/svg+xml", "<svg/>")

BREAKS: list[tuple[Callable, Callable, str]] = [
    (is_what_its_code_gives, lambda nb: nb.cells[4].update(source="%time print(2)"), "code cells changed"),
    (is_what_its_code_gives, lambda nb: nb.metadata["book"].update(xaicore_sha256="0"), "xaicore changed"),
    (is_what_its_code_gives, lambda nb: nb.metadata.pop("book"), "never run"),
    (is_what_its_code_gives, lambda nb: nb.cells[4].update(execution_count=7), "out of order"),
    (is_what_its_code_gives, lambda nb: nb.cells[4].update(execution_count=None), "out of order"),
    (is_what_its_code_gives, lambda nb: output(nb, stream("stderr", "50%|###")), "stderr"),
    (is_what_its_code_gives, an_error, "error in cell 5"),
    (every_figure_is_described, lambda nb: nb.cells[3].metadata.pop("mystnb"), "no alt text"),
    (every_figure_is_described, lambda nb: figure_of(nb)["image"].update(alt=""), "no alt text"),
    (every_figure_is_described, lambda nb: figure_of(nb)["figure"].update(caption=" "), "no caption"),
    (every_figure_is_described, lambda nb: figure_of(nb)["figure"].update(name="one"), "fig-…"),
    (every_figure_is_described, lambda nb: figure_of(nb)["image"].update(alt="One point." * 3) or
        figure_of(nb)["figure"].update(caption="One point." * 3), "repeats"),
    (every_figure_is_described, lambda nb: nb.cells[3].outputs.append(svg), "draws 2"),
    (every_figure_is_described, lambda nb: output(nb, display("image/jpeg", "AAAA")), "cell 5: no alt text"),
    (every_figure_is_described, twice, "given twice"),
    (starts_with_the_set_up_cell, lambda nb: nb.cells.pop(2), "first code cell"),
    (starts_with_the_set_up_cell, lambda nb: edit(nb.cells[2], "hub.com/", "hub.com/x-"), "first code cell"),
    (starts_with_the_set_up_cell, lambda nb: change(nb, "%pip install lime"), "a second cell"),
    (markdown_is_plain, lambda nb: say(nb, "\n```{note}\nx\n```"), "a directive"),
    (markdown_is_plain, lambda nb: say(nb, "\n:::{tip}\nx\n:::"), "a directive"),
    (markdown_is_plain, lambda nb: say(nb, " {cite}`zhou2016`"), "a role"),
    (markdown_is_plain, lambda nb: say(nb, " {cite:p}`zhou2016`"), "a role"),
    (markdown_is_plain, lambda nb: say(nb, " see {numref}`fig-x`"), "a role"),
    (markdown_is_plain, lambda nb: say(nb, "\n(my-target)=\n"), "a target"),
    (markdown_is_plain, lambda nb: say(nb, " {{ url }}"), "a substitution"),
    (markdown_is_plain, lambda nb: say(nb, " as shown[^1]"), "a footnote"),
    (markdown_is_plain, lambda nb: say(nb, "\n> [!NOTE]\n> x"), "alert"),
    (markdown_is_plain, lambda nb: say(nb, "\n{.lead}\nx"), "an attribute line"),
    (names_no_machine, lambda nb: output(nb, stream("stdout", "saved to /home/me/x.pth")), "/home/me"),
    (names_no_machine, lambda nb: output(nb, display("text/html", "<b>/tmp/x</b>")), "/tmp/x"),
    (names_no_machine, lambda nb: output(nb, display("text/plain", "<Axes at 0x7f2a13b4>")), "0x7f2a13b4"),
    (names_no_machine, lambda nb: output(nb, display("text/plain", r"C:\Users")), "C:"),
    (names_no_machine, lambda nb: change(nb, "open('/root/photo.jpg')"), "/root/photo.jpg"),
    (is_small, lambda nb: output(nb, display("text/plain", "x" * 2_000_000)), "2.00 MB"),
    (is_laid_out_alike, lambda nb: nb.cells.pop(0), "one title"),
    (is_laid_out_alike, lambda nb: say(nb, "\n# Another title"), "one title"),
    (is_laid_out_alike, lambda nb: edit(nb.cells[1], "## O", "### O"), "first section"),
    (is_laid_out_alike, lambda nb: edit(nb.cells[1], "**Time", "Time"), "**Time**"),
    (is_laid_out_alike, lambda nb: nb.cells.pop(), "doesn't end"),
    (is_laid_out_alike, lambda nb: nb.cells.append(new_markdown_cell("## One more")), "One more"),
    (cells_fit_a_phone, lambda nb: change(nb, "1\n" * 41), "41 lines"),
    (cells_fit_a_phone, lambda nb: change(nb, "x = 1  # " + "x" * 92), "101 characters"),
    (is_run_whole, lambda nb: change(nb, "# NBVAL_SKIP\n1"), "NBVAL_SKIP"),
    (is_run_whole, lambda nb: nb.cells[4].metadata.update(tags=["raises-exception"]), "raises-exception"),
    (is_alive_without_a_kernel, lambda nb: output(
        nb, display("application/vnd.jupyter.widget-view+json", {"model_id": "0"})), "widget"),
    (every_mark_has_its_claim, lambda nb: say(nb, '<a href="#claim-sum">✓</a>'), "no cell checks"),
    (every_mark_has_its_claim, lambda nb: output(nb, display("text/html", "<b id='claim-a'/>" * 2)), "two"),
    (imports_what_colab_has, lambda nb: change(nb, "import pytest"), "pytest"),
    (imports_what_colab_has, lambda nb: change(nb, "if 1:\n    from captum.attr import X"), "captum"),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_accepts_a_good_notebook(rule):
    assert rule(good_notebook()) == []


@pytest.mark.parametrize(
    ("rule", "breaks", "says"), BREAKS, ids=[f"{r.__name__}-{i}" for i, (r, *_) in enumerate(BREAKS)]
)
def test_rule_sees_a_bad_notebook(rule, breaks, says):
    nb = good_notebook()
    breaks(nb)
    assert says in "\n".join(rule(nb))


def test_every_rule_is_shown_a_bad_notebook():
    assert {rule for rule, *_ in BREAKS} == set(RULES)


# --- what one chapter says twice -------------------------------------------------------------------------


def test_the_map_of_methods_and_its_table_agree():
    """Chapter 1 draws its methods from a list, and tells them with their sources in a table."""
    nb = book.read(ROOT / "notebooks/01_xai_overview.ipynb")
    code = next(cell.source for cell in nb.cells if "METHODS = [" in cell.source)
    tree = ast.parse(code[code.index("METHODS = [") :])
    drawn = ast.literal_eval(tree.body[0].value)
    told, family = [], ""
    for line in next(cell.source for cell in nb.cells if "| Method |" in cell.source).splitlines():
        if found := re.fullmatch(r"\| \*(\w+)\* \| \| \|", line):
            family = found[1].lower()
        elif found := re.match(r"\| \*\*(.+?)\*\* \[.*\| (local|global), (agnostic|specific) \|$", line):
            told.append((found[1], family, found[2], found[3] == "specific"))
    assert told == drawn
