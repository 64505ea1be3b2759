"""The support photos of the classes that answers named last, in memory, to say which of them a photo resembles."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.catalogs.prototype_cache import Candidate
from app.catalogs.repository import CatalogRepository
from app.database import Database

BYTES_KEPT = 256_000_000


@dataclass(frozen=True)
class Supports:
    """The support photos of one class: ids, SHA-256 of the photos, embeddings float32 [n, D]."""

    candidate: Candidate
    ids: tuple[UUID, ...]
    sha256s: tuple[str, ...]
    embeddings: NDArray[np.float32]


class SupportCache:
    """Classes that were used last, each read again when it has changed."""

    def __init__(self, database: Database, repository: CatalogRepository, backbone_id: str) -> None:
        self._database = database
        self._repository = repository
        self._backbone_id = backbone_id
        self._kept: OrderedDict[UUID, Supports] = OrderedDict()
        self._bytes = 0

    async def supports(self, candidates: Sequence[Candidate]) -> list[Supports]:
        """The support photos of these classes, as they were when the candidates were read or later."""
        found = {each.defect_class.id: self._kept.get(each.defect_class.id) for each in candidates}
        missing = [
            each
            for each in candidates
            if (kept := found[each.defect_class.id]) is None or kept.candidate.changed_in != each.changed_in
        ]
        if missing:
            found |= await self._read(missing)
        for class_id in self._kept.keys() & found.keys():
            self._kept.move_to_end(class_id)
        while self._bytes > BYTES_KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.embeddings.nbytes
        return [supports for supports in found.values() if supports is not None]

    async def _read(self, missing: Sequence[Candidate]) -> dict[UUID, Supports]:
        async with self._database.reading() as session:
            rows = await self._repository.supports(
                session, [each.defect_class.id for each in missing], self._backbone_id
            )
        read = {}
        for candidate in missing:
            mine = [row for row in rows if row[0] == candidate.defect_class.id]
            vectors = np.array([np.frombuffer(vector, "<f4") for *_, vector in mine], np.float32)
            supports = Supports(candidate, tuple(row[1] for row in mine), tuple(row[2] for row in mine), vectors)
            if (old := self._kept.pop(candidate.defect_class.id, None)) is not None:
                self._bytes -= old.embeddings.nbytes
            self._kept[candidate.defect_class.id] = read[candidate.defect_class.id] = supports
            self._bytes += vectors.nbytes
        return read
