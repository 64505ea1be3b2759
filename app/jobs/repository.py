"""Every statement about jobs."""

from collections.abc import Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, case, delete, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.acting import actor
from app.catalogs.tables import Catalog
from app.jobs.schemas import ItemState, JobKind
from app.jobs.tables import Job, JobItem
from app.storage.database import SyncSession
from app.storage.tables import new_id

LEASE = timedelta(minutes=1)
"""A claimed photo that is not finished after so long is given to somebody else: its worker is taken for dead."""

KEPT = timedelta(days=30)
"""As long as the Idempotency-Key that a batch came with."""

ABANDONED = timedelta(days=1)
"""No upload takes so long: the process that received it has died."""


async def add_job(
    session: AsyncSession, kind: JobKind, catalog_id: UUID, parameters: dict[str, Any], *, ready: bool
) -> UUID:
    """Insert a job without items; its id. Hold the catalog first: it must be there."""
    job_id = new_id()
    fields = {"kind": kind, "catalog_id": catalog_id, "parameters": parameters, "ready": ready, **actor()}
    await session.execute(insert(Job).values(id=job_id, created_at=datetime.now(UTC), **fields))
    return job_id


async def add_items(session: AsyncSession, items: Sequence[dict[str, Any]]) -> None:
    """Insert items of a job."""
    await session.execute(insert(JobItem), [{"attempts": 0, **item} for item in items])


async def begin(session: AsyncSession, job_id: UUID) -> None:
    """All items are there: the work may begin."""
    await session.execute(update(Job).where(Job.id == job_id).values(ready=True))


async def job(session: AsyncSession, job_id: UUID) -> Row[Job, str, int, int, int] | None:
    """A job that has begun, its catalog's name, and the numbers of all, done and failed items."""
    return (await session.execute(_described().where(Job.id == job_id))).one_or_none()


async def some_jobs(session: AsyncSession, job_ids: Set[UUID]) -> Sequence[Row[Job, str, int, int, int]]:
    """As `job`, those of these jobs that have begun."""
    return (await session.execute(_described().where(Job.id.in_(job_ids)))).all()


async def jobs(
    session: AsyncSession, visible: Set[UUID] | None, before: UUID | None, limit: int
) -> Sequence[Row[Job, str, int, int, int]]:
    """As `job`, of visible catalogs (None: of all), newest first, before an id; one more than `limit`."""
    query = _described().order_by(Job.id.desc()).limit(limit + 1)
    query = query if visible is None else query.where(Job.catalog_id.in_(visible))
    return (await session.execute(query if before is None else query.where(Job.id < before))).all()


async def items(session: AsyncSession, job_id: UUID, position: int, limit: int) -> Sequence[JobItem]:
    """Items of a job from a position on; one more than `limit`."""
    query = select(JobItem).where(JobItem.job_id == job_id, JobItem.position >= position)
    return (await session.scalars(query.order_by(JobItem.position).limit(limit + 1))).all()


async def waiting(session: AsyncSession, job_id: UUID, limit: int) -> Sequence[JobItem]:
    """The first items of a job that are not finished, claimed or not."""
    query = select(JobItem).where(JobItem.job_id == job_id, JobItem.state == "waiting")
    return (await session.scalars(query.order_by(JobItem.position).limit(limit))).all()


async def waits(session: AsyncSession, job_id: UUID | None = None) -> bool:
    """Whether there is a photo to classify that can be claimed, of any job or of one."""
    return bool(await session.scalar(select(exists(_claimable(job_id).limit(1).subquery().select()))))


