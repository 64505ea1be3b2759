"""Changes that are asked for together: each is there or undone by itself, whoever shares its transaction."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event, select

from app.api.idempotency.tables import IdempotencyKey
from app.config import checked_url
from app.errors import DatabaseUnavailable
from app.storage.database import Database, SyncSession, insert_absent_and_hold, insert_row
from app.storage.sqlite_writer import TOGETHER

pytestmark = pytest.mark.both_databases

PATIENT_S = 60

who: contextvars.ContextVar[str] = contextvars.ContextVar("who")

on_sqlite = pytest.mark.only_on("sqlite", "PostgreSQL lets several write at a time")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(checked_url(database_url), PATIENT_S)
    yield made
    await made.close()


def _row(key: str, fingerprint: str = "") -> dict[str, Any]:
    return {"key": key, "fingerprint": fingerprint, "answer": b"", "created_at": datetime.now(UTC)}


class Adding:
    """A change that adds a key and answers it; it fails where it is told to, or where the key is there."""

    def __init__(self, key: str, *, late: bool = False, error: Exception | None = None) -> None:
        self._key = key
        self._late = late
        self._error = error

    def __call__(self, session: SyncSession) -> str:
        if self._late:
            session.add(IdempotencyKey(**_row(self._key)))
        else:
            insert_row(session, IdempotencyKey, _row(self._key))
        if self._error is not None:
            raise self._error
        return self._key


async def _keys(database: Database) -> Sequence[str]:
    async with database.reading() as session:
        return sorted(await session.scalars(select(IdempotencyKey.key)))


def _opened(url: str) -> list[Path]:
    """What this process has open of a SQLite database."""
    file = sqlalchemy.make_url(url).database
    assert file
    opened = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return [each for each in opened if str(each).startswith(file)]


async def _ask(database: Database, *changes: Adding) -> "list[asyncio.Task[str]]":
    """Ask for changes, all before the first of them begins."""
    asked = [asyncio.create_task(database.write(change)) for change in changes]
    await asyncio.sleep(0)
    return asked


@pytest.mark.parametrize("late", [False, True])
async def test_each_gets_its_own_answer_and_all_are_there(database: Database, late: bool) -> None:
    names = [f"{number:02}" for number in range(5 * TOGETHER + 1)]
    assert await asyncio.gather(*await _ask(database, *(Adding(name, late=late) for name in names))) == names
    assert await _keys(database) == names


@pytest.mark.parametrize("late", [False, True])
async def test_one_that_fails_spoils_nobody(database: Database, late: bool) -> None:
    await database.write(Adding("there"))
    changes = [
        Adding("a", late=late),
        Adding("there", late=late),
        Adding("b", late=late),
        Adding("c", late=late, error=ValueError("mine")),
        Adding("d", late=late),
    ]
    given = await asyncio.gather(*await _ask(database, *changes), return_exceptions=True)
    assert isinstance(given[1], sqlalchemy.exc.IntegrityError)
    assert isinstance(given[3], ValueError)
    assert [given[0], given[2], given[4]] == ["a", "b", "d"]
    assert await _keys(database) == ["a", "b", "d", "there"]


async def test_of_two_who_add_the_same_one_is_told(database: Database) -> None:
    given = await asyncio.gather(*await _ask(database, Adding("a"), Adding("b"), Adding("a")), return_exceptions=True)
    assert sum(isinstance(each, sqlalchemy.exc.IntegrityError) for each in given) == 1
    assert await _keys(database) == ["a", "b"]


async def test_each_is_done_in_the_name_of_its_caller(database: Database) -> None:
    def whose(_session: SyncSession) -> str:
        return who.get()

    async def ask(name: str) -> str:
        who.set(name)
        return await database.write(whose)

    assert await asyncio.gather(*map(ask, "abc")) == list("abc")


@on_sqlite
@pytest.mark.parametrize("count", [1, TOGETHER, TOGETHER + 1, 3 * TOGETHER])
async def test_those_who_wait_for_the_same_turn_share_a_transaction(database: Database, count: int) -> None:
    commits: list[object] = []
    async with database.writing():
        asked = await _ask(database, *(Adding(str(number)) for number in range(count)))
        assert database._writer
        event.listen(database._writer._engine_in_thread, "commit", commits.append)
    await asyncio.gather(*asked)
    assert len(commits) == -(-count // TOGETHER)


@on_sqlite
async def test_who_leaves_before_the_turn_changes_nothing(database: Database) -> None:
    async with database.writing():
        asked = await _ask(database, *map(Adding, "abcd"))
        asked[1].cancel()
    await asyncio.wait(asked)
    assert asked[1].cancelled()
    assert await _keys(database) == ["a", "c", "d"]


@on_sqlite
async def test_who_leaves_during_the_turn_spoils_nobody(database: Database) -> None:
    begun, left = threading.Event(), threading.Event()

    def leaving(session: SyncSession) -> str:
        begun.set()
        left.wait()
        return Adding("a")(session)

    first = asyncio.create_task(database.write(leaving))
    second = asyncio.create_task(database.write(Adding("b")))
    await asyncio.to_thread(begun.wait)
    first.cancel()
    await asyncio.wait([first])
    left.set()
    assert await second == "b"
    assert first.cancelled()
    assert "b" in await _keys(database)


@on_sqlite
async def test_nobody_waits_longer_than_the_limit_and_the_next_turn_is_as_any_other(database_url: str) -> None:
    hurried = Database(checked_url(database_url), timeout_s=2)
    async with hurried.writing():
        asked = await _ask(hurried, *(Adding(str(number)) for number in range(50 * TOGETHER)))
        # One group after the other, each with its own wait, fifty of them would take a hundred seconds.
        async with asyncio.timeout(50):
            await asyncio.wait(asked)
    assert all(isinstance(each.exception(), DatabaseUnavailable) for each in asked)
    assert await hurried.write(Adding("after")) == "after"
    assert await _keys(hurried) == ["after"]
    await hurried.close()


@on_sqlite
async def test_closing_finishes_what_was_asked_for(database_url: str, database: Database) -> None:
    closing = Database(checked_url(database_url), PATIENT_S)
    asked = await _ask(closing, *(Adding(str(number)) for number in range(2 * TOGETHER)))
    await closing.close()
    await asyncio.gather(*asked)
    assert len(await _keys(database)) == 2 * TOGETHER


@on_sqlite
@pytest.mark.parametrize("late", [False, True])
async def test_an_error_that_somebody_keeps_keeps_no_file_open(database_url: str, late: bool) -> None:
    closing = Database(checked_url(database_url), PATIENT_S)
    await closing.write(Adding("there"))
    with pytest.raises(sqlalchemy.exc.IntegrityError) as kept:
        await closing.write(Adding("there", late=late))
    await closing.close()
    assert not _opened(database_url)
    assert kept.tb


async def test_rows_that_are_there_stay_as_they_are(database: Database) -> None:
    async with database.writing() as session:
        await session.run_sync(insert_absent_and_hold, IdempotencyKey, [_row("b", "old")])
    async with database.writing() as session:
        await session.run_sync(insert_absent_and_hold, IdempotencyKey, [_row(key, "new") for key in "cab"])
    async with database.reading() as session:
        rows = await session.execute(select(IdempotencyKey.key, IdempotencyKey.fingerprint))
        assert sorted(map(tuple, rows)) == [("a", "new"), ("b", "old"), ("c", "new")]
