"""Working through the photos of jobs, in the background of every process of the service."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel

from app.acting import Principal, acting_as
from app.errors import (
    CatalogNotFound,
    DatabaseUnavailable,
    DecoderUnavailable,
    EmbedderUnavailable,
    HajaError,
    QueueFull,
    StorageFull,
    StorageUnavailable,
)
from app.inspections.schemas import ClassificationOut
from app.inspections.service import InspectionService
from app.jobs import repository
from app.jobs.schemas import BatchParameters
from app.jobs.tables import JobItem
from app.parallel import for_each
from app.photos.intake import Intake, KeptPhoto
from app.photos.repository import ArchiveRepository
from app.storage.database import Database, SyncSession

POLL_S = 2.0
"""Between two looks for work that came through another process."""

PAUSE_S = 1.0
"""After something was out of reach or busy, before the next try."""

TRIES = 3
"""Claims of one photo: whatever kills its worker must not do so forever."""

TEMPORARY = (
    QueueFull,
    DecoderUnavailable,
    EmbedderUnavailable,
    DatabaseUnavailable,
    StorageUnavailable,
    StorageFull,
)
"""Errors that are not the photo's: it is tried again."""

_log = structlog.get_logger(__name__)


class SettledError(Exception):
    """Somebody else has worked on the photo, or its job was deleted."""


class BatchWorker:
    """Claims photos and classifies them. Each leads to one classification, whoever dies in between."""

    def __init__(
        self,
        database: Database,
        archive: ArchiveRepository,
        inspections: InspectionService,
        intake: Intake,
    ) -> None:
        self._database = database
        self._archive = archive
        self._inspections = inspections
        # As many as one request with many photos: the places of the others are for inspectors who wait.
        self._parallel = intake.parallel
        self._work = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._work.set()

    async def run(self) -> None:
        """Work until cancelled; what is in hand then is claimed by others when the lease has run out, or at once."""
        while True:
            try:
                if await self.work_once():
                    continue
                pause = POLL_S
            except Exception as error:  # noqa: BLE001 - whatever it was, the next photo may be sound
                _log.warning("a batch waits", reason=getattr(error, "detail", repr(error)))
                pause = PAUSE_S
            self._work.clear()
            # Not wait_for, which in Python 3.11 forgets that it was cancelled where there is work at the same moment.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._work.wait()

    async def work_once(self, job_id: UUID | None = None) -> bool:
        """Claim some photos, of any job or of one, and work on them; False where none waits.

        Raises:
            HajaError: something that they need is out of reach; they wait again.
        """
        async with self._database.reading() as session:
            if not await repository.waits(session, job_id):
                return False
        async with self._database.writing() as session:
            claimed = await repository.claim(session, 4 * self._parallel, job_id)
        unfinished = {(item.job_id, item.position) for item, _, _ in claimed}

        async def work(row: Any) -> None:
            item, job, catalog = row
            with acting_as(Principal(job.actor_id, job.actor)):
                await self._classify(item, catalog, BatchParameters.model_validate(job.parameters))
            unfinished.discard((item.job_id, item.position))

        try:
            await for_each(claimed, work, self._parallel)
        finally:
            if unfinished:
                await asyncio.shield(self._give_back(unfinished))
        return bool(claimed)

    async def _classify(self, item: JobItem, catalog: str, wanted: BatchParameters) -> None:
        if item.photo_sha256 is None:
            return
        guard = _ItemGuard(item)
        try:
            if item.attempts > TRIES:
                await self._fail(item, "given-up", "The service broke down on this photo again and again.")
                return
            photo = KeptPhoto(item.filename, await self._archive.bytes(item.photo_sha256))
            await self._inspections.classify(catalog, photo, wanted.top_k, guard, wanted.coverage)
        except SettledError:
            return
        except TEMPORARY:
            raise
        except CatalogNotFound:
            # Renamed: the next claim knows its new name. Deleted: the job is gone as well.
            await self._give_back({(item.job_id, item.position)})
        except HajaError as error:
            await self._fail(item, error.code, error.detail)
        except Exception:  # noqa: BLE001 - one bad photo must not stop its batch
            _log.exception("a photo of a batch failed", job=str(item.job_id), position=item.position)
            await self._fail(item, "internal-error", "The service failed on this photo in a way it did not expect.")

    async def _fail(self, item: JobItem, code: str, detail: str) -> None:
        async with self._database.writing() as session:
            problem = {"code": code, "detail": detail}
            if await session.run_sync(repository.settle, item.job_id, item.position, "failed", problem=problem):
                assert item.photo_sha256 is not None  # noqa: S101 - asked by the caller
                await self._archive.forget_unreferenced(session, [item.photo_sha256])

    async def _give_back(self, keys: set[tuple[UUID, int]]) -> None:
        # Where this fails as well, the lease runs out by itself.
        with suppress(HajaError):
            async with self._database.writing() as session:
                for job_id, position in keys:
                    await repository.give_back(session, job_id, position)


class _ItemGuard:
    """An item is settled in the transaction of its classification: either both are there or neither."""

    def __init__(self, item: JobItem) -> None:
        self._job_id, self._position = item.job_id, item.position

    def claim(self, session: SyncSession) -> None:
        """Settle the item. Raises `SettledError`."""
        if not repository.settle(session, self._job_id, self._position, "done"):
            raise SettledError

    def keep(self, session: SyncSession, answer: BaseModel) -> None:
        """Name the classification."""
        assert isinstance(answer, ClassificationOut)  # noqa: S101 - nothing else is guarded by an item
        repository.name_classification(session, self._job_id, self._position, answer.id)
