"""The playground's script and style sheet, as one file each.

The script is written in modules, `js/*.js`. A page opened from a file may not load modules, so they are
joined into one classic script: each after those that it imports from, all within one function.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

FIRST = "start"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js"\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
NAME = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
# A page may hold the script several times: the first copy serves all playgrounds.
HEAD = '(() => {\n"use strict"\nif (window.xaicorePlayground) return window.xaicorePlayground.start()\n'
FOOT = "})()\n"


@functools.cache
def script() -> str:
    """The whole script."""
    folder = resources.files("xaicore.playground") / "js"
    return join(
        {
            file.name.removesuffix(".js"): file.read_text(encoding="utf-8")
            for file in folder.iterdir()
            if file.name.endswith(".js")
        }
    )


@functools.cache
def style_sheet() -> str:
    """The style sheet."""
    return (resources.files("xaicore.playground") / "playground.css").read_text(encoding="utf-8")


def join(modules: dict[str, str], first: str = FIRST) -> str:
    """One classic script of modules by name, from the one that starts everything.

    Only what needs no bundler is allowed: imports of names as they are, exports in front of declarations.

    Raises:
        ValueError: a module that no other imports, imports in a circle, an import or export of another form,
            or a name that two modules declare.
    """
    order = _in_order(modules, first)
    if unused := sorted(set(modules) - set(order)):
        raise ValueError(f"No module imports {', '.join(unused)}.")
    owner: dict[str, str] = {}
    parts = []
    for name in order:
        code = EXPORT.sub("", IMPORT.sub("", modules[name]))
        if other := re.search(r"^(?:import|export)\b.*", code, re.MULTILINE):
            raise ValueError(f"{name}.js: join() doesn't know {other[0]!r}.")
        for declared in NAME.findall(code):
            if declared in owner:
                raise ValueError(f"{owner[declared]}.js and {name}.js both declare {declared}.")
            owner[declared] = name
        parts.append(code)
    return HEAD + "".join(parts) + FOOT


def _in_order(modules: dict[str, str], first: str) -> list[str]:
    """The modules that `first` needs, each after those that it imports from."""
    done: list[str] = []
    under_way: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        if name not in modules or name in under_way:
            raise ValueError(f"{name}.js is not there, or imports itself through others.")
        under_way.add(name)
        for imported in IMPORT.findall(modules[name]):
            visit(imported)
        done.append(name)

    visit(first)
    return done
