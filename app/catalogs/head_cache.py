"""The heads of the catalogs that were used last, each fitted again when its catalog has changed."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from app.catalogs.prototype_cache import CATALOGS_KEPT, PrototypeIndex
from app.catalogs.support_cache import SupportCache, Supports
from models.ridge_head import RidgeHead, can_have_head, fit_head


@dataclass
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: int = -1
    head: RidgeHead | None = None


class HeadCache:
    """A head for each catalog that is small enough for one; a large catalog is judged by its prototypes."""

    def __init__(self, supports: SupportCache) -> None:
        self._supports = supports
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()

    async def head(self, catalog_id: UUID, index: PrototypeIndex) -> RidgeHead | None:
        """The head over the candidates of an index; None where prototypes shall judge."""
        if not can_have_head(len(index.candidates), int(index.shots.sum())):
            return None
        entry = self._entries.setdefault(catalog_id, _Entry())
        self._entries.move_to_end(catalog_id)
        if len(self._entries) > CATALOGS_KEPT:
            self._entries.popitem(last=False)
        # Callers of the same catalog wait for one fit instead of each doing it.
        async with entry.lock:
            if entry.version != index.version:
                supports = await self._supports.supports(index.candidates, index)
                entry.head, entry.version = await asyncio.to_thread(head_of, supports), index.version
            return entry.head


def head_of(supports: Sequence[Supports]) -> RidgeHead | None:
    """The head over these classes, in this order; None where leave-one-out prefers prototypes.

    None as well where a class has a prototype but no photos, which only a damaged database has (`haja check`).
    """
    if not all(each.ids for each in supports):
        return None
    labels = np.repeat(np.arange(len(supports)), [len(each.ids) for each in supports])
    head = fit_head(np.concatenate([each.embeddings for each in supports]), labels)
    return None if head.outdone else head
