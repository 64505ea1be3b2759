"""Batches of photos to classify: making them, looking at them, taking them back."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from app.access.audit.repository import record
from app.acting import acting
from app.api.idempotency.service import Guard
from app.api.pagination import Page, cut
from app.inspections.service import InspectionService
from app.jobs import repository
from app.jobs.errors import JobNotFound, TooManyFollowers
from app.jobs.receiving import BatchReceiver, Draft, delete_job
from app.jobs.schemas import BatchParameters, ItemProblem, JobOut, JobResult, JobResults
from app.photos.intake import Upload
from app.photos.path import PhotoPath
from app.storage.database import Database

WATCH_S = 0.5
"""Between two looks at the jobs that somebody follows."""

MAX_FOLLOWERS = 100
"""Who follow jobs at a time, for hours; each has a connection of its own."""


class JobService:
    """Jobs as their callers see them; `wake` is called when there is work to do."""

    def __init__(
        self,
        database: Database,
        inspections: InspectionService,
        photos: PhotoPath,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._photos = photos
        self._inspections = inspections
        self._receiver = BatchReceiver(database, photos.archive, photos.intake)
        self._wake = wake
        self.max_photo_bytes = photos.intake.max_bytes
        self._closing = asyncio.Event()
        self._followed: list[UUID] = []
        self._next_look: asyncio.Task[dict[UUID, JobOut]] | None = None

    async def receive(self, catalog: str, parameters: BatchParameters, uploads: AsyncIterable[Upload]) -> Draft:
        """Store the photos of a batch; `begin` or `discard` it then.

        Raises:
            CatalogNotFound, CatalogEmpty: before the first photo is read.
            Other errors: as `BatchReceiver.receive`.
        """
        catalog_id, index = await self._inspections.index(catalog)
        transform = (await self._photos.embedders.get(index.backbone_id)).manifest.transform
        return await self._receiver.receive("classify", catalog_id, parameters.model_dump(), uploads, transform)

    async def begin(self, draft: Draft, guard: Guard) -> JobOut:
        """Let the work on a batch begin."""
        async with self._database.writing() as session:
            await session.run_sync(guard.claim)
            await repository.begin(session, draft.job_id)
            row = await repository.job(session, draft.job_id)
            if row is None:
                raise JobNotFound("The catalog was deleted while the photos were sent.")
            answer = _out(*row)
            await session.run_sync(guard.keep, answer)
        self._wake()
        return answer

    async def discard(self, draft: Draft) -> None:
        """Forget a batch that has not begun."""
        await self._receiver.discard(draft.job_id)

    async def get(self, job_id: UUID) -> JobOut:
        """How far a job is. Raises `JobNotFound`."""
        async with self._database.reading() as session:
            row = await repository.job(session, job_id)
        if row is None:
            raise JobNotFound
        return _out(*row)

    async def list_jobs(self, before: UUID | None, limit: int) -> Page[JobOut]:
        """A page of the jobs that whoever is acting may see, newest first."""
        async with self._database.reading() as session:
            rows = await repository.jobs(session, acting().catalogs(), before, limit)
        page, cursor = cut([_out(*row) for row in rows], limit)
        return Page(items=list(page), next_cursor=cursor)

    @contextmanager
    def following(self, job_id: UUID) -> Iterator[None]:
        """Be one who follows a job. Raises `TooManyFollowers`."""
        if len(self._followed) >= MAX_FOLLOWERS:
            raise TooManyFollowers
        self._followed.append(job_id)
        try:
            yield
        finally:
            self._followed.remove(job_id)

    async def follow(self, job: JobOut) -> AsyncIterator[JobOut]:
        """How far a job is, each time that it has moved; ends when it is finished, is deleted, or the service ends.

        Within `following`.
        """
        last: JobOut | None = None
        now: JobOut | None = job
        while now is not None and not self._closing.is_set():
            if now != last:
                yield now
            if now.state == "finished":
                return
            last, now = now, (await self._look()).get(job.id)

    async def _look(self) -> dict[UUID, JobOut]:
        """The jobs that are followed as they will be in a moment: all who ask until then share one look at them."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look_soon())
        # One who leaves must not take the look from the others.
        return await asyncio.shield(self._next_look)

    async def _look_soon(self) -> dict[UUID, JobOut]:
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_S):
                await self._closing.wait()
        self._next_look = None
        if self._closing.is_set() or not self._followed:
            return {}
        async with self._database.reading() as session:
            rows = await repository.some_jobs(session, set(self._followed))
        return {row[0]: _out(*row) for row in rows}

    async def results(self, job_id: UUID, position: int, limit: int) -> JobResults:
        """Outcomes of a job from a position on. Raises `JobNotFound`."""
        await self.get(job_id)
        async with self._database.reading() as session:
            items = await repository.items(session, job_id, position, limit)
        page = items[:limit]
        ids = [item.classification_id for item in page if item.classification_id is not None]
        answers = await self._inspections.get_all(ids)
        results = [
            JobResult(
                position=item.position,
                filename=item.filename,
                state=item.state,
                classification=answers.get(item.classification_id) if item.classification_id else None,
                problem=ItemProblem.model_validate(item.problem) if item.problem else None,
            )
            for item in page
        ]
        return JobResults(items=results, next_position=page[-1].position + 1 if len(items) > limit else None)

    async def delete(self, job_id: UUID) -> None:
        """Delete a job: what still waits is not done any more. Raises `JobNotFound`."""
        async with self._database.writing() as session:
            catalog_id = await delete_job(session, self._photos.archive, job_id)
            if catalog_id is None:
                raise JobNotFound
            record(session, "job-deleted", catalog_id, job_id)

    async def forget_outdated(self) -> None:
        """Delete what is kept no longer, and what dead processes left."""
        async with self._database.writing() as session:
            for job_id in await repository.outdated(session):
                await delete_job(session, self._photos.archive, job_id)

    def end_follows(self) -> None:
        """End every `follow`: the service is about to close."""
        self._closing.set()


def _out(job_id: UUID, kind: str, catalog: str, created_at: object, total: int, done: int, failed: int) -> JobOut:
    return JobOut.model_validate(
        {
            "id": job_id,
            "kind": kind,
            "catalog": catalog,
            "state": "finished" if done + failed == total else "running",
            "total": total,
            "done": done,
            "failed": failed,
            "created_at": created_at,
        }
    )
