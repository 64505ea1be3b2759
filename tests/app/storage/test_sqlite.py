"""Cursors that go to their connection's thread once for a statement give what others give."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from app.storage.sqlite import AT_ONCE, BriefConnection, connect


class Counting(BriefConnection):
    """Counts visits to its thread."""

    visits = 0

    async def _execute(self, fn: object, *args: object, **kwargs: object) -> object:
        self.visits += 1
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Counting]:
    connector = partial(sqlite3.connect, tmp_path / "some.db", check_same_thread=False, isolation_level=None)
    made = Counting(connector, iter_chunk_size=64)
    await made
    await made.cursor().execute("CREATE TABLE numbers (number INTEGER)")
    await made.cursor().executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(100)])
    made.visits = 0
    yield made
    await made.close()


@pytest.mark.parametrize("count", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 100])
async def test_all_rows_in_one_visit_or_two(connection: Counting, count: int) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT number FROM numbers ORDER BY number LIMIT ?", (count,))
    assert [row[0] for row in cursor.description] == ["number"]
    assert await cursor.fetchall() == [(number,) for number in range(count)]
    assert await cursor.fetchall() == []
    await cursor.close()
    assert connection.visits == (1 if count < AT_ONCE else 2)


@pytest.mark.parametrize("size", [1, 3, AT_ONCE, AT_ONCE + 5, 1000])
async def test_rows_piece_by_piece(connection: Counting, size: int) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT number FROM numbers ORDER BY number")
    pieces = []
    while piece := await cursor.fetchmany(size):
        pieces.append(piece)
    assert [len(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    assert [row[0] for piece in pieces for row in piece] == list(range(100))
    assert await cursor.fetchone() is None


async def test_a_cursor_can_be_used_again(connection: Counting) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT number FROM numbers ORDER BY number")
    assert await cursor.fetchone() == (0,)
    await cursor.execute("SELECT count(*) FROM numbers")
    assert await cursor.fetchone() == (100,)
    assert await cursor.fetchone() is None


async def test_changes_say_what_they_did(connection: Counting) -> None:
    cursor = connection.cursor()
    await cursor.execute("UPDATE numbers SET number = -number WHERE number > 89")
    assert cursor.rowcount == 10
    await cursor.execute("DELETE FROM numbers WHERE number < ? RETURNING number", (-97,))
    assert sorted(await cursor.fetchall()) == [(-99,), (-98,)]
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await cursor.execute("SELECT 1 FROM absent")
    assert await cursor.fetchall() == []


async def test_closing_ends_what_was_not_read_to_its_end(connection: Counting, tmp_path: Path) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT number FROM numbers")
    await cursor.close()
    other = connect(f"{tmp_path}/some.db", check_same_thread=False, isolation_level=None, timeout=0)
    await other
    await other.cursor().execute("DROP TABLE numbers")  # refused while somebody reads
    await other.close()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_transaction_begins_in_the_same_visit_as_its_first_statement(connection: Counting, ending: str) -> None:
    connection.begin("BEGIN IMMEDIATE")
    assert not connection.in_transaction
    await connection.cursor().execute("DELETE FROM numbers")
    assert connection.in_transaction
    await getattr(connection, ending)()
    assert connection.visits == 2
    cursor = await connection.cursor().execute("SELECT count(*) FROM numbers")
    assert await cursor.fetchone() == (0 if ending == "commit" else 100,)
    assert not connection.in_transaction


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_transaction_that_ends_before_its_first_statement_never_begins(
    connection: Counting, ending: str
) -> None:
    connection.begin("BEGIN IMMEDIATE")
    await getattr(connection, ending)()
    await connection.cursor().execute("DELETE FROM numbers")
    assert not connection.in_transaction


async def test_what_a_caller_asked_for_who_left_before_his_visit_is_undone(connection: Counting) -> None:
    busy = threading.Event()
    visiting = asyncio.create_task(connection._execute(busy.wait))
    connection.begin("BEGIN IMMEDIATE")
    leaving = asyncio.create_task(connection.cursor().execute("DELETE FROM numbers"))
    await asyncio.sleep(0)
    leaving.cancel()
    undoing = asyncio.create_task(connection.rollback())
    await asyncio.sleep(0)
    busy.set()
    await asyncio.gather(visiting, undoing)
    assert leaving.cancelled()
    cursor = await connection.cursor().execute("SELECT count(*) FROM numbers")
    assert await cursor.fetchone() == (100,)


async def test_a_statement_whose_transaction_cannot_begin_is_not_executed(connection: Counting, tmp_path: Path) -> None:
    other = connect(f"{tmp_path}/some.db", check_same_thread=False, isolation_level=None, timeout=0)
    await other
    connection.begin("BEGIN IMMEDIATE")
    await connection.cursor().execute("DELETE FROM numbers WHERE number = 0")
    other.begin("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await other.cursor().execute("SELECT 1")
    assert not other.in_transaction
    await other.rollback()
    await other.close()


async def _numbers(connection: Counting) -> int:
    cursor = await connection.cursor().execute("SELECT count(*) FROM numbers")
    row = await cursor.fetchone()
    assert isinstance(row[0], int)
    return row[0]


@pytest.mark.parametrize("statements", [1, 3])
async def test_what_is_put_off_is_executed_in_the_visit_of_the_next_statement(
    connection: Counting, statements: int
) -> None:
    connection.begin("BEGIN IMMEDIATE")
    for number in range(statements):
        connection.put_off(("INSERT INTO numbers VALUES (?)", (number,)))
    assert await _numbers(connection) == 100 + statements
    assert connection.in_transaction
    assert connection.visits == 1
    await connection.rollback()
    assert await _numbers(connection) == 100


async def test_what_is_put_off_is_executed_in_the_visit_of_the_commit(connection: Counting) -> None:
    connection.begin("BEGIN IMMEDIATE")
    connection.put_off(("INSERT INTO numbers VALUES (?)", (1,)), ("DELETE FROM numbers WHERE number = ?", (50,)))
    await connection.commit()
    assert connection.visits == 1
    assert not connection.in_transaction
    cursor = await connection.cursor().execute("SELECT number FROM numbers WHERE number IN (1, 50)")
    assert await cursor.fetchall() == [(1,), (1,)]


async def test_what_is_put_off_is_undone_with_its_transaction(connection: Counting) -> None:
    connection.begin("BEGIN IMMEDIATE")
    connection.put_off(("DELETE FROM numbers", ()))
    await connection.rollback()
    assert await _numbers(connection) == 100


async def test_what_fails_late_undoes_the_transaction(connection: Counting) -> None:
    connection.begin("BEGIN IMMEDIATE")
    connection.put_off(("DELETE FROM numbers", ()), ("INSERT INTO absent VALUES (1)", ()))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await connection.commit()
    assert not connection.in_transaction
    assert await _numbers(connection) == 100
