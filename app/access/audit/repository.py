"""Every statement about the audit trail."""

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.tables import Action, AuditEntry
from app.acting import actor
from app.storage.tables import new_id


def record(
    session: AsyncSession, action: Action, catalog_id: UUID | None, subject_id: UUID | None = None, **detail: Any
) -> None:
    """Note in the caller's transaction that whoever is acting has changed something."""
    session.add(
        AuditEntry(
            id=new_id(),
            at=datetime.now(UTC),
            **actor(),
            action=action,
            catalog_id=catalog_id,
            subject_id=subject_id,
            detail=detail,
        )
    )


async def entries(
    session: AsyncSession,
    catalogs: Set[UUID] | None,
    *,
    action: Action | None,
    since: datetime | None,
    until: datetime | None,
    before: UUID | None,
    limit: int,
) -> Sequence[AuditEntry]:
    """Entries, newest first, before an id; one more than `limit`; of these catalogs only, where they are given."""
    query: Select[AuditEntry] = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit + 1)
    if catalogs is not None:
        query = query.where(AuditEntry.catalog_id.in_(catalogs))
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if until is not None:
        query = query.where(AuditEntry.at < until)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return (await session.scalars(query)).all()
