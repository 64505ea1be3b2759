"""A catalog's prototypes in memory, as one matrix; only what changed is read again."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.catalogs import repository
from app.catalogs.repository import unpack
from app.catalogs.schemas import ClassKind, DefectClassName
from app.errors import CatalogNotFound
from app.storage.database import Database
from models.prototypes import prototype

CATALOGS_KEPT = 64


@dataclass(frozen=True)
class Candidate:
    """A class that a photo may show; `threshold` None means the backbone's own."""

    defect_class: DefectClassName
    threshold: float | None
    changed_in: int
    kind: ClassKind = "defect"


@dataclass(frozen=True)
class PrototypeIndex:
    """A catalog's prototypes at one version; never changes.

    The embeddings are by the backbone `backbone_id`. `matrix` is float32 [R, D]; row `rows[i]` is the prototype of
    `candidates[i]`. Rows that no candidate names are of earlier versions. `shots` int64 [C] and `lengths` float64 [C],
    the lengths of the embedding sums, are of the candidates. `scans`: photos are looked at everywhere.
    """

    version: int
    backbone_id: str
    matrix: NDArray[np.float32]
    rows: NDArray[np.int64]
    candidates: tuple[Candidate, ...]
    shots: NDArray[np.int64]
    lengths: NDArray[np.float64]
    scans: bool = False


@dataclass(frozen=True)
class ClassTotal:
    """A class with the sum of its support embeddings, float64 [D]; None where it has none."""

    class_id: UUID
    candidate: Candidate
    embedding_sum: NDArray[np.float64] | None
    shots: int


def build_index(version: int, backbone_id: str, classes: list[ClassTotal], *, scans: bool = False) -> PrototypeIndex:
    """The prototypes of a catalog of which every class is given, to the bit those of the cache."""
    return _Prototypes(backbone_id).merge(version, classes, None, scans=scans)


class _Prototypes:
    """Prototypes by one backbone.

    They are only ever appended, so that an index that is in use stays true; now and then they are repacked.
    """

    def __init__(self, backbone_id: str) -> None:
        self.index: PrototypeIndex | None = None
        self._backbone_id = backbone_id
        self._storage = np.empty((0, 0), np.float32)
        self._used = 0
        self._row_of: dict[UUID, int] = {}
        self._candidates: dict[UUID, Candidate | None] = {}
        self._spread: dict[UUID, tuple[int, float]] = {}

    def known(self, changes: list[ClassTotal]) -> int:
        """How many classes there are after these changes, if none was removed."""
        return len(self._candidates.keys() | {change.class_id for change in changes})

    def merge(
        self, version: int, changes: list[ClassTotal], remaining: Iterable[UUID] | None, *, scans: bool
    ) -> PrototypeIndex:
        """Take changes over; `remaining` names the classes that are left where some were removed."""
        for change in changes:
            self._row_of.pop(change.class_id, None)
            self._candidates[change.class_id] = None if change.embedding_sum is None else change.candidate
        if remaining is not None:
            for class_id in self._candidates.keys() - set(remaining):
                del self._candidates[class_id]
                self._row_of.pop(class_id, None)
                self._spread.pop(class_id, None)
        added = [(change, change.embedding_sum) for change in changes if change.embedding_sum is not None]
        if added:
            totals = np.stack([total for _, total in added])
            for (change, _), length in zip(added, np.linalg.norm(totals, axis=1).tolist(), strict=True):
                self._spread[change.class_id] = (change.shots, length)
            self._append([change.class_id for change, _ in added], prototype(totals))
        candidates = tuple(found for class_id in self._row_of if (found := self._candidates[class_id]) is not None)
        rows = np.fromiter(self._row_of.values(), np.int64, len(self._row_of))
        spread = [self._spread[class_id] for class_id in self._row_of]
        shots = np.array([shots for shots, _ in spread], np.int64)
        lengths = np.array([length for _, length in spread], np.float64)
        self.index = PrototypeIndex(
            version, self._backbone_id, self._storage[: self._used], rows, candidates, shots, lengths, scans
        )
        return self.index

    def _append(self, class_ids: list[UUID], vectors: NDArray[np.float32]) -> None:
        if self._used + len(vectors) > len(self._storage):
            kept = list(self._row_of)
            # Twice the living rows: the copying is spread over at least as many appends as rows were copied.
            storage = np.empty((2 * (len(kept) + len(vectors)), vectors.shape[1]), np.float32)
            storage[: len(kept)] = self._storage[list(self._row_of.values())] if kept else 0
            self._storage, self._used = storage, len(kept)
            self._row_of = {class_id: row for row, class_id in enumerate(kept)}
        self._storage[self._used : self._used + len(vectors)] = vectors
        for row, class_id in enumerate(class_ids, self._used):
            self._row_of[class_id] = row
        self._used += len(vectors)


@dataclass
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    prototypes: _Prototypes | None = None

    @property
    def index(self) -> PrototypeIndex | None:
        return None if self.prototypes is None else self.prototypes.index


class PrototypeCache:
    """Indexes of the catalogs that were used last, each brought up to date when its catalog's version has moved."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()

    async def index(self, catalog_id: UUID, version: int) -> PrototypeIndex:
        """The prototypes of a catalog at `version` or later.

        Raises:
            CatalogNotFound: it was deleted since its version was read.
        """
        entry = self._entries.setdefault(catalog_id, _Entry())
        self._entries.move_to_end(catalog_id)
        if len(self._entries) > CATALOGS_KEPT:
            self._entries.popitem(last=False)
        async with entry.lock:
            if entry.index is None or entry.index.version < version:
                await self._refresh(entry, catalog_id)
        assert entry.index is not None  # noqa: S101 - merge() has set it
        return entry.index

    async def _refresh(self, entry: _Entry, catalog_id: UUID) -> None:
        # One reading session sees one state: the version, the changes and the count belong together.
        async with self._database.reading() as session:
            turn = await repository.last_turn(session, catalog_id)
            if turn is None:
                raise CatalogNotFound("The catalog was deleted a moment ago.")
            version, backbone_id = turn
            prototypes, since = entry.prototypes, 0
            if prototypes is None or prototypes.index is None or prototypes.index.backbone_id != backbone_id:
                prototypes = _Prototypes(backbone_id)
            else:
                since = prototypes.index.version
            rows = await repository.changes(session, catalog_id, backbone_id, since)
            changes = [
                ClassTotal(
                    class_id,
                    Candidate(
                        DefectClassName(id=class_id, name=name, title_ko=ko, title_en=en, severity=severity),
                        threshold,
                        changed_in,
                        kind,
                    ),
                    None if embedding_sum is None else unpack(embedding_sum),
                    shots or 0,
                )
                for class_id, kind, name, ko, en, severity, threshold, changed_in, embedding_sum, shots in rows
            ]
            remaining = None
            if prototypes.known(changes) != await repository.class_count(session, catalog_id):
                remaining = await repository.class_ids(session, catalog_id)
            scans = await repository.scans(session, catalog_id)
        await asyncio.to_thread(prototypes.merge, version, changes, remaining, scans=scans)
        entry.prototypes = prototypes
