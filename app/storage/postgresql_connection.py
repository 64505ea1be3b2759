"""A connection to PostgreSQL that waits for nothing without an end."""

import asyncio
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

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
