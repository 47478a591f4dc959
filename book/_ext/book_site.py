"""The book's own Sphinx extension: what its site needs beyond Jupyter Book.

- MathJax comes from the site itself, and no page names a script of another host: the site works offline.
- ``colab:`` and ``repo:`` links are written once, from ``repository.url`` in ``_config.yml``.
- ``{notebook-image}`` shows a picture from a notebook's committed output; ``{photo-credits}`` shows the
  sample photographs that ``xaicore.pictures.samples`` names.
- ``{map-kinds}``, ``{segmenters}`` and ``{layers}`` list what the package holds; ``{networks}``, ``{speed}``,
  ``{machine}`` and ``{method-times}`` what was measured.
- The prompt of a folded cell says whether it hides code or a solution.
- The playground's script and style sheet are files of the site, asked for by the pages that have one.
- Docstrings and signatures reach the API page as they were written.
"""

from __future__ import annotations

import base64
import csv
import importlib.util
import inspect
import io
import json
import os
import re
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import nbformat
import PIL.Image
import PIL.ImageOps
from docutils import nodes
from docutils.parsers.rst.directives.images import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))  # for layers, which stands beside this folder
import layers  # noqa: E402

SUFFIX = {"image/jpeg": ".jpg", "image/png": ".png"}

# What tex-chtml.js fetches at run time; the package ships ten times as much.
MATHJAX_FILES = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")

# Sphinx's search fetches each page it found to quote from it, which browsers forbid on file://.
NO_QUOTES_FROM_FILES = "DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== 'file:'"


def set_links(app: Sphinx, config: Config) -> None:
    """Derive every link to the repository and to Colab from `repository` in _config.yml."""
    options = config.html_theme_options
    address, branch = options["repository_url"].rstrip("/"), options["repository_branch"]
    owner_and_name = address.removeprefix("https://github.com/")
    config.myst_url_schemes = {  # type: ignore[attr-defined]
        "mailto": None,
        "http": None,
        "https": None,
        "issues": {"url": f"{address}/issues"},
        "repo": {"url": f"{address}/blob/{branch}/{{{{path}}}}"},
        "colab": {
            "url": f"https://colab.research.google.com/github/{owner_and_name}/blob/{branch}/{{{{path}}}}"
        },
    }


def clean_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Drop sphinx-thebe's scripts: unused here, and their constant, declared twice, names another host."""
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if "thebe" not in str(script.filename) and "THEBE" not in script.attributes.get("body", "")
    ]
    if page == "search":
        app.add_js_file(None, body=NO_QUOTES_FROM_FILES)


def write_playground(app: Sphinx) -> None:
    """Put the playground's script and style sheet among the site's static files, once for all pages."""
    from xaicore.playground.script import script, style_sheet

    folder = Path(app.outdir).parent / "site_static"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("js", script()), ("css", style_sheet())):
        (folder / f"playground.{suffix}").write_text(text, encoding="utf-8")
    app.config.html_static_path.append(str(folder))


