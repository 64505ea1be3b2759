"""What a role is needed in: each slice says it of its own things, and access knows none of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from app.errors import HajaError


@dataclass(frozen=True)
class Scope:
    """A kind of thing that belongs to catalogs."""

    parameter: str
    """By which addresses name one."""

    catalogs: Callable[[Any], Select[UUID]]
    """The statement of the catalogs that a thing is in; it finds none where there is no such thing."""

    absent: Callable[[str], HajaError]
    """What is said where there is no such thing, and to those who may not see it."""

    parse: Callable[[str], UUID | str] = UUID
    """Raises ValueError where no such thing can have this name."""
