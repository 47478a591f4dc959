"""The layers of the package, drawn from its code.

python book/layers.py prints the diagram that CONTRIBUTING.md shows.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "xaicore"


def layers(root: Path = ROOT) -> list[list[str]]:
    """The modules of each layer as [tool.importlinter] lists them, highest first, without `xaicore.`"""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (listed,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [[m.strip().removeprefix(f"{PACKAGE}.") for m in layer.split("|")] for layer in listed]


def rooms(root: Path = ROOT) -> dict[str, list[str]]:
    """Subpackage, or module that stands alone → its modules; those on top first."""
    found: dict[str, list[str]] = {}
    for layer in layers(root):
        for name in layer:
            room, _, module = name.partition(".")
            found.setdefault(room, []).append(module)
    return found


def arrows(root: Path = ROOT) -> dict[str, set[str]]:
    """Which room imports from which, read from the import statements."""
    found: dict[str, set[str]] = {room: set() for room in rooms(root)}
    for room, seen in found.items():
        place = root / PACKAGE / room
        for file in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
            if file.name == "__init__.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
                    seen.add(str(node.module).split(".")[1])
        seen.discard(room)
    return found


def direct(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that don't follow from others: a → c is left out where a → b → … → c."""

    def reach(room: str) -> set[str]:
        return imports[room] | {far for near in imports[room] for far in reach(near)}

    return {
        room: {near for near in seen if not any(near in reach(other) for other in seen - {near})}
        for room, seen in imports.items()
    }


def mermaid(root: Path = ROOT) -> str:
    """The diagram as GitHub draws it: rooms with their modules, arrows from importer to imported."""
    lines = ["flowchart TD"]
    for room, modules in rooms(root).items():
        inside = ", ".join(module for module in modules if module)
        lines.append(f'    {room}["<b>{room}</b>' + (f"<br>{inside}" if inside else "") + '"]')
    for room, seen in direct(arrows(root)).items():
        lines += [f"    {room} --> {near}" for near in sorted(seen)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())