def add_playground(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Only pages with a playground ask for its files; their notebooks hold data and a picture."""
    if 'class="xai-play"' in context.get("body", ""):
        app.add_css_file("playground.css")
        app.add_js_file("playground.js", loading_method="defer")


def name_solutions(app: Sphinx, doctree: nodes.document) -> None:
    """A folded cell with the tag "solution" says what opens: not code, but the solution of an exercise."""
    for cell in doctree.findall(nodes.container):
        if "tag_solution" in cell["classes"]:
            cell["prompt_show"], cell["prompt_hide"] = "Show the solution", "Hide the solution"


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put the few MathJax files that the pages use into the site."""
    if error or app.builder.format != "html":
        return
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("MathJax's files are missing: pip install sphinx-mathjax-offline")
    source = Path(spec.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for name in MATHJAX_FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            shutil.copy2(source / name, target / name)


def protect_docstring(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep what a docstring's author wrote from being read as markup.

    A property's first line "A picture: …" would become a type, |s| a substitution; an indented formula
    would be flowed like prose.
    """
    lines[:] = [re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or r"\|", line) for line in lines]
    for at in range(len(lines) - 1, 1, -1):
        starts_block = lines[at].startswith("    ") and not lines[at - 1]
        if starts_block and not lines[at - 2].startswith("    ") and not lines[at - 2].endswith(":"):
            lines[at] = lines[at].replace(r"\|", "|")
            lines[at:at] = ["::", ""]
    if what == "property" and lines:
        lines[0] = f": {lines[0]}"  # an empty type


def show_signature(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Show the type hints as the source writes them: Photo, not ndarray[tuple[Any, ...], dtype[uint8]]."""
    if what not in ("class", "function", "method") or not signature:
        return None
    written = inspect.signature(value)
    keep = [one for one in written.parameters.values() if one.name not in ("self", "cls")]
    text = stringify_signature(written.replace(parameters=keep))
    arguments, _, result = text.partition(" -> ")
    return arguments, "" if what == "class" else result


class SitePicture(SphinxDirective):
    """A directive that shows pictures which don't lie among the sources."""

    def save(self, name: str, data: bytes) -> str:
        """Write the picture beside the build and return its path as seen from this page."""
        folder = Path(self.env.app.outdir).parent / "site_pictures"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        here = (Path(self.env.srcdir) / self.env.docname).parent
        return Path(os.path.relpath(folder / name, here)).as_posix()


class NotebookImage(Image, SitePicture):
    """``{notebook-image} notebooks/04_secam.ipynb#fig-landing``: the picture in that cell's committed output.

    The cell is the one whose metadata holds ``mystnb.figure.name``; its alt text comes along.
    """

    def run(self) -> list[nodes.Node]:
        path, _, name = self.arguments[0].partition("#")
        self.env.note_dependency(path)
        for cell in nbformat.read(ROOT / path, as_version=4).cells:
            settings = cell.metadata.get("mystnb", {})
            if settings.get("figure", {}).get("name") != name:
                continue
            for output in cell.get("outputs", []):
                for mime, suffix in SUFFIX.items():
                    if mime in output.get("data", {}):
                        self.options.setdefault("alt", settings.get("image", {}).get("alt", ""))
                        self.arguments[0] = self.save(name + suffix, base64.b64decode(output.data[mime]))
                        return super().run()
        raise self.error(f"{path} has no cell with a picture whose mystnb figure name is {name!r}.")


class PhotoCredits(SitePicture):
    """``{photo-credits}``: the sample photographs of ``xaicore``, grouped by source and licence."""

    def run(self) -> list[nodes.Node]:
        from xaicore.pictures import samples

        self.env.note_dependency(str(samples.__file__))
        groups: dict[tuple[str, str], list[str]] = {}
        for name, sample in samples.SAMPLES.items():
            groups.setdefault((sample.source, sample.licence), []).append(name)
        credits: list[nodes.Node] = []
        for (source, licence), names in groups.items():
            text = nodes.paragraph("", "", nodes.strong(text=source), nodes.Text(f". Licence: {licence}."))
            photographs = nodes.container(classes=["photographs"])
            photographs += [self.photograph(name, samples.sample_image(name)) for name in names]
            credits += [text, photographs]
        return credits

    def photograph(self, name: str, pixels: Any) -> nodes.container:
        file = io.BytesIO()
        PIL.ImageOps.fit(PIL.Image.fromarray(pixels), (240, 240)).save(file, "JPEG", quality=80)
        alt = f"The sample photograph {name.replace('_', ' ')}"
        picture = nodes.image(uri=self.save(f"photo-{name}.jpg", file.getvalue()), alt=alt)
        return nodes.container("", picture, nodes.paragraph("", "", nodes.literal(text=name)))


class PackageTable(SphinxDirective):
    """A table of what the package holds, a row each; the first cell of a row is code."""

    head: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, ...]]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        rows = self.rows()
        table, group = nodes.table(classes=["package"]), nodes.tgroup(cols=len(self.head))
        group += [nodes.colspec(colwidth=1) for _ in self.head]
        group += nodes.thead("", self._row(self.head, code=False))
        group += nodes.tbody("", *(self._row(row) for row in rows))
        table += group
        return [table]

    @staticmethod
    def _row(cells: tuple[str, ...], code: bool = True) -> nodes.row:
        made = nodes.row()
        for i, text in enumerate(cells):
            word = nodes.literal(text=text) if code and i == 0 else nodes.Text(text)
            made += nodes.entry("", nodes.paragraph("", "", word))
        return made


class MapKinds(PackageTable):
    """``{map-kinds}``: the registered kinds of map."""

    head = ("kind", "what it shows", "input sizes", "against", "adds up")

    def rows(self) -> list[tuple[str, ...]]:
        from xaicore.maps import kinds

        self.env.note_dependency(str(kinds.__file__))
        return [
            (
                kind.name,
                kind.help,
                " and ".join(f"{scale:g}×" for scale in kind.scales),
                "–" if kind.against is None else str(kind.against),
                "yes" if kind.adds_up else "no",
            )
            for kind in kinds.KINDS.values()
        ]


def measured(name: str, env: BuildEnvironment) -> str:
    """The text of a file of `xaicore/book/measured`; a page that shows it is built again when it changes."""
    path = ROOT / "xaicore/book/measured" / name
    env.note_dependency(str(path))
    return path.read_text(encoding="utf-8")


class MeasuredTable(PackageTable):
    """A table of what a command of the Makefile measured, from a CSV file."""

    file: str

    def measurements(self, **wanted: str) -> list[dict[str, str]]:
        """The file's rows that have these values in these columns."""
        rows = csv.DictReader(io.StringIO(measured(self.file, self.env)))
        return [row for row in rows if all(row[column] == value for column, value in wanted.items())]


class Networks(MeasuredTable):
    """``{networks} yes`` or ``{networks} no``: the architectures that `make networks` measured."""

    required_arguments = 1
    file = "networks.csv"

    def rows(self) -> list[tuple[str, ...]]:
        table = self.measurements(accepted=self.arguments[0])
        self.head = tuple(NETWORK_COLUMNS[self.arguments[0]])
        for row in table:
            row["error"] = power_of_ten(row["error"])
        return [tuple(row[name] for name in NETWORK_COLUMNS[self.arguments[0]].values()) for row in table]


def power_of_ten(number: str) -> str:
    """5e-07 as print has it: 5·10⁻⁷; zero as 0."""
    digit, _, power = number.partition("e")
    return "0" if digit in ("", "0") else f"{digit}·10" + str(int(power)).translate(RAISED)


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NETWORK_COLUMNS = {
    "yes": {
        "network": "network",
        "from": "source",
        "input": "input",
        "K": "channels",
        "places": "places",
        "error": "error",
    },
    "no": {"network": "network", "from": "source", "what fails": "reason"},
}


class Speed(MeasuredTable):
    """``{speed} PART``: what `make bench` measured of one part, such as "photo" or "segments"."""

    required_arguments = 1
    file = "speed.csv"

    def rows(self) -> list[tuple[str, ...]]:
        table = self.measurements(part=self.arguments[0])
        names = list(dict.fromkeys(row["measure"] for row in table))
        found: dict[str, list[str]] = {}
        for row in table:
            one = row["least"] == row["most"]
            spread = "" if one else f" ({short(row['least'])}–{short(row['most'])})"
            found.setdefault(row["what"], []).append(short(row["median"]) + spread)
        self.head = (self.arguments[0], *names)
        return [(what, *cells) for what, cells in found.items()]


class MethodTimes(MeasuredTable):
    """``{method-times}``: what one map takes by each method that `make evaluate` measured with ResNet50."""

    head = ("method", "forward passes", "photographs")
    file = "evaluation.csv"

    def rows(self) -> list[tuple[str, ...]]:
        found: dict[str, list[float]] = {}
        for row in self.measurements(network="ResNet50", measure="time in passes"):
            found.setdefault(row["method"], []).append(float(row["value"]))
        rows = sorted((statistics.median(times), name, len(times)) for name, times in found.items())
        return [(name, short(str(time)), str(count)) for time, name, count in rows]


class Machine(SphinxDirective):
    """``{machine}``: a sentence on what `make bench` ran on."""

    def run(self) -> list[nodes.Node]:
        held = json.loads(measured("speed.json", self.env))
        packages = ", ".join(f"{name} {version}" for name, version in held["packages"].items())
        text = (
            f"Measured on {held['date']} on {held['threads']} threads of a processor that calls itself "
            f"{held['processor']}, where one pass takes {held['pass in ms']:.0f} ms. Python "
            f"{held['python']}, {packages}."
        )
        return [nodes.paragraph("", "", nodes.Text(text))]


def short(number: str) -> str:
    """Three digits as print has them: 1.31, 24.5, 1,020."""
    value = float(number)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Segmenters(PackageTable):
    """``{segmenters}``: the registered segmenters."""

    head = ("segmenter", "what it is", "how many superpixels")

    def rows(self) -> list[tuple[str, ...]]:
        from xaicore.regions import segmenters

        self.env.note_dependency(str(segmenters.__file__))
        return [
            (
                one.name,
                one.help,
                "about as many as asked for" if one.counted else f"its own number; {one.knobs}",
            )
            for one in segmenters.SEGMENTERS.values()
        ]


class Layers(PackageTable):
    """``{layers}``: the subpackages from the highest down, and what each imports from."""

    head = ("part", "modules", "imports from")

    def rows(self) -> list[tuple[str, ...]]:
        seen = layers.arrows()
        return [
            (room, ", ".join(filter(None, modules)), ", ".join(r for r in layers.rooms() if r in seen[room]))
            for room, modules in layers.rooms().items()
        ]


def skip_field_numbers(_app: Sphinx, _what: str, _name: str, member: object, *_: object) -> bool | None:
    """Leave out "Alias for field number 0" under each named tuple, whose docstring tells the fields."""
    return True if str(member.__doc__).startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, Any]:
    sys.path.insert(0, str(ROOT))  # autodoc and the credits read xaicore from this checkout
    app.config.mathjax_path = "mathjax/tex-chtml.js"  # type: ignore[attr-defined]
    app.config.html_static_path.append(str(ROOT / "book" / "assets"))
    app.add_css_file("book.css")
    app.connect("config-inited", set_links)
    app.connect("builder-inited", write_playground)
    app.connect("doctree-read", name_solutions)
    app.connect("html-page-context", add_playground)
    app.connect("html-page-context", clean_scripts, priority=900)
    app.connect("build-finished", copy_mathjax)
    app.connect("autodoc-process-docstring", protect_docstring, priority=100)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("autodoc-skip-member", skip_field_numbers)
    app.add_directive("notebook-image", NotebookImage)
    app.add_directive("photo-credits", PhotoCredits)
    app.add_directive("map-kinds", MapKinds)
    app.add_directive("networks", Networks)
    app.add_directive("segmenters", Segmenters)
    app.add_directive("speed", Speed)
    app.add_directive("machine", Machine)
    app.add_directive("method-times", MethodTimes)
    app.add_directive("layers", Layers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
