"""What the rows of a backup may hold: what the annotations of the tables say."""

from collections.abc import Iterable
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Optional, Union, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, Base64Bytes, ConfigDict, Field, TypeAdapter, with_config
from sqlalchemy import Column, String
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from app.storage.tables import Base

Row = dict[str, Any]

_AS_WRITTEN: dict[Any, Any] = {
    bytes: Base64Bytes,
    # A zone carries neither beyond what a datetime can say.
    datetime: Annotated[AwareDatetime, Field(gt=datetime(2, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))],
    int: Annotated[int, Field(ge=-(2**31), lt=2**31)],
}
"""How a value is written in JSON, and what every database can hold of it."""


def row_type(table: str, columns: Iterable[str]) -> TypeAdapter[Row]:
    """What reads a row with these columns from JSON, or refuses it."""
    mapper = next(mapper for mapper in Base.registry.mappers if mapper.local_table.description == table)
    hints = get_type_hints(mapper.class_, include_extras=True)
    make: Any = TypedDict  # its fields are known at run time only
    row = make(table, {name: _field(hints[name], mapper.columns[name]) for name in columns})
    return TypeAdapter(with_config(ConfigDict(extra="forbid", strict=True))(row))


def _field(mapped: Any, column: Column[Any]) -> Any:
    (hint,) = get_args(mapped)
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    base, *conditions = get_args(hint) if get_origin(hint) is Annotated else [hint]
    length = column.type.length if base is str and isinstance(column.type, String) else None
    field: Any = Annotated[(_AS_WRITTEN.get(base, base), Field(max_length=length), *conditions)]
    return Optional[field] if column.nullable else field  # noqa: UP045 - of a type that is known at run time only
