"""The database: engine and sessions. With `postgresql` and `sqlite`, all that knows which database it is."""

import asyncio
import errno
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import structlog
from sqlalchemy import Engine, create_engine, insert, inspect, orm, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.errors import DatabaseUnavailable, OutcomeUnknown, SchemaChanged, StorageFull
from app.storage.postgresql import Connector
from app.storage.sqlite import existing_file, prepare_sqlite
from app.storage.sqlite_writer import NoTurnError, SqliteWriter, Work
from app.storage.tables import Base

_log = structlog.get_logger(__name__)


CONNECTIONS = 10
"""So many connections a process keeps; what finds all of them busy waits for one."""


Session = AsyncSession

SyncSession = orm.Session
"""What `Database.read` and `Database.write` give to their work; a `Session` lends its own by `run_sync`."""

Result = TypeVar("Result")


class Database:
    """Sessions on one database. Errors of its own leave as `DatabaseUnavailable` or `StorageFull`."""

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        parsed = make_url(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        self._connector = Connector(timeout_s)
        self._writer: SqliteWriter | None = None
        self._reader: Engine | None = None
        if self._is_sqlite:
            self._engine = _sqlite(parsed, timeout_s, CONNECTIONS)
            self._reader = _sqlite_in_threads(parsed, timeout_s, CONNECTIONS)
            writing = _sqlite(parsed, timeout_s, 1), _sqlite_in_threads(parsed, timeout_s, 1)
            self._writer = SqliteWriter(*writing, timeout_s)
        else:
            self._engine = create_async_engine(
                parsed,
                connect_args=self._connector.arguments(parsed),
                pool_pre_ping=True,
                use_native_hstore=False,  # there is none, and asking for it costs each connection a query
                **_limits(CONNECTIONS, timeout_s),
            )

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database and changes nothing."""
        engine = self._engine if self._is_sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
        async with _translated(), AsyncSession(engine, expire_on_commit=False) as session:
            yield session

    async def read(self, work: Work[Result]) -> Result:
        """Do `work`, which changes nothing, on one state of the database: a block of `reading` that is quicker."""
        if self._reader is None:
            async with self.reading() as session:
                return await session.run_sync(work)
        async with _translated():
            return await asyncio.to_thread(_read, self._reader, work)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are on disk when the block ends, or undone when it raises.

        Raises:
            OutcomeUnknown: PostgreSQL went away between COMMIT and its answer.
        """
        if self._writer is None:
            async with _translated(), AsyncSession(self._engine, expire_on_commit=False) as session:
                yield session
                await session.flush()
                try:
                    await session.commit()
                except (OperationalError, InterfaceError, InternalError) as error:
                    raise OutcomeUnknown from error
            return
        async with (
            self._room_in_log(),
            _translated(),
            self._writer.turn(),
            AsyncSession(self._writer.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    async def write(self, work: Work[Result]) -> Result:
        """Do `work` in one transaction: a block of `writing` that is quicker.

        Where one at a time may write, several share a transaction, and `work` may be called again after all that it did
        was undone.

        Raises:
            OutcomeUnknown: see `writing`.
        """
        if self._writer is None:
            async with self.writing() as session:
                return await session.run_sync(work)
        async with self._room_in_log(), _translated():
            return await self._writer.write(work)

    @asynccontextmanager
    async def _room_in_log(self) -> AsyncIterator[None]:
        try:
            yield
        except StorageFull:
            with suppress(DatabaseUnavailable):
                await self._empty_log()
            raise

    async def _empty_log(self) -> None:
        """Let the next change use the room of the log again. SQLite does that after a change, and there was none."""
        async with _translated(), self._engine.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None  # noqa: S101 - it is checked out
            await (await raw.driver_connection.execute("PRAGMA wal_checkpoint(PASSIVE)")).close()

    async def unsafe_settings(self) -> list[str]:
        """Settings of the database's server with which a power cut may destroy what was answered with 201."""
        if self._is_sqlite:
            return []
        names = text("SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'")
        async with self.reading() as session:
            return sorted((await session.scalars(names)).all())

    async def faults(self) -> list[str]:
        """What SQLite's own integrity checks find; PostgreSQL checks itself."""
        if not self._is_sqlite:
            return []
        try:
            return await self._sqlite_faults()
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, DatabaseError) and not isinstance(error.__cause__, OperationalError):
                return [f"the database file is damaged: {error.__cause__.orig}"]
            raise

    async def _sqlite_faults(self) -> list[str]:
        async with self.reading() as session:
            damaged = [row[0] for row in await session.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
            dangling = [f"table {row[0]}, row {row[1]}: points at a missing row of {row[2]}"
                        for row in await session.execute(text("PRAGMA foreign_key_check"))]  # fmt: skip
        return damaged + dangling

    async def close(self) -> None:
        """Close every connection."""
        if self._writer is not None:
            await self._writer.close()
        if self._reader is not None:
            await asyncio.to_thread(self._reader.dispose)
        await self._connector.close()
        await self._engine.dispose()


def _read(engine: Engine, work: Work[Result]) -> Result:
    with SyncSession(engine, expire_on_commit=False) as session:
        return work(session)


def _sqlite(url: URL, timeout_s: float, connections: int) -> AsyncEngine:
    arguments = {"timeout": timeout_s}
    engine = create_async_engine(existing_file(url), connect_args=arguments, **_limits(connections, timeout_s))
    prepare_sqlite(engine.sync_engine, url)
    return engine


def _sqlite_in_threads(url: URL, timeout_s: float, connections: int) -> Engine:
    file = existing_file(url.set(drivername="sqlite"))
    engine = create_engine(file, connect_args={"timeout": timeout_s}, **_limits(connections, timeout_s))
    prepare_sqlite(engine, url)
    return engine


def _limits(connections: int, timeout_s: float) -> dict[str, Any]:
    # Not one more: an operator of PostgreSQL plans max_connections by the number of processes.
    return {"pool_size": connections, "max_overflow": 0, "pool_timeout": timeout_s, "hide_parameters": True}


def insert_row(session: SyncSession, table: type[Base], row: dict[str, Any]) -> None:
    """Insert a row that has all of its values."""
    session.execute(_insertion(table), row)


def insert_absent(session: SyncSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose primary key is not there yet."""
    session.execute(_absent(session.get_bind().dialect.name, table), _in_order(table, rows))


def insert_absent_and_hold(session: SyncSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """As `insert_absent`; and until the end of the transaction, nobody deletes any of these rows."""
    if session.get_bind().dialect.name == "sqlite":  # where nobody else writes meanwhile
        insert_absent(session, table, rows)
        return
    (key,) = inspect(table).primary_key
    absent = {row[key.name]: row for row in rows}
    while absent:  # again where one was there and has just been deleted by somebody else
        statement = _absent("postgresql", table).returning(key)
        inserted = session.scalars(statement, _in_order(table, list(absent.values())))
        for value in inserted:
            del absent[value]
        if not absent:
            return
        held = select(key).where(key.in_(absent)).order_by(key).with_for_update(read=True, key_share=True)
        for value in session.scalars(held):
            del absent[value]


# Made once and without the ORM: for a row of a photo that is half of the time.
@cache
def _insertion(table: type[Base]) -> Any:
    core: Any = table.__table__
    return insert(core)


@cache
def _absent(dialect: str, table: type[Base]) -> Any:
    return {"postgresql": postgresql, "sqlite": sqlite}[dialect].insert(table.__table__).on_conflict_do_nothing()


def _in_order(table: type[Base], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By their keys: two who insert the same rows in two orders would wait for each other."""
    return sorted(rows, key=lambda row: [row[column.name] for column in inspect(table).primary_key])


async def lock_tables(session: AsyncSession, *tables: type[Base]) -> None:
    """See every row that others have written to these tables or are writing; until the end, nobody writes another.

    SQLite lets one writer in at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        names = ", ".join(table.__tablename__ for table in tables)
        await session.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:
        translated = _translate(error)
        if isinstance(translated, DatabaseUnavailable):
            # The caller is told what to do; what it was, only the operator can use.
            _log.warning("database failed", error=repr(getattr(error, "orig", None) or error.__cause__ or error))
        if translated is error:
            raise
        raise translated from error


def _translate(error: Exception) -> Exception:
    if isinstance(error, DBAPIError):
        return _translate_of_driver(error)
    if isinstance(error, PoolTimeout | NoTurnError | DisconnectionError | sqlite3.OperationalError):
        # sqlite3's own: raised while a new connection gets its settings, where SQLAlchemy does not wrap it.
        return DatabaseUnavailable()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageFull()
    return error


def _translate_of_driver(error: DBAPIError) -> Exception:
    cause = error.orig
    full = (isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL) or (
        getattr(cause, "sqlstate", None) == "53100"  # PostgreSQL: disk_full
    )
    if full:
        return StorageFull()
    if getattr(cause, "sqlstate", None) in {"42P01", "42703"}:  # PostgreSQL: undefined_table, undefined_column
        return SchemaChanged()
    # What remains of DBAPIError (IntegrityError, DataError, ProgrammingError) is a mistake of ours or a conflict.
    unusable = isinstance(error, OperationalError | InterfaceError | InternalError) or type(error) is DatabaseError
    return DatabaseUnavailable() if unusable else error
