"""A command loads what it needs: help and typing errors answer at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import app

HEAVY = {
    "alembic",
    "fastapi",
    "httpx",
    "numpy",
    "openvino",
    "pydantic_settings",
    "sqlalchemy",
    "structlog",
    "torch",
    "uvicorn",
}

LOADED = """
import json, sys
from app.commands.main import main
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def _loaded(*arguments: str) -> set[str]:
    """The packages that a process has which was called so."""
    command = [sys.executable, "-c", LOADED, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(json.loads(ended.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("kyes",), ("keys", "lst"), ("classify",)])
def test_help_and_typing_errors_load_nothing_of_the_service(arguments: tuple[str, ...]) -> None:
    loaded = _loaded(*arguments)
    assert "typer" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.only_on("sqlite", "PostgreSQL needs its driver")
def test_keys_are_listed_without_what_recognises_or_serves(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    loaded = _loaded("keys", "list")
    assert "sqlalchemy" in loaded
    assert loaded & {"PIL", "alembic", "fastapi", "matplotlib", "openvino", "psycopg", "torch", "uvicorn"} == set()


def test_a_process_that_backs_up_knows_every_table() -> None:
    root = Path(app.__file__ or "").parent
    there = {".".join(("app", *path.relative_to(root).with_suffix("").parts)) for path in root.rglob("tables.py")}
    program = "import json, sys, app.commands.backup; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert there - set(json.loads(done.stdout)) == set()
