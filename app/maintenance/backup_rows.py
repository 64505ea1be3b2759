"""Every statement about tables as a whole: their rows as lines of JSON, and back."""

from collections.abc import AsyncIterator, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from pydantic import Base64Bytes, ConfigDict, TypeAdapter, ValidationError, with_config
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Double,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    Uuid,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from app.access.tables import SignIn
from app.maintenance.backup_file import BackupError, Kind, shown
from app.maintenance.backup_values import Row, row_type
from app.photos.tables import Blob, DiscardedBlob, Photo
from app.storage.tables import Base, UtcDateTime

SESSIONS = SignIn.__tablename__

LEFT_OUT = {Blob.__tablename__, DiscardedBlob.__tablename__, SESSIONS, "alembic_version"}
"""Bytes go as photos; what is being deleted has to do with the object storage that the site comes from; whoever is
signed in stays so where they signed in, and nowhere else. Older backups hold sessions, which nobody reads."""

FETCH = 500
"""Rows in memory at a time."""


class _Type(NamedTuple):
    in_python: Any
    in_database: TypeEngine[Any]
    # Those of the models that mean the same.
    classes: tuple[type[TypeEngine[Any]], ...]


_TYPES: dict[Kind, _Type] = {
    "boolean": _Type(bool, Boolean(), (Boolean,)),
    "bytes": _Type(Base64Bytes, LargeBinary(), (LargeBinary,)),
    "datetime": _Type(datetime, UtcDateTime(), (UtcDateTime,)),
    "float": _Type(float, Double(), (Float,)),
    "integer": _Type(int, Integer(), (Integer,)),
    "json": _Type(Any, JSON(none_as_null=True), (JSON,)),
    "text": _Type(str, Text(), (String,)),
    "uuid": _Type(UUID, Uuid(), (Uuid,)),
}


class RowsError(Exception):
    """Rows that are not of their table; the message says why."""


class Rows:
    """The rows of one table, in a database of any kind and of any version."""

    def __init__(self, name: str, columns: dict[str, Kind]) -> None:
        self.name = name
        self.columns = columns
        self._table = Table(
            name, MetaData(), *(Column(each, _TYPES[kind].in_database) for each, kind in columns.items())
        )
        fields = {each: Any if kind == "json" else _TYPES[kind].in_python | None for each, kind in columns.items()}
        make: Any = TypedDict  # its fields are known at run time only
        row = make(name, fields)
        self._written: TypeAdapter[Row] = TypeAdapter(with_config(ConfigDict(ser_json_inf_nan="constants"))(row))
        self._read = row_type(name, columns)

    async def count(self, session: AsyncSession) -> int:
        """How many there are."""
        return (await session.execute(select(func.count()).select_from(self._table))).scalar_one()

    async def lines(self, session: AsyncSession) -> AsyncIterator[list[bytes]]:
        """All of them as JSON, some at a time."""
        query: Select[*tuple[Any, ...]] = select(self._table).execution_options(yield_per=FETCH)
        async for part in (await session.stream(query)).mappings().partitions():
            yield [self._written.dump_json(dict(row)) for row in part]

    def read(self, lines: Sequence[bytes]) -> list[Row]:
        """Rows that are given as JSON. Raises `RowsError` where they are not of this table."""
        try:
            return [self._read.validate_json(line) for line in lines]
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, fault["loc"]))
            raise RowsError(shown(f"{place}: {fault['msg']}" if place else fault["msg"])) from error

    async def insert(self, session: AsyncSession, rows: Sequence[Row]) -> None:
        """Insert rows. Raises `RowsError` where the database refuses them, such as those that point nowhere."""
        try:
            await session.execute(insert(self._table), rows)
        except (DataError, IntegrityError) as error:
            raise RowsError(shown(str(error.orig))) from error


async def tables(session: AsyncSession, left_out: Set[str] = LEFT_OUT) -> list[Rows]:
    """What a site consists of beside its photos' bytes, in the order in which tables can be filled.

    The database says which tables and columns it has, since it may be older than this program; the program says what
    is in them, since SQLite does not know.

    Raises:
        BackupError: the database has a table that this program does not know.
    """
    connection = await session.connection()
    there = await connection.run_sync(_columns)
    if strange := there.keys() - Base.metadata.tables.keys() - LEFT_OUT:
        raise BackupError(
            f"The database has tables that this version of Haja does not know ({', '.join(sorted(strange))}), so a "
            "backup would lack them: use the version that made them, or move them to another database."
        )
    return [
        Rows(table.name, {name: _kind(table.c[name].type) for name in there[table.name]})
        for table in Base.metadata.sorted_tables
        if table.name in there and table.name not in left_out
    ]


def _columns(connection: Connection) -> dict[str, list[str]]:
    inspector = inspect(connection)
    return {
        name: [str(column["name"]) for column in inspector.get_columns(name)] for name in inspector.get_table_names()
    }


def _kind(column_type: TypeEngine[Any]) -> Kind:
    return next(kind for kind, each in _TYPES.items() if isinstance(column_type, each.classes))


async def photo_ids(session: AsyncSession) -> Sequence[str]:
    """The SHA-256 of all photos."""
    return (await session.scalars(select(Photo.sha256).order_by(Photo.sha256))).all()


async def photo_sizes(session: AsyncSession) -> AsyncIterator[tuple[str, int]]:
    """The SHA-256 of all photos, and how many bytes each has."""
    query = select(Photo.sha256, Photo.byte_size).execution_options(yield_per=FETCH)
    async for sha256, byte_size in await session.stream(query):
        yield sha256, byte_size


async def stored_bytes(session: AsyncSession, sha256: str) -> bytes | None:
    """What the database, as this session sees it, holds of a photo's bytes."""
    return cast("bytes | None", await session.scalar(select(Blob.bytes).where(Blob.sha256 == sha256)))
