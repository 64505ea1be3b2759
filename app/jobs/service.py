"""Batches of photos to classify: making them, looking at them, taking them back."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from app.access.audit.repository import record
from app.acting import Principal, Role, acting
from app.api.idempotency.service import Guard
from app.api.pagination import Page, cut
from app.errors import Unauthenticated
from app.inspections.service import InspectionService
from app.jobs import repository
from app.jobs.errors import JobNotFound, TooManyFollowers
from app.jobs.receiving import BatchReceiver, Draft, delete_job
from app.jobs.schemas import BatchParameters, ItemProblem, JobOut, JobResult, JobResults
from app.jobs.tables import Job
from app.photos.intake import Upload
from app.photos.path import PhotoPath
from app.storage.database import Database

WATCH_S = 0.5
"""Between two looks at the jobs that somebody follows."""

MAX_FOLLOWERS = 100
"""Who follow jobs at a time, for hours; each has a connection of its own."""

MAX_FOLLOWERS_OF_A_KEY = 10
"""So that no key takes the places of the others."""


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
        self._followed: list[tuple[UUID, UUID | None]] = []
        self._next_look: asyncio.Task[dict[UUID, tuple[UUID, JobOut]]] | None = None

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
            record(session, "batch-sent", row[0].catalog_id, draft.job_id, photos=answer.total)
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
        key_id = acting().id
        places_of_key = 0 if key_id is None else sum(each == key_id for _, each in self._followed)
        if len(self._followed) >= MAX_FOLLOWERS or places_of_key >= MAX_FOLLOWERS_OF_A_KEY:
            raise TooManyFollowers
        self._followed.append((job_id, key_id))
        try:
            yield
        finally:
            self._followed.remove((job_id, key_id))

    async def follow(self, job: JobOut, ask_again: Callable[[], Awaitable[Principal]]) -> AsyncIterator[JobOut]:
        """How far a job is, each time that it has moved; ends when it is finished, is deleted, or the service ends.

        It ends as well when whoever follows, by `ask_again`, may not see it any more. Within `following`.
        """
        last: JobOut | None = None
        now = job
        while not self._closing.is_set():
            if now != last:
                yield now
            if now.state == "finished":
                return
            found = (await self._look()).get(job.id)
            if found is None:
                return
            last, (catalog_id, now) = now, found
            try:
                who = await ask_again()
            except Unauthenticated:
                return
            if not who.may(Role.INSPECTOR, catalog_id):
                return

    async def _look(self) -> dict[UUID, tuple[UUID, JobOut]]:
        """The jobs that are followed as they will be in a moment: all who ask until then share one look at them."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look_soon())
        # One who leaves must not take the look from the others.
        return await asyncio.shield(self._next_look)

    async def _look_soon(self) -> dict[UUID, tuple[UUID, JobOut]]:
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_S):
                await self._closing.wait()
        self._next_look = None
        if self._closing.is_set() or not self._followed:
            return {}
        async with self._database.reading() as session:
            rows = await repository.some_jobs(session, {job_id for job_id, _ in self._followed})
        return {row[0].id: (row[0].catalog_id, _out(*row)) for row in rows}

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


def _out(job: Job, catalog: str, total: int, done: int, failed: int) -> JobOut:
    return JobOut(
        id=job.id,
        kind=job.kind,
        catalog=catalog,
        state="finished" if done + failed == total else "running",
        total=total,
        done=done,
        failed=failed,
        actor_id=job.actor_id,
        actor=job.actor,
        created_at=job.created_at,
    )
