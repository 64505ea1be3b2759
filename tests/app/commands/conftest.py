"""What the tests of commands have in common."""

from collections.abc import Callable

import pytest

from models.backbones import Backbone

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a database without anything in it; the settings name it."""
    monkeypatch.setenv("HAJA_DATABASE_URL", empty_database_url)
    return empty_database_url


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, haja: Run, backbone: Backbone) -> Run:
    """`haja` with the backbone that is loaded already."""
    monkeypatch.setattr("app.embedding.opening.load_backbone", lambda *_: backbone)
    return haja
