"""What is computed of a catalog once for each of its versions."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from app.catalogs.prototype_cache import CATALOGS_KEPT

Value = TypeVar("Value")


@dataclass
class _Entry(Generic[Value]):
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: int = -1
    value: Value | None = None


class PerVersion(Generic[Value]):
    """Values of the catalogs that were used last, each made again when its catalog has changed."""

    def __init__(self) -> None:
        self._entries: OrderedDict[UUID, _Entry[Value]] = OrderedDict()

    async def get(self, catalog_id: UUID, version: int, make: Callable[[], Awaitable[Value | None]]) -> Value | None:
        """The catalog's value at this version."""
        entry = self._entries.setdefault(catalog_id, _Entry())
        self._entries.move_to_end(catalog_id)
        if len(self._entries) > CATALOGS_KEPT:
            self._entries.popitem(last=False)
        # Callers of the same catalog wait for one making instead of each doing it.
        async with entry.lock:
            if entry.version != version:
                entry.value, entry.version = await make(), version
            return entry.value
