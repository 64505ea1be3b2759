"""What every table is made of: ids, times in UTC, names of constraints."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat
from pydantic import AfterValidator, TypeAdapter
from sqlalchemy import DateTime, Dialect, MetaData, String, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

new_id = uuid_utils.compat.uuid7
"""Ids are UUIDs of version 7: they sort by the time they were made, so lists page by id alone."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept and given back in UTC; SQLite itself forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Time in Python -> time in the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Time in the database -> time in Python."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC)


def readable_as(shape: Any) -> AfterValidator:
    """A column of JSON whose values the service reads as `shape`."""
    adapter: TypeAdapter[Any] = TypeAdapter(shape)

    def check(value: object) -> object:
        adapter.validate_python(value)
        return value

    return AfterValidator(check)


class Base(DeclarativeBase):
    """Base of all tables. Constraints have names, so that a migration can speak of them.

    What a column may hold beyond the type that the database knows (one of a few words, a form, a range) is said by its
    annotation, as pydantic reads it: a backup is checked by that before it is restored.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - read by SQLAlchemy


class Acted:
    """Who did it: an API key, if any, and its name of then; it points at nothing. `unknown` before migration 0009."""

    actor_id: Mapped[UUID | None]
    actor: Mapped[str] = mapped_column(String(100), server_default=text("'unknown'"))
