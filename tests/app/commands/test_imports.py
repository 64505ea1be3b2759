"""A command loads what it needs: help and typing errors answer at once."""

import json
import subprocess
import sys
from typing import get_args

import pytest

from app.commands import main
from models.options import Views

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


def test_the_views_that_can_be_asked_for_are_those_that_there_are() -> None:
    (asked, _none) = get_args(main.reembed.__annotations__["views"].__origin__)
    assert get_args(asked) == get_args(Views)
