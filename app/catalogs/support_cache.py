"""The support photos of the classes that answers named last, in memory, to say which of them a photo resembles."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.catalogs import history
from app.catalogs.prototype_cache import Candidate, PrototypeIndex
from app.storage.database import Database
from models.windows import Part

BYTES_KEPT = 256_000_000


@dataclass(frozen=True)
class Supports:
    """The support photos of one class: ids, SHA-256 of the photos, parts of them, embeddings float32 [n, D]."""

    candidate: Candidate
    ids: tuple[UUID, ...]
    sha256s: tuple[str, ...]
    parts: tuple[Part, ...]
    embeddings: NDArray[np.float32]


def by_class(candidates: Sequence[Candidate], rows: Iterable[tuple[UUID, UUID, str, str, bytes]]) -> list[Supports]:
    """The support photos of each of these classes, from rows of class id, id, SHA-256, part and embedding."""
    found: dict[UUID, list[tuple[UUID, str, Part, bytes]]] = defaultdict(list)
    for class_id, support_id, sha256, part, vector in rows:
        found[class_id].append((support_id, sha256, Part.parse(part), vector))
    supports = []
    for candidate in candidates:
        mine = found[candidate.defect_class.id]
        ids, sha256s, parts, vectors = zip(*mine, strict=True) if mine else ((), (), (), ())
        embeddings = np.array([np.frombuffer(vector, "<f4") for vector in vectors], np.float32)
        supports.append(Supports(candidate, ids, sha256s, parts, embeddings))
    return supports


class SupportCache:
    """Classes that were used last, each read again when it has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[UUID, Supports] = OrderedDict()
        self._bytes = 0

    async def supports(self, candidates: Sequence[Candidate], index: PrototypeIndex) -> list[Supports]:
        """The support photos of these candidates of an index, as they were at its version, by its backbone."""
        found = {each.defect_class.id: self._kept.get(each.defect_class.id) for each in candidates}
        missing = [
            each
            for each in candidates
            if (kept := found[each.defect_class.id]) is None or kept.candidate.changed_in != each.changed_in
        ]
        if missing:
            found |= await self._read(missing, index)
        for class_id in self._kept.keys() & found.keys():
            self._kept.move_to_end(class_id)
        while self._bytes > BYTES_KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.embeddings.nbytes
        return [supports for supports in found.values() if supports is not None]

    async def _read(self, missing: Sequence[Candidate], index: PrototypeIndex) -> dict[UUID, Supports]:
        class_ids = [each.defect_class.id for each in missing]
        async with self._database.reading() as session:
            # While the photo was embedded the catalog may have moved on; the answer is of one version all the same.
            rows = await history.supports(session, class_ids, index.backbone_id, index.version)
        read = dict(zip(class_ids, by_class(missing, rows), strict=True))
        for class_id, supports in read.items():
            if (old := self._kept.pop(class_id, None)) is not None:
                self._bytes -= old.embeddings.nbytes
            self._kept[class_id] = supports
            self._bytes += supports.embeddings.nbytes
        return read
