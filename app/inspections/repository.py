"""Every statement about classifications and feedback."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.archive.tables import Photo
from app.catalogs.tables import Catalog
from app.inspections.tables import Classification, Feedback


class InspectionRepository:
    """Rows of the inspection slice."""

    async def add_classification(self, session: AsyncSession, fields: dict[str, Any]) -> Classification:
        """Insert a classification."""
        row = Classification(created_at=datetime.now(UTC), **fields)
        session.add(row)
        await session.flush()
        return row

    async def classification(
        self, session: AsyncSession, classification_id: UUID
    ) -> Row[Classification, str, Photo] | None:
        """A classification with its catalog's name and its photo, or None."""
        return (await session.execute(_whole().where(Classification.id == classification_id))).one_or_none()

    async def classifications_by_id(
        self, session: AsyncSession, ids: Sequence[UUID]
    ) -> Sequence[Row[Classification, str, Photo]]:
        """As `classification`, for those of these ids that are there."""
        return (await session.execute(_whole().where(Classification.id.in_(ids)))).all()

    async def classifications(
        self, session: AsyncSession, catalog: str | None, *, unknown: bool | None, before: UUID | None, limit: int
    ) -> Sequence[Row[Classification, str, Photo]]:
        """Classifications, newest first, before an id; one more than `limit`."""
        if catalog is not None and "\0" in catalog:
            return []  # PostgreSQL refuses even to compare such a text
        query = _whole().order_by(Classification.id.desc()).limit(limit + 1)
        if catalog is not None:
            query = query.where(Catalog.name == catalog)
        if unknown is not None:
            query = query.where(Classification.unknown == unknown)
        if before is not None:
            query = query.where(Classification.id < before)
        return (await session.execute(query)).all()

    async def add_feedback(self, session: AsyncSession, fields: dict[str, Any]) -> Feedback:
        """Insert feedback."""
        row = Feedback(created_at=datetime.now(UTC), **fields)
        session.add(row)
        await session.flush()
        return row

    async def newest_feedback(self, session: AsyncSession, classification_ids: Sequence[UUID]) -> dict[UUID, Feedback]:
        """The newest feedback of each of these classifications that has any."""
        rows = await session.scalars(
            select(Feedback).where(Feedback.classification_id.in_(classification_ids)).order_by(Feedback.id)
        )
        return {row.classification_id: row for row in rows}

    async def judged(
        self, session: AsyncSession, catalog_id: UUID
    ) -> Sequence[Row[UUID, datetime, bool, list[dict[str, Any]], str]]:
        """Id, time, unknown, predictions and verdict of a catalog's answers, once for each feedback, oldest first."""
        query = (
            select(
                Classification.id,
                Classification.created_at,
                Classification.unknown,
                Classification.predictions,
                Feedback.verdict,
            )
            .join(Feedback, Feedback.classification_id == Classification.id)
            .where(Classification.catalog_id == catalog_id)
            .order_by(Feedback.id)
        )
        return (await session.execute(query)).all()


def _whole() -> Select[Classification, str, Photo]:
    return (
        select(Classification, Catalog.name, Photo)
        .join(Catalog, Catalog.id == Classification.catalog_id)
        .join(Photo, Photo.sha256 == Classification.photo_sha256)
    )
