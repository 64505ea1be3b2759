"""Roles, and who is acting now."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID


class Role(StrEnum):
    """What somebody may do in a catalog; each role may do what those before it may."""

    INSPECTOR = "inspector"
    CURATOR = "curator"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Principal:
    """Somebody who acts: by an API key, or without one where none is asked for.

    `everywhere` holds in every catalog, also in those that are yet to be made; `grants` in single ones, by their ids.
    """

    id: UUID | None
    name: str
    everywhere: Role | None = None
    grants: Mapping[UUID, Role] = field(default_factory=dict)
    expires_at: datetime | None = None

    def may(self, role: Role, catalog_id: UUID | None = None) -> bool:
        """Whether a role is held in a catalog; without one, whether it is held in all of them."""
        held = [self.everywhere, self.grants.get(catalog_id) if catalog_id else None]
        return any(each is not None and each.covers(role) for each in held)

    def catalogs(self, role: Role = Role.INSPECTOR) -> frozenset[UUID] | None:
        """The catalogs in which a role is held; None: in all."""
        if self.may(role):
            return None
        return frozenset(catalog_id for catalog_id, held in self.grants.items() if held.covers(role))


STRANGER = Principal(None, "nobody")
OPEN = Principal(None, "anybody", Role.ADMIN)
"""Whoever comes while the service asks for no key."""

COMMAND_LINE = Principal(None, "command line", Role.ADMIN)
"""Who may run `haja` may read the database anyway."""

_acting: ContextVar[Principal] = ContextVar("acting", default=COMMAND_LINE)


def acting() -> Principal:
    """Who is acting in this request."""
    return _acting.get()


UNKNOWN = "unknown"
"""The name of who did what is older than migration 0009."""


class Actor(TypedDict):
    """Who did something, as rows keep it: the API key, if any, and the name of then."""

    actor_id: UUID | None
    actor: str


def actor() -> Actor:
    """Who is acting in this request, to be kept."""
    who = acting()
    return {"actor_id": who.id, "actor": who.name}


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    """While the block lasts, in this task and those that it starts, `principal` acts."""
    token = _acting.set(principal)
    try:
        yield
    finally:
        _acting.reset(token)
