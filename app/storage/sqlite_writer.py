"""SQLite lets one writer in at a time: whose turn it is, and changes that take a turn together."""

import asyncio
import contextvars
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session as SyncSession

TOGETHER = 8
"""Changes in one transaction: more save little more, and the first of them waits for the last."""

Result = TypeVar("Result")

Work = Callable[[SyncSession], Result]
"""What is done on the database in one go, in a thread."""


class NoTurnError(Exception):
    """The turn before lasts too long."""


@dataclass(frozen=True, eq=False)
class _Change:
    work: Work[Any]
    outcome: "asyncio.Future[Any]"
    # Who acts, and for which request.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class SqliteWriter:
    """Changes in the order in which they were asked for. Belongs to one event loop, and has its engines for itself.

    `engine` is for those who take a `turn`; those who `write` use the other in a thread.
    """

    def __init__(self, engine: AsyncEngine, engine_in_thread: Engine, timeout_s: float) -> None:
        self.engine = engine.execution_options(begin="BEGIN IMMEDIATE")
        self._engine_in_thread = engine_in_thread.execution_options(begin="BEGIN IMMEDIATE")
        self._thread = ThreadPoolExecutor(1, "sqlite-writer")
        # SQLite itself would make the others poll; here they queue instead.
        self._lock = asyncio.Lock()
        self._timeout_s = timeout_s
        self._waiting: deque[_Change] = deque()
        self._working: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """While the block lasts, nobody else of this process writes.

        Raises:
            NoTurnError: see there.
        """
        try:
            # Bounded, or those behind a writer that waits for another program would wait for all before them.
            async with asyncio.timeout(self._timeout_s):
                await self._lock.acquire()
        except TimeoutError as error:
            raise NoTurnError from error
        try:
            yield
        finally:
            self._lock.release()

    async def write(self, work: Work[Result]) -> Result:
        """Do `work` in a transaction, together with what else waits for the same turn.

        On the disk a transaction costs about the same, however much is in it. Once it has begun, it is not given up
        when a caller is.

        Raises:
            NoTurnError: see there.
        """
        loop = asyncio.get_running_loop()
        change = _Change(work, loop.create_future())
        self._waiting.append(change)
        giving_up = loop.call_later(self._timeout_s, self._give_up, change)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        try:
            result: Result = await change.outcome
        finally:
            giving_up.cancel()
        return result

    async def close(self) -> None:
        """Finish what waits, and close the connection."""
        if self._working is not None:
            await asyncio.wait([self._working])
        await asyncio.to_thread(self._thread.shutdown)
        self._engine_in_thread.dispose()
        await self.engine.dispose()

    def _give_up(self, change: _Change) -> None:
        if change in self._waiting and not change.outcome.done():
            change.outcome.set_exception(NoTurnError())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            changes: Sequence[_Change] = ()
            outcomes: Sequence[Any]
            try:
                async with self.turn():
                    changes = self._next()
                    outcomes = await loop.run_in_executor(self._thread, _each, self._engine_in_thread, changes)
            except BaseException as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                changes = changes or self._next()
                outcomes = [error] * len(changes)
            for change, outcome in zip(changes, outcomes, strict=True):
                if change.outcome.done():
                    continue
                if isinstance(outcome, BaseException):
                    change.outcome.set_exception(outcome)
                else:
                    change.outcome.set_result(outcome)

    def _next(self) -> list[_Change]:
        """The next changes whose callers have not left."""
        taken = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        return [change for change in taken if not change.outcome.done()]


def _each(engine: Engine, changes: Sequence[_Change]) -> list[Any]:
    """What came of each, its error where it failed."""
    try:
        return _transaction(engine, changes)
    except Exception as error:  # noqa: BLE001 - handed to the caller
        if len(changes) == 1 or _is_locked_out(error):
            return [error] * len(changes)
        # One that fails must not spoil its neighbours: each alone now.
        return [_each(engine, [change])[0] for change in changes]


def _transaction(engine: Engine, changes: Sequence[_Change]) -> list[Any]:
    with SyncSession(engine, expire_on_commit=False) as session, session.begin():
        return [change.context.run(change.work, session) for change in changes]


def _is_locked_out(error: Exception) -> bool:
    """Whether another program holds the database, which each alone would wait for again."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
