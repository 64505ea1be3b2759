"""What a connection to PostgreSQL is made with: commits that are on disk, and no wait without an end."""

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

if TYPE_CHECKING:
    from app.storage.postgresql_connection import BoundedConnection

PATIENCE = 6
"""A statement may take so many times as long as one may wait for a lock: who deletes a catalog has much to do."""


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

    async def _connect(self, *args: Any, **kwargs: Any) -> "BoundedConnection":
        # A site on SQLite does without psycopg, which takes long to import.
        from app.storage.postgresql_connection import BoundedConnection  # noqa: PLC0415

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
