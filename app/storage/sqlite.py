"""What a connection to SQLite is made with."""

import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DisconnectionError

_log = structlog.get_logger(__name__)

PAGE_BYTES = 16_384
"""Larger than SQLite's 4,096, because most of what is stored is photos (read and written in long runs)."""


def existing_file(url: URL) -> URL:
    """The same SQLite file, but never made anew: a service whose file vanished must say so, not start empty."""
    assert url.database  # noqa: S101 - the settings refuse SQLite without a file
    address = Path(url.database).absolute().as_uri()  # escapes what ends a path in an address: # ? %
    return url.set(database=address).update_query_dict({"mode": "rw", "uri": "true"})


def make_private(url: URL) -> None:
    """See to it that the file, made here where there is none, and its log are not for every user of the machine.

    SQLite gives the log the rights of the file. What an operator has given to a group stays.
    """
    file = Path(url.database or "")
    with suppress(OSError):  # SQLite itself says why it cannot be made
        file.touch(0o600, exist_ok=False)
    for part in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(part.stat().st_mode)
            if mode & stat.S_IRWXO:
                try:
                    part.chmod(mode & stat.S_IRWXU)
                except PermissionError:
                    _log.warning("every user of this machine can read the database", file=str(part))


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
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    @event.listens_for(engine, "checkout")
    def checkout(_connection: Any, record: Any, _proxy: Any) -> None:
        # A connection to a file that was moved away or replaced would go on writing where nobody reads.
        if record.info.get("file") != _file_identity(url):
            raise DisconnectionError


def _file_identity(url: URL) -> tuple[int, int] | None:
    try:
        status = Path(url.database or "").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
