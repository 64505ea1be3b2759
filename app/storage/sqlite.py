"""What a connection to SQLite is made with, and cursors that change threads once for a statement."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DisconnectionError

PAGE_BYTES = 16_384
"""Larger than SQLite's 4,096, because most of what is stored is photos (read and written in long runs)."""

AT_ONCE = 8
"""Rows that are read with a statement's execution: all that most have, and few photos."""


PUT_OFF = "put_off"
"""The execution option of statements of which nobody awaits rows: they spare a visit."""

Statement = tuple[str, Any]
Statements = tuple[Statement, ...]


class BriefCursor(aiosqlite.Cursor):
    """A cursor that goes to the connection's thread once where aiosqlite's goes four times.

    That is to be made, to execute, to be read and to be closed. On cores that are all busy each costs a millisecond,
    and while one transaction writes, all others wait.
    """

    _conn: "BriefConnection"

    def __init__(self, connection: "BriefConnection", cursor: sqlite3.Cursor) -> None:
        super().__init__(connection, cursor)
        self._ahead: list[Any] = []
        self._is_exhausted = True

    async def execute(self, sql: str, parameters: Any = ()) -> "BriefCursor":
        """Execute a statement, and read the first rows."""
        await self._visit(self._run, self._conn.take_put_off(), partial(self._cursor.execute, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Any) -> "BriefCursor":
        """Execute a statement once for each of the parameters."""
        await self._visit(self._run, self._conn.take_put_off(), partial(self._cursor.executemany, sql, parameters))
        return self

    async def fetchall(self) -> list[Any]:
        """The rows that are left."""
        rows, self._ahead = self._ahead, []
        if not self._is_exhausted:
            rows += await self._visit(self._cursor.fetchall)
            self._is_exhausted = True
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows."""
        size = size or self.arraysize
        rows, self._ahead = self._ahead[:size], self._ahead[size:]
        if len(rows) < size and not self._is_exhausted:
            rows += await self._visit(self._cursor.fetchmany, size - len(rows))
            self._is_exhausted = len(rows) < size
        return rows

    async def fetchone(self) -> Any:
        """The next row, or None."""
        return next(iter(await self.fetchmany(1)), None)

    async def close(self) -> None:
        """End a statement that was not read to its end; one that was has ended."""
        self._ahead = []
        if not self._is_exhausted:
            await super().close()

    async def _visit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._execute(function, *arguments)  # type: ignore[no-untyped-call]

    def _run(self, before: Statements, execute: Callable[[], object]) -> None:
        # A statement that fails has not ended either: while its cursor is open, so is the file of a closed connection.
        self._ahead, self._is_exhausted = [], False
        _run_all(self._cursor.connection, before)
        execute()
        if self._cursor.description:
            self._ahead = self._cursor.fetchmany(AT_ONCE)
        self._is_exhausted = len(self._ahead) < AT_ONCE


class BriefConnection(aiosqlite.Connection):
    """A connection with such cursors, where statements of which nobody awaits rows are executed by the next visit."""

    _begin: Statements = ()
    _put_off: Statements = ()

    def begin(self, sql: str) -> None:
        """Let the next statement begin a transaction; where none comes, there was nothing to begin."""
        self._begin, self._put_off = ((sql, ()),), ()

    def put_off(self, *statements: Statement) -> None:
        """Execute statements with the next one or with the commit, which fails where they do."""
        self._put_off = (*self._put_off, *statements)

    def take_put_off(self) -> Statements:
        """What the next visit must execute first.

        Not to be asked in the thread: a caller who leaves before his visit ends the transaction here, and his statement
        would then be executed outside of any.
        """
        taken = (*self._begin, *self._put_off)
        self._begin = self._put_off = ()
        return taken

    async def commit(self) -> None:
        """End the transaction, if it has begun; where that fails, undo it."""
        taken = self.take_put_off() if self._put_off else ()
        self._begin = ()
        await self._execute(self._run_and_commit, taken)  # type: ignore[no-untyped-call]

    async def rollback(self) -> None:
        """Undo the transaction, if it has begun."""
        self._begin = self._put_off = ()
        await super().rollback()

    def _run_and_commit(self, statements: Statements) -> None:
        try:
            _run_all(self._conn, statements)
            self._conn.commit()
        except BaseException:
            # SQLAlchemy takes the transaction for ended, and would begin the next one within it.
            self._conn.rollback()
            raise

    def cursor(self) -> BriefCursor:  # type: ignore[override]  # SQLAlchemy enters what it is given, and that is all
        """A new cursor."""
        return BriefCursor(self, self._conn.cursor())


def _run_all(connection: sqlite3.Connection, statements: Statements) -> None:
    for sql, parameters in statements:
        connection.execute(sql, parameters)


def connect(database: str, **arguments: Any) -> BriefConnection:
    """A connection yet to be awaited, for SQLAlchemy."""
    connection = BriefConnection(partial(sqlite3.connect, database, **arguments), iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does: one that is forgotten must not keep a process
    return connection


def existing_file(url: URL) -> URL:
    """The same SQLite file, but never made anew: a service whose file vanished must say so, not start empty."""
    assert url.database  # noqa: S101 - the settings refuse SQLite without a file
    path = Path(url.database).absolute()
    return url.set(database=f"file:{path}").update_query_dict({"mode": "rw", "uri": "true"})


def prepare_sqlite(engine: Any, url: URL) -> None:
    """Give every connection of a SQLite engine its settings, and let transactions begin when SQLAlchemy says so."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions late and in the wrong mode
        cursor = connection.cursor()
        # FULL: an answer of 201 means that the photo is on the disk, also when the power goes.
        for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        record.info["file"] = _file_identity(url)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("begin", "BEGIN")
        driver = connection.connection.driver_connection
        if isinstance(driver, BriefConnection):
            driver.begin(statement)
        else:
            connection.exec_driver_sql(statement)

    @event.listens_for(engine, "do_execute")
    def put_off(_cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        return _put_off(context, [(sql, parameters)])

    @event.listens_for(engine, "do_executemany")
    def put_off_many(_cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        return _put_off(context, [(sql, each) for each in parameters])

    @event.listens_for(engine, "checkout")
    def checkout(_connection: Any, record: Any, _proxy: Any) -> None:
        # A connection to a file that was moved away or replaced would go on writing where nobody reads.
        if record.info.get("file") != _file_identity(url):
            raise DisconnectionError


def _put_off(context: Any, statements: Sequence[Statement]) -> bool:
    """Whether this can wait for the next visit, and does."""
    driver = context.root_connection.connection.driver_connection
    if not (context.execution_options.get(PUT_OFF) and isinstance(driver, BriefConnection)):
        return False
    driver.put_off(*statements)
    return True


def _file_identity(url: URL) -> tuple[int, int] | None:
    try:
        status = Path(url.database or "").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
