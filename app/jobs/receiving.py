"""Taking in a batch: photos are checked and stored while they arrive, and the job begins with the last of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.catalogs import repository as catalog_rows
from app.errors import CatalogNotFound, HajaError, QueueFull
from app.jobs import repository
from app.jobs.errors import NoPhotos, TooManyBatchPhotos
from app.jobs.schemas import JobKind
from app.photos.intake import CheckedPhoto, Intake, Refused, Upload, display_name
from app.photos.reading import PhotoError
from app.photos.repository import ArchiveRepository
from app.storage.database import Database, Session
from models.manifest import Transform

MAX_PHOTOS = 1000
"""Of one batch."""

GROUP_PHOTOS, GROUP_BYTES = 16, 16_000_000
"""Photos that are in memory together, and written in one transaction."""

PATIENCE_S = 0.1
"""Between two tries of a batch to get a place where single photos have taken all."""


@dataclass(frozen=True)
class Draft:
    """A job whose photos are stored. `digest` is of the names and bytes of all that was sent."""

    job_id: UUID
    digest: str


class BatchReceiver:
    """Makes jobs of uploads."""

    def __init__(
        self,
        database: Database,
        archive: ArchiveRepository,
        intake: Intake,
    ) -> None:
        self._database = database
        self._archive = archive
        self._intake = intake
        self._discarded: set[UUID] = set()

    async def receive(
        self,
        kind: JobKind,
        catalog_id: UUID,
        parameters: dict[str, Any],
        uploads: AsyncIterable[Upload],
        transform: Transform,
    ) -> Draft:
        """Store photos as the items of a job that has not begun; one that cannot be used is an item that failed.

        Raises:
            CatalogNotFound: the catalog is gone.
            NoPhotos, TooManyBatchPhotos: nothing is stored then, nor after any other error.
            DecoderUnavailable, DatabaseUnavailable, StorageUnavailable, StorageFull: see their docstrings.
        """
        groups = _groups(uploads)
        # Before anything is written: a rush of batches that are refused as they begin would keep the database from
        # others.
        first = await anext(groups, None)
        if first is None:
            raise NoPhotos(f"The batch holds no photo: send 1 to {MAX_PHOTOS} files in the field photos.")
        await self._delete_discarded()
        async with self._database.writing() as session:
            await self._hold(session, catalog_id)
            job_id = await repository.add_job(session, kind, catalog_id, parameters, ready=False)
        try:
            return Draft(job_id, await self._store(catalog_id, job_id, first, groups, transform))
        except BaseException:
            # Shielded: where the caller has hung up, this task is being cancelled.
            await asyncio.shield(self.discard(job_id))
            raise

    async def discard(self, job_id: UUID) -> None:
        """Delete a job and the photos that only it held; where that cannot be now, before the next batch is taken."""
        self._discarded.add(job_id)
        # On a full disk there is no room even to delete; why the batch was refused must not be replaced by that.
        with suppress(HajaError):
            await self._delete_discarded()

    async def _delete_discarded(self) -> None:
        for job_id in list(self._discarded):
            async with self._database.writing() as session:
                await delete_job(session, self._archive, job_id)
            self._discarded.discard(job_id)

    async def _hold(self, session: Session, catalog_id: UUID) -> None:
        if not await session.run_sync(catalog_rows.hold, catalog_id):
            raise CatalogNotFound("The catalog was deleted while the photos were sent.")

    async def _store(
        self,
        catalog_id: UUID,
        job_id: UUID,
        group: list[Upload],
        rest: AsyncIterator[list[Upload]],
        transform: Transform,
    ) -> str:
        digest = hashlib.sha256()
        count = 0
        while group:
            if count + len(group) > MAX_PHOTOS:
                raise TooManyBatchPhotos(f"A batch has at most {MAX_PHOTOS} photos: send the rest as another.")
            checked = await asyncio.gather(*(self._check(upload, transform) for upload in group))
            for upload in group:
                # Of a refused photo as well: the same key with another bad photo is another request.
                own = await asyncio.to_thread(hashlib.sha256, await upload.read())
                digest.update(f"{upload.filename}\0{own.hexdigest()}\n".encode(errors="surrogatepass"))
            photos = [photo for photo in checked if isinstance(photo, CheckedPhoto)]
            await self._archive.store(photos)
            async with self._database.writing() as session:
                await self._hold(session, catalog_id)
                if photos:
                    await session.run_sync(self._archive.keep, photos)
                items = [_item(photo) | {"position": place} for place, photo in enumerate(checked, count)]
                await repository.add_items(session, [item | {"job_id": job_id} for item in items])
            count += len(group)
            group = await anext(rest, [])
        return digest.hexdigest()

    async def _check(self, upload: Upload, transform: Transform) -> CheckedPhoto | Refused:
        while True:
            try:
                return await self._intake.check(upload, transform)
            except PhotoError as error:
                return Refused(display_name(upload.filename), error)
            except QueueFull:
                await asyncio.sleep(PATIENCE_S)


async def delete_job(session: Session, archive: ArchiveRepository, job_id: UUID) -> UUID | None:
    """Delete a job and the photos that only it held; the catalog it was for, None where it was not there."""
    held = await repository.sha256s(session, job_id)
    catalog_id = await repository.remove(session, job_id)
    await archive.forget_unreferenced(session, held)
    return catalog_id


async def _groups(uploads: AsyncIterable[Upload]) -> AsyncIterator[list[Upload]]:
    group: list[Upload] = []
    async for upload in uploads:
        group.append(upload)
        if len(group) == GROUP_PHOTOS or sum(each.size or 0 for each in group) >= GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _item(photo: CheckedPhoto | Refused) -> dict[str, Any]:
    if isinstance(photo, CheckedPhoto):
        return {"filename": photo.filename, "photo_sha256": photo.decoded.sha256, "state": "waiting", "problem": None}
    problem = {"code": photo.error.code, "detail": photo.error.detail}
    return {"filename": photo.filename, "photo_sha256": None, "state": "failed", "problem": problem}
