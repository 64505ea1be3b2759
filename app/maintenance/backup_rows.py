"""Every statement about tables as a whole: their rows as lines of JSON, and back."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from pydantic import Base64Bytes, ConfigDict, TypeAdapter, with_config
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
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from app.maintenance.backup_file import BackupError, Kind
from app.photos.tables import Blob, DiscardedBlob, Photo
from app.storage.tables import Base, UtcDateTime

LEFT_OUT = {Blob.__tablename__, DiscardedBlob.__tablename__, "alembic_version"}
"""Bytes go as photos; what is being deleted has to do with the object storage that the site comes from."""

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

Row = dict[str, Any]


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
        exact = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
        self._row: TypeAdapter[Row] = TypeAdapter(with_config(exact)(row))

    async def count(self, session: AsyncSession) -> int:
        """How many there are."""
        return (await session.execute(select(func.count()).select_from(self._table))).scalar_one()

    async def lines(self, session: AsyncSession) -> AsyncIterator[list[bytes]]:
        """All of them as JSON, some at a time."""
        query: Select[*tuple[Any, ...]] = select(self._table).execution_options(yield_per=FETCH)
        async for part in (await session.stream(query)).mappings().partitions():
            yield [self._row.dump_json(dict(row)) for row in part]

    async def insert(self, session: AsyncSession, lines: Sequence[bytes]) -> None:
        """Insert rows that are given as JSON. Raises `ValidationError` where they are not of this table."""
        await session.execute(insert(self._table), [self._row.validate_json(line) for line in lines])


async def tables(session: AsyncSession) -> list[Rows]:
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
        if table.name in there and table.name not in LEFT_OUT
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


async def stored_bytes(session: AsyncSession, sha256: str) -> bytes | None:
    """What the database, as this session sees it, holds of a photo's bytes."""
    return cast("bytes | None", await session.scalar(select(Blob.bytes).where(Blob.sha256 == sha256)))
