"""Deleting answers with their photos, an hour's undo, and answers that a catalog keeps for some days only."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from app.access.audit.repository import record
from app.acting import Principal, Role, acting, acting_as
from app.api.idempotency.service import Once
from app.catalogs.service import CatalogService
from app.errors import HajaError
from app.inspections import repository
from app.inspections.chosen import Changed, Chosen
from app.inspections.errors import ClassificationNotFound
from app.inspections.schemas import DeletionOut, RetentionOut
from app.inspections.scopes import PHOTO
from app.photos.errors import PhotoNotFound
from app.photos.repository import ArchiveRepository
from app.storage.database import Database, Session
from app.storage.tables import new_id

UNDO = timedelta(hours=1)

LOOK_S = 600.0
"""Between two looks for what is to be removed."""

_AT_ONCE = 500
"""Answers removed in one transaction, so that others may write in between."""

_RETENTION = Principal(None, "retention", Role.ADMIN)

_log = structlog.get_logger(__name__)


class RemovalService:
    """A deleted answer is absent at once, and is really removed, with a photo that nothing else owns, an hour later."""

    def __init__(self, database: Database, catalogs: CatalogService, archive: ArchiveRepository) -> None:
        self._database = database
        self._catalogs = catalogs
        self._archive = archive

    async def delete(self, classification_id: UUID) -> DeletionOut:
        """Delete one answer. Raises `ClassificationNotFound`."""
        async with self._database.writing() as session:
            answer = await _delete(session, Chosen(ids=[classification_id]), Role.INSPECTOR)
            if not answer.classifications:
                raise ClassificationNotFound
        return answer

    async def delete_many(self, chosen: Chosen, once: Once) -> DeletionOut:
        """Delete what is chosen in catalogs where whoever acts is a curator."""
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            answer = await _delete(session, chosen, Role.CURATOR)
            await session.run_sync(once.keep, answer)
        return answer

    async def restore(self, deletion_id: UUID, once: Once) -> Changed:
        """Have back what one call deleted less than an hour ago; of what is removed by now, nothing."""
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            since = datetime.now(UTC) - UNDO
            counts = await repository.restore(session, deletion_id, since, acting().catalogs())
            for catalog_id, count in counts.items():
                record(session, "answers-restored", catalog_id, deletion_id, classifications=count)
            answer = Changed(classifications=sum(counts.values()))
            await session.run_sync(once.keep, answer)
        return answer

    async def retention(self, catalog_name: str, keep_days: int) -> RetentionOut:
        """What a catalog would lose at once if it kept its answers for so many days."""
        until = datetime.now(UTC) - timedelta(days=keep_days)
        async with self._database.reading() as session:
            catalog = await self._catalogs.find(session, catalog_name)
            count, oldest = await repository.older(session, catalog.id, until)
        return RetentionOut(keep_days=keep_days, classifications=count, oldest=oldest, until=until)

    async def require_shown(self, photo_id: str) -> None:
        """Raises `PhotoNotFound` for a photo that only deleted answers show."""
        async with self._database.reading() as session:
            if await session.scalar(PHOTO.catalogs(photo_id).limit(1)) is None:
                raise PhotoNotFound

    async def run(self) -> None:
        """Remove what is due now and then, until cancelled."""
        while True:
            try:
                await self.remove_due(datetime.now(UTC))
            except HajaError as error:
                _log.warning("what was deleted cannot be removed yet", reason=error.detail)
            await asyncio.sleep(LOOK_S)

    async def remove_due(self, now: datetime) -> None:
        """Delete what its catalog keeps no longer; remove for good what was deleted an hour before `now`."""
        async with self._database.reading() as session:
            outlived = await repository.outlived(session, now)
        with acting_as(_RETENTION):
            for catalog_id, until in outlived:
                async with self._database.writing() as session:
                    deletion_id = new_id()
                    count = await repository.delete_older(session, catalog_id, until, deletion_id, now)
                    record(session, "answers-deleted", catalog_id, deletion_id, classifications=count)
        while await self._remove_some(now - UNDO):
            pass

    async def _remove_some(self, until: datetime) -> bool:
        async with self._database.reading() as session:
            due = await repository.deleted_before(session, until, _AT_ONCE)
        if due:
            async with self._database.writing() as session:
                photos = await repository.remove(session, due, until)
                await self._archive.forget_unreferenced(session, sorted(set(photos)))
        return len(due) == _AT_ONCE


async def _delete(session: Session, chosen: Chosen, role: Role) -> DeletionOut:
    now, deletion_id = datetime.now(UTC), new_id()
    counts = await repository.change_many(
        session, chosen, acting().catalogs(role), {"deleted_at": now, "deletion_id": deletion_id}
    )
    conditions = chosen.conditions and chosen.conditions.model_dump(mode="json", exclude_none=True)
    for catalog_id, count in counts.items():
        ids = None if chosen.ids is None else [str(each) for each in chosen.ids]
        said = {"classifications": count, "conditions": conditions, "ids": ids if len(counts) == 1 else None}
        record(session, "answers-deleted", catalog_id, deletion_id, **said)
    return DeletionOut(deletion_id=deletion_id, classifications=sum(counts.values()), restorable_until=now + UNDO)
