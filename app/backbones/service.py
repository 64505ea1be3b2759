"""Embedding a catalog's support photos by another backbone, comparing the two, and switching over."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.access.audit.repository import record
from app.backbones import repository
from app.catalogs import repository as catalog_rows
from app.catalogs.schemas import Share
from app.catalogs.service import CatalogService
from app.errors import CatalogNotFound, HajaError
from app.evaluation.service import judge_by_others
from app.jobs import repository as job_rows
from app.jobs.schemas import ItemState
from app.jobs.tables import JobItem
from app.jobs.worker import TEMPORARY
from app.parallel import for_each
from app.photos.intake import KeptPhoto, ReceivedPhoto
from app.photos.path import PhotoPath
from app.photos.reading import PhotoDamaged
from app.storage.database import Database
from models.prototypes import embedding_sum
from models.windows import Part

GROUP = 16
"""Photos that are embedded, and written in one transaction, at a time."""


@dataclass(frozen=True)
class Comparison:
    """Leave-one-out accuracy of two backbones on the same support photos, and on how many only one was right."""

    photos: int
    old: Share | None
    new: Share | None
    only_old: int
    only_new: int

    @property
    def chance(self) -> float:
        """The probability of so unequal a division, or a more unequal one, between equals (exact sign test)."""
        total, fewer = self.only_old + self.only_new, min(self.only_old, self.only_new)
        as_unequal = sum(comb(total, count) for count in range(fewer + 1))
        return min(1.0, 2 * as_unequal / float(2**total))


class ReembeddingService:
    """Moves catalogs to the backbone that this process was opened with."""

    def __init__(
        self,
        database: Database,
        catalogs: CatalogService,
        photos: PhotoPath,
    ) -> None:
        self._database = database
        self._catalogs = catalogs
        self._photos = photos
        self._new = photos.embedders.own

    async def catalogs(self) -> list[str]:
        """The names of all catalogs."""
        async with self._database.reading() as session:
            return list(await repository.catalogs(session))

    async def begin(self, catalog_name: str) -> UUID | None:
        """The job that embeds what a catalog lacks: one that was begun before, or a new one; None: it lacks nothing.

        Raises:
            CatalogNotFound: there is no such catalog.
        """
        async with self._database.writing() as session:
            catalog = await self._catalogs.find(session, catalog_name)
            if not await session.run_sync(catalog_rows.hold, catalog.id):
                raise CatalogNotFound(f"The catalog {catalog_name!r} was deleted in the meantime.")
            backbone_id = self._new.backbone_id
            if (job_id := await repository.open_job(session, catalog.id, backbone_id)) is not None:
                return job_id
            missing = await repository.missing(session, catalog.id, backbone_id)
            if not missing:
                return None
            job_id = await job_rows.add_job(session, "reembed", catalog.id, {"backbone_id": backbone_id}, ready=True)
            items: list[dict[str, Any]] = [
                {
                    "job_id": job_id,
                    "position": position,
                    "filename": filename,
                    "photo_sha256": sha256,
                    "state": "waiting",
                    "problem": None,
                }
                for position, (sha256, filename) in enumerate(missing)
            ]
            await job_rows.add_items(session, items)
        return job_id

    async def work_once(self, job_id: UUID) -> bool:
        """Embed the next photos of a job; False where none waits. Two who do so at once do the same twice, and no harm.

        Raises:
            HajaError: something that they need is out of reach; they wait.
        """
        async with self._database.reading() as session:
            waiting = await job_rows.waiting(session, job_id, GROUP)
        taken: list[tuple[JobItem, list[ReceivedPhoto] | HajaError]] = []

        async def take(item: JobItem) -> None:
            taken.append((item, await self._take(item)))

        await for_each(waiting, take, self._photos.intake.parallel)
        # Always in the same order: two transactions that wait for each other would be one too many.
        await self._write(sorted(taken, key=lambda each: each[0].position))
        return bool(waiting)

    async def compare(self, catalog_name: str) -> tuple[str, Comparison]:
        """The backbone that answers for a catalog, and how the new one does beside it."""
        async with self._database.reading() as session:
            catalog = await self._catalogs.find(session, catalog_name)
            rows = await repository.pairs(session, catalog.id, catalog.backbone_id, self._new.backbone_id)
        ids = [class_id for class_id, _, _ in rows]
        labels = np.unique(np.array([each.int for each in ids], object), return_inverse=True)[1].astype(np.int64)
        old, _ = await asyncio.to_thread(judge_by_others, [vector for _, vector, _ in rows], labels)
        new, _ = await asyncio.to_thread(judge_by_others, [vector for _, _, vector in rows], labels)
        known = old >= 0
        right_old, right_new = old[known] == labels[known], new[known] == labels[known]
        return catalog.backbone_id, Comparison(
            photos=int(known.sum()),
            old=Share.of(int(right_old.sum()), int(known.sum())),
            new=Share.of(int(right_new.sum()), int(known.sum())),
            only_old=int((right_old & ~right_new).sum()),
            only_new=int((right_new & ~right_old).sum()),
        )

    async def switch(self, catalog_name: str) -> list[str]:
        """Let the new backbone answer for a catalog from now on.

        Returns:
            The file names of support photos that it has not embedded; where there are any, nothing was switched.
        """
        while True:
            async with self._database.reading() as session:
                catalog = await self._catalogs.find(session, catalog_name)
                if catalog.backbone_id == self._new.backbone_id:
                    return []
                if missing := await repository.missing(session, catalog.id, self._new.backbone_id):
                    return [filename for _, filename in missing]
                rows = await catalog_rows.support_embeddings(session, catalog.id, self._new.backbone_id)
            prototypes = await asyncio.to_thread(_prototypes, rows)
            async with self._database.writing() as session:
                turn = await catalog_rows.next_version(session, catalog.id)
                if turn is not None and turn.version == catalog.version + 1:
                    await repository.switch(session, catalog.id, self._new.backbone_id, turn.version, prototypes)
                    old, new = catalog.backbone_id, self._new.backbone_id
                    record(session, "backbone-switched", catalog.id, name=catalog_name, old=old, new=new)
                    return []
                # Somebody changed the catalog in between: this change of its version comes to nothing as well.
                await session.rollback()

    async def _take(self, item: JobItem) -> list[ReceivedPhoto] | HajaError:
        """A photo as a whole, and its parts that are examples."""
        assert item.photo_sha256 is not None  # noqa: S101 - it waits
        try:
            photo = KeptPhoto(item.filename, await self._photos.archive.bytes(item.photo_sha256))
            taken = await self._photos.intake.take(photo, self._new)
            async with self._database.reading() as session:
                parts = [Part.parse(text) for text in await repository.parts(session, item.photo_sha256)]
            embedded = await self._photos.intake.take_parts(taken, parts, self._new) if parts else []
        except TEMPORARY:
            raise
        except HajaError as error:
            return error
        if taken.decoded.sha256 != item.photo_sha256:
            return PhotoDamaged("The stored bytes of this photo have changed.")
        return [taken, *(part for part in embedded if part)]

    async def _write(self, taken: list[tuple[JobItem, list[ReceivedPhoto] | HajaError]]) -> None:
        sound = [photo for _, photos in taken if not isinstance(photos, HajaError) for photo in photos]
        async with self._database.writing() as session:
            if sound:
                await session.run_sync(self._photos.archive.keep_embeddings, sound)
            for item, photo in taken:
                problem = {"code": photo.code, "detail": photo.detail} if isinstance(photo, HajaError) else None
                state: ItemState = "failed" if problem else "done"
                await session.run_sync(job_rows.settle, item.job_id, item.position, state, problem=problem)
            # Those that were removed from the catalog while they waited.
            sha256s = [item.photo_sha256 for item, _ in taken if item.photo_sha256 is not None]
            await self._photos.archive.forget_unreferenced(session, sha256s)


def _prototypes(rows: Sequence[tuple[UUID, bytes]]) -> list[tuple[UUID, NDArray[np.float64], int]]:
    by_class: dict[UUID, list[bytes]] = defaultdict(list)
    for class_id, vector in rows:
        by_class[class_id].append(vector)
    return [
        (class_id, embedding_sum(np.stack([np.frombuffer(vector, "<f4") for vector in vectors])), len(vectors))
        for class_id, vectors in by_class.items()
    ]
