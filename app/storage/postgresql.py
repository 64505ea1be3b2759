"""What a connection to PostgreSQL is made with: commits that are on disk, and no wait without an end."""

import asyncio
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from sqlalchemy.engine import URL

PATIENCE = 6
"""A statement may take so many times as long as one may wait for a lock: who deletes a catalog has much to do."""

# Else psycopg gives a busy loop a turn where it has nothing to wait for, and SQLAlchemy, while it switches the
# isolation level, loses the connection of a caller who leaves in that turn.
waiting.MAX_BUSY_TIME = float("inf")

Result = TypeVar("Result")


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """A connection that gives up on a server which takes a statement and does not answer; psycopg waits for ever."""

    timeout_s: float | None = None
    patience_s: float | None = None

    async def wait(self, gen: PQGen[Result], *args: Any, **kwargs: Any) -> Result:
        """As psycopg's; it asks the server to stop as well, and leaves a server that does not even hear that.

        Raises:
            psycopg.OperationalError: there was no answer within `patience_s`.
        """
        try:
            async with asyncio.timeout(self.patience_s):
                return await super().wait(gen, *args, **kwargs)
        except TimeoutError as error:
            raise psycopg.OperationalError(f"no answer within {self.patience_s:g} s") from error

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - psycopg's own
        """As psycopg's, which would wait for the statement's end also where nobody took the wish to cancel it."""
        try:
            await super().cancel_safe(timeout=min(timeout, self.timeout_s or timeout))
        except psycopg.Error:
            self.pgconn.finish()
            raise


class Connector:
    """Makes connections, and closes those whose caller left while they were being made."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._unwanted: set[asyncio.Task[BoundedConnection]] = set()

    def arguments(self, url: URL) -> dict[str, Any]:
        """What SQLAlchemy shall connect with."""
        # Nobody waits for ever behind somebody else's lock, as it is with SQLite; and an answer of 201 means that the
        # photo is on the disk, whatever this server or this user does by default.
        lock_ms = int(self._timeout_s * 1000)
        options = f"{url.query.get('options', '')} -c lock_timeout={lock_ms} -c synchronous_commit=on"
        return {
            "connect_timeout": max(2, int(self._timeout_s)),
            "options": options,
            "async_creator_fn": self._connect,
        }

    async def _connect(self, *args: Any, **kwargs: Any) -> BoundedConnection:
        making = asyncio.create_task(BoundedConnection.connect(*args, **kwargs))
        try:
            connection = await asyncio.shield(making)
        except asyncio.CancelledError:
            # Whoever wanted it is gone, and nobody else knows of it.
            self._unwanted.add(making)
            making.add_done_callback(self._end)
            raise
        connection.timeout_s, connection.patience_s = self._timeout_s, PATIENCE * self._timeout_s
        return connection

    def _end(self, making: "asyncio.Task[BoundedConnection]") -> None:
        self._unwanted.discard(making)
        if not making.cancelled() and making.exception() is None:
            making.result().pgconn.finish()

    async def close(self) -> None:
        """Return when every connection that nobody wants is closed: within the time in which one may be made."""
        while self._unwanted:
            await asyncio.wait(self._unwanted)
