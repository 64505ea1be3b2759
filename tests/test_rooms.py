"""No folder of the source is tied to its neighbours in a circle: each can be read, and changed, from below."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = sorted({path.parent for package in ("app", "models") for path in (ROOT / package).rglob("*.py")})
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("app", "models")
    for path in (ROOT / package).rglob("*.py")
}


def _imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{each.name}" for each in node.names)
            yield from (name if name in MODULES else node.module for name in names)


IMPORTS = {module: set(_imported(path)) & MODULES.keys() for module, path in MODULES.items()}


def _neighbours(folder: str) -> dict[str, set[str]]:
    """What stands in a folder, files and folders alike: which of it imports which."""
    depth = folder.count(".") + 2

    def within(module: str) -> str | None:
        return ".".join(module.split(".")[:depth]) if module.startswith(f"{folder}.") else None

    edges: dict[str, set[str]] = {}
    for module, imported in IMPORTS.items():
        if (own := within(module)) is not None:
            edges.setdefault(own, set()).update(
                other for name in imported if (other := within(name)) not in {None, own}
            )
    return edges


@pytest.mark.parametrize("folder", [".".join(folder.relative_to(ROOT).parts) for folder in FOLDERS])
def test_nothing_in_a_folder_is_tied_to_its_neighbours_in_a_circle(folder: str) -> None:
    try:
        TopologicalSorter(_neighbours(folder)).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")
