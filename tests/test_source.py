"""What the source must not hold."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("app", "models", "migrations") for path in (ROOT / room).rglob("*.py"))

FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml"}
"""Readers of files that can run what a file says."""

FORBIDDEN_CALLS = {
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "np.load",
    "numpy.load",
    "pandas.read_pickle",
    "eval",
    "exec",
}


def _name(node: ast.expr) -> str:
    """The dotted name of what is called; empty where it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return ""


def _faults(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name.split(".")[0] for each in node.names} & FORBIDDEN_MODULES
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module.split(".")[0]} & FORBIDDEN_MODULES
            found |= {f"{node.module}.{each.name}" for each in node.names} & FORBIDDEN_CALLS
        elif isinstance(node, ast.Call):
            found |= {_name(node.func)} & FORBIDDEN_CALLS
            if any(word.arg == "allow_pickle" for word in node.keywords):
                found.add("allow_pickle")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_read_that_could_run(path: Path) -> None:
    assert _faults(path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import yaml as y", "torch.load(path)", "from torch import load",
        "x = np.load(path)", "f(array, allow_pickle=True)", "eval(text)",
    ],
)  # fmt: skip
def test_it_would_be_found(source: str) -> None:
    assert _faults(source)