async def claim(session: AsyncSession, count: int, job_id: UUID | None = None) -> Sequence[Row[JobItem, Job, str]]:
    """Take photos to classify, oldest jobs first: each with its job and its catalog's name."""
    chosen = _claimable(job_id).order_by(JobItem.job_id, JobItem.position).limit(count)
    # Two workers of one PostgreSQL do not wait for each other: the second takes the next ones.
    keys = (await session.execute(chosen.with_for_update(of=JobItem, skip_locked=True))).all()
    if not keys:
        return []
    mine = tuple_(JobItem.job_id, JobItem.position).in_([tuple(key) for key in keys])
    await session.execute(
        update(JobItem).where(mine).values(claimed_until=datetime.now(UTC) + LEASE, attempts=JobItem.attempts + 1)
    )
    query = (
        select(JobItem, Job, Catalog.name)
        .join(Job, Job.id == JobItem.job_id)
        .join(Catalog, Catalog.id == Job.catalog_id)
        .where(mine)
        .order_by(JobItem.job_id, JobItem.position)
    )
    return (await session.execute(query)).all()


async def give_back(session: AsyncSession, job_id: UUID, position: int) -> None:
    """Let others claim an item that could not be worked on for no fault of its own."""
    await session.execute(
        update(JobItem)
        .where(JobItem.job_id == job_id, JobItem.position == position, JobItem.state == "waiting")
        .values(claimed_until=None, attempts=JobItem.attempts - 1)
    )


def settle(
    session: SyncSession,
    job_id: UUID,
    position: int,
    state: ItemState,
    problem: dict[str, str] | None = None,
) -> bool:
    """Write the outcome of a waiting item; whether it still waited. Its photo is not held any more."""
    settled = session.scalar(
        update(JobItem)
        .where(JobItem.job_id == job_id, JobItem.position == position, JobItem.state == "waiting")
        .values(state=state, photo_sha256=None, claimed_until=None, problem=problem)
        .returning(JobItem.position)
    )
    return settled is not None


def name_classification(session: SyncSession, job_id: UUID, position: int, classification_id: UUID) -> None:
    """Say which classification an item led to."""
    session.execute(
        update(JobItem)
        .where(JobItem.job_id == job_id, JobItem.position == position)
        .values(classification_id=classification_id)
    )


async def sha256s(session: AsyncSession, job_id: UUID) -> Sequence[str]:
    """The photos that a job holds."""
    held = select(JobItem.photo_sha256).where(JobItem.job_id == job_id, JobItem.photo_sha256.is_not(None))
    return [sha256 for sha256 in await session.scalars(held.distinct()) if sha256 is not None]


async def remove(session: AsyncSession, job_id: UUID) -> UUID | None:
    """Delete a job with its items; the catalog it was for, None where it was not there."""
    return await session.scalar(delete(Job).where(Job.id == job_id).returning(Job.catalog_id))


async def outdated(session: AsyncSession) -> Sequence[UUID]:
    """Finished jobs that are older than `KEPT`, and uploads that were `ABANDONED`."""
    now = datetime.now(UTC)
    waiting = exists().where(JobItem.job_id == Job.id, JobItem.state == "waiting")
    old = (Job.created_at < now - KEPT) & ~waiting
    abandoned = (Job.created_at < now - ABANDONED) & ~Job.ready
    return (await session.scalars(select(Job.id).where(or_(old, abandoned)))).all()


def _claimable(job_id: UUID | None) -> Select[UUID, int]:
    query = (
        select(JobItem.job_id, JobItem.position)
        .join(Job, Job.id == JobItem.job_id)
        .where(
            Job.kind == "classify",
            Job.ready,
            JobItem.state == "waiting",
            or_(JobItem.claimed_until.is_(None), JobItem.claimed_until < datetime.now(UTC)),
        )
    )
    return query if job_id is None else query.where(Job.id == job_id)


def _described() -> Select[Job, str, int, int, int]:
    def count(state: ItemState) -> Any:
        return func.count(case((JobItem.state == state, 1)))

    return (
        select(Job, Catalog.name, func.count(JobItem.position), count("done"), count("failed"))
        .join(Catalog, Catalog.id == Job.catalog_id)
        .outerjoin(JobItem, JobItem.job_id == Job.id)
        .where(Job.ready)
        .group_by(Job.id, Catalog.name)
    )
