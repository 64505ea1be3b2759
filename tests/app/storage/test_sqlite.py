"""A SQLite file is found whatever its folder is called, and never made a second time beside it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

import migrations
from app.config import Settings
from app.errors import DatabaseUnavailable
from app.storage import schema
from app.storage.database import Database, SyncSession

NAMES = [
    "현장 #3",
    "100%41",
    "50%",
    "%2F",
    "what?",
    "a & b=c",
    "say 'this' \"that\"",
    "%(here)s %s",
    "a;b:c@d",
    "~",
    "+",
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that a service is started in."""
    made: Path = tmp_path / request.param
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.delenv("HAJA_DATABASE_URL", raising=False)
    return made


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def _catalogs(session: SyncSession) -> int:
    return len(session.execute(text("SELECT id FROM catalogs")).all())


async def test_every_connection_finds_the_file(folder: Path) -> None:
    url = Settings().database_url
    schema.prepare(url)
    database = Database(url)
    add = text("INSERT INTO discarded_blobs VALUES (:sha256, '2026-01-01')")
    assert await database.read(_catalogs) == 0
    await database.write(lambda session: session.execute(add, {"sha256": "a"}).close())
    async with database.writing() as session:
        await session.execute(add, {"sha256": "b"})
    async with database.reading() as session:
        assert len((await session.execute(text("SELECT sha256 FROM discarded_blobs"))).all()) == 2
    assert await database.faults() == []
    await database.close()
    assert _names(folder.parent) == [folder.name]
    assert _names(folder) == ["haja.db"]


async def test_a_file_that_vanished_is_not_made_anew(folder: Path) -> None:
    url = Settings().database_url
    schema.prepare(url)
    (folder / "haja.db").unlink()
    database = Database(url)
    with pytest.raises(DatabaseUnavailable):
        await database.read(_catalogs)
    with pytest.raises(DatabaseUnavailable):
        await database.write(_catalogs)
    await database.close()
    assert _names(folder) == []


def test_a_site_can_be_checked_backed_up_and_restored(folder: Path, haja: Run) -> None:
    schema.prepare(Settings().database_url)
    assert haja("backup", "site.zip")[0] == 0
    (folder / "haja.db").unlink()
    assert haja("restore", "site.zip")[0] == 0
    assert haja("check")[0] == 0
    assert _names(folder.parent) == [folder.name]
    assert _names(folder) == ["haja.db", "site.zip"]


def test_migrations_may_lie_in_such_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do where the program itself is kept in one."""
    assert migrations.__file__
    shutil.copytree(Path(migrations.__file__).parent, folder / "migrations")
    monkeypatch.setattr(migrations, "__file__", str(folder / "migrations" / "__init__.py"))
    schema.upgrade(Settings().database_url)
    assert schema.known_revision(Settings().database_url) == schema.head()


def test_a_path_that_an_address_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot hold a question mark"):
        Settings(database_url=f"sqlite:///{tmp_path}/what?/haja.db")
    assert list(tmp_path.iterdir()) == []
