"""Which version of the schema a database has, and bringing it to the one of this code (Alembic)."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

import migrations
from app.errors import SchemaChanged
from app.storage.database import Database
from app.storage.sqlite import make_private, prepare_sqlite

if TYPE_CHECKING:
    import psycopg

WAIT_S = 10
"""So long a start or a command waits for a PostgreSQL that says nothing, or for others that set up the same file."""


class SchemaError(Exception):
    """The database does not fit this version of Haja; the message says what to do."""


def prepare(url: str) -> None:
    """Migrate an empty database; leave one of this version alone.

    Raises:
        SchemaError: the database is newer, older or somebody else's, or cannot be reached.
    """
    current = known_revision(url)
    if current is None:
        upgrade(url)
    elif current != head():
        raise SchemaError(
            f"The database has an older schema ({current} instead of {head()}): back it up, then run `haja migrate`."
        )


def head() -> str:
    """The revision of the schema that this version of Haja works with."""
    return revisions()[-1]


def revisions() -> list[str]:
    """The revisions that this version of Haja can migrate from, oldest first: what the files' names begin with."""
    return sorted(path.name.partition("_")[0] for path in (_folder() / "versions").glob("[0-9]*_*.py"))


async def check(database: Database, revision: str | None) -> None:
    """Ask a database that is in use whether it still has the schema `revision`.

    Raises:
        DatabaseUnavailable: it does not answer.
        SchemaChanged: another version of Haja has migrated it.
    """
    async with database.reading() as session:
        found = await session.scalar(text("SELECT version_num FROM alembic_version"))
    if found != revision:
        raise SchemaChanged


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`.

    Raises:
        SchemaError: the database is newer or somebody else's, cannot be reached, or refuses.
    """
    known_revision(url)
    with _explained(url):
        _alembic("upgrade", url, revision)


def downgrade(url: str, revision: str) -> None:
    """Bring the schema down to `revision`; `base` removes everything."""
    _alembic("downgrade", url, revision)


def sync_engine(url: str) -> Engine:
    """An engine without asyncio, for migrations. Makes a SQLite file where there is none."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        patience = {"connect_timeout": str(WAIT_S)}
        engine = create_engine(parsed.set(query=patience | dict(parsed.query)))
        # Before SQLAlchemy's own first look, which finds bytes in the place of text where there is no encoding.
        event.listen(engine, "connect", _require_unicode, insert=True)
        return engine
    make_private(parsed)
    engine = create_engine(parsed.set(drivername="sqlite"), execution_options={"begin": "BEGIN IMMEDIATE"})
    prepare_sqlite(engine, parsed)
    return engine


def _require_unicode(connection: "psycopg.Connection", _record: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SchemaError(
            f"The database has the encoding {encoding}, which cannot hold every name: make another one with "
            "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
        )


def known_revision(url: str) -> str | None:
    """The revision of a database that is Haja's, or None for an empty one.

    Raises:
        SchemaError: the database is newer or somebody else's, or cannot be reached.
    """
    engine = sync_engine(url)
    try:
        with _explained(url), _connect(engine) as connection:
            # In this order: where another service has just made the tables, it has written the revision, too.
            tables = inspect(connection).get_table_names()
            written = "SELECT version_num FROM alembic_version"
            current: str | None = connection.scalar(text(written)) if "alembic_version" in tables else None
    finally:
        engine.dispose()
    if current is None and set(tables) - {"alembic_version"}:
        raise SchemaError("The database holds tables, but not Haja's: set HAJA_DATABASE_URL to an empty database.")
    if current not in {None, *revisions()}:
        raise SchemaError(
            f"The database was written by a newer version of Haja (schema {current}; this one knows up to "
            f"{head()}): install that version, or set HAJA_DATABASE_URL to another database."
        )
    return current


def _connect(engine: Engine) -> Connection:
    """A connection, also where two make one SQLite file: switching it to WAL fails for one of them without a wait."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return engine.connect()
        except OperationalError as error:
            busy = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        shown = make_url(url).render_as_string(hide_password=True)
        raise SchemaError(f"The database {shown} cannot be used: {str(error.orig).strip()}.") from error


def _alembic(direction: Literal["upgrade", "downgrade"], url: str, revision: str) -> None:
    # Most starts and commands find the schema as it should be: they do without Alembic, which takes long to import.
    import alembic.command  # noqa: PLC0415
    import alembic.config  # noqa: PLC0415

    config = alembic.config.Config()
    folder = str(_folder()).replace("%", "%%")  # Alembic fills in what a % begins
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    getattr(alembic.command, direction)(config, revision)


def _folder() -> Path:
    return Path(migrations.__file__).parent
