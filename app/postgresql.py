"""What a connection to PostgreSQL is made with: commits that are on disk, and no wait without an end."""

import asyncio
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy.engine import URL

PATIENCE = 6
"""A statement may take so many times as long as one may wait for a lock: who deletes a catalog has much to do."""

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


def connect_arguments(url: URL, timeout_s: float) -> dict[str, Any]:
    """What SQLAlchemy shall connect with."""

    async def connect(*args: Any, **kwargs: Any) -> BoundedConnection:
        making = asyncio.ensure_future(BoundedConnection.connect(*args, **kwargs))
        try:
            connection = await asyncio.shield(making)
        except asyncio.CancelledError:
            # Whoever wanted it is gone, and nobody else knows of it.
            making.add_done_callback(_end)
            raise
        connection.timeout_s, connection.patience_s = timeout_s, PATIENCE * timeout_s
        return connection

    # Nobody waits for ever behind somebody else's lock, as it is with SQLite; and an answer of 201 means that the photo
    # is on the disk, whatever this server or this user does by default.
    options = f"{url.query.get('options', '')} -c lock_timeout={int(timeout_s * 1000)} -c synchronous_commit=on"
    return {"connect_timeout": max(2, int(timeout_s)), "options": options, "async_creator_fn": connect}


def _end(making: "asyncio.Future[BoundedConnection]") -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().pgconn.finish()
