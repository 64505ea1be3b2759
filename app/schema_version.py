"""Which version of the schema a database has, and bringing it to the one of this code (Alembic)."""

from pathlib import Path

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

import migrations
from app.database import prepare_sqlite


class SchemaError(Exception):
    """The database does not fit this version of Haja; the message says what to do."""


def prepare(url: str) -> None:
    """Migrate an empty database; leave one of this version alone.

    Raises:
        SchemaError: the database is newer, older or somebody else's, or cannot be reached.
    """
    current = _known_revision(url)
    head = _script().get_current_head()
    if current is None:
        upgrade(url)
    elif current != head:
        raise SchemaError(
            f"The database has an older schema ({current} instead of {head}): back it up, then run `haja migrate`."
        )


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`.

    Raises:
        SchemaError: the database is newer or somebody else's, or cannot be reached.
    """
    _known_revision(url)
    alembic.command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Bring the schema down to `revision`; `base` removes everything."""
    alembic.command.downgrade(_config(url), revision)


def sync_engine(url: str) -> Engine:
    """An engine without asyncio, for migrations. Makes a SQLite file where there is none."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed)
    engine = create_engine(parsed.set(drivername="sqlite"), execution_options={"begin": "BEGIN IMMEDIATE"})
    prepare_sqlite(engine, parsed)
    return engine


def _known_revision(url: str) -> str | None:
    """The revision of a database that is Haja's, or None for an empty one."""
    engine = sync_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            tables = inspect(connection).get_table_names()
    except DBAPIError as error:
        shown = make_url(url).render_as_string(hide_password=True)
        raise SchemaError(f"The database {shown} cannot be opened: {str(error.orig).strip()}.") from error
    finally:
        engine.dispose()
    if current is None and set(tables) - {"alembic_version"}:
        raise SchemaError("The database holds tables, but not Haja's: set HAJA_DATABASE_URL to an empty database.")
    if current not in {None, *(revision.revision for revision in _script().walk_revisions())}:
        raise SchemaError(
            f"The database was written by a newer version of Haja (schema {current}; this one knows up to "
            f"{_script().get_current_head()}): install that version, or set HAJA_DATABASE_URL to another database."
        )
    return current


def _config(url: str) -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(""))
