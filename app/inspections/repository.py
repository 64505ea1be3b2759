"""Every statement about classifications and feedback."""

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.catalogs.tables import Catalog
from app.inspections.filters import ClassificationFilter
from app.inspections.tables import Classification, Feedback
from app.photos.tables import Photo
from app.storage.database import SyncSession, insert_row

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]])


def add_classification(session: SyncSession, row: dict[str, Any]) -> None:
    """Insert a classification."""
    insert_row(session, Classification, row | {"place_folded": row["place"].casefold()})


async def classification(
    session: AsyncSession, classification_id: UUID
) -> Row[Classification, str, Photo, Feedback | None] | None:
    """A classification with its catalog's name, its photo and its newest feedback, or None."""
    return (await session.execute(_whole().where(Classification.id == classification_id))).one_or_none()


async def classifications_by_id(
    session: AsyncSession, ids: Sequence[UUID]
) -> Sequence[Row[Classification, str, Photo, Feedback | None]]:
    """As `classification`, for those of these ids that are there."""
    return (await session.execute(_whole().where(Classification.id.in_(ids)))).all()


async def classifications(
    session: AsyncSession,
    wanted: ClassificationFilter,
    visible: Set[UUID] | None,
    *,
    before: UUID | None,
    limit: int,
) -> Sequence[Row[Classification, str, Photo, Feedback | None]]:
    """Classifications of visible catalogs (None: of all), newest first, before an id; one more than `limit`."""
    query = _filtered(_whole(), wanted, visible).order_by(Classification.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Classification.id < before)
    return (await session.execute(query)).all()


async def has_more_than(
    session: AsyncSession, most: int, wanted: ClassificationFilter, visible: Set[UUID] | None
) -> bool:
    """Whether more classifications of visible catalogs are filtered."""
    one_more = _filtered(_whole(), wanted, visible).with_only_columns(Classification.id).offset(most).limit(1)
    return (await session.execute(one_more)).one_or_none() is not None


async def counts(session: AsyncSession, wanted: ClassificationFilter, visible: Set[UUID] | None) -> dict[UUID, int]:
    """How many classifications are filtered of each visible catalog that has any."""
    each = _filtered(_whole(), wanted, visible).with_only_columns(Classification.catalog_id, func.count())
    return dict(iter((await session.execute(each.group_by(Classification.catalog_id))).all()))


async def change(session: AsyncSession, row: Classification, fields: dict[str, Any]) -> None:
    """Set fields of a classification."""
    for field, value in fields.items():
        setattr(row, field, value)
    await session.flush()


async def add_feedback(session: AsyncSession, fields: dict[str, Any]) -> Feedback:
    """Insert feedback."""
    row = Feedback(created_at=datetime.now(UTC), **fields)
    session.add(row)
    await session.flush()
    return row


async def judged(
    session: AsyncSession, catalog_id: UUID
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


def _whole() -> Select[Classification, str, Photo, Feedback | None]:
    later = aliased(Feedback)
    newest = (
        select(later.id)
        .where(later.classification_id == Classification.id)
        .order_by(later.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(Classification, Catalog.name, Photo, Feedback)
        .join(Catalog, Catalog.id == Classification.catalog_id)
        .join(Photo, Photo.sha256 == Classification.photo_sha256)
        .outerjoin(Feedback, Feedback.id == newest)
    )


def _filtered(query: Query, wanted: ClassificationFilter, visible: Set[UUID] | None) -> Query:
    if visible is not None:
        query = query.where(Classification.catalog_id.in_(visible))
    if wanted.catalog is not None:
        # PostgreSQL refuses even to compare a NUL.
        query = query.where(false() if "\0" in wanted.catalog else Catalog.name == wanted.catalog)
    if wanted.unknown is not None:
        query = query.where(Classification.unknown == wanted.unknown)
    if wanted.since is not None:
        query = query.where(Classification.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Classification.created_at < wanted.until)
    if wanted.place is not None:
        query = query.where(Classification.place_folded.contains(wanted.place.casefold(), autoescape=True))
    if wanted.disagreement is not None:
        # No feedback: NULL, which is neither.
        borne_out = Feedback.verdict == case((Classification.unknown, "unknown"), else_="confirmed")
        query = query.where(~borne_out if wanted.disagreement else borne_out)
    if wanted.defect_class_id is not None:
        query = query.where(_counts_as(wanted.defect_class_id))
    return query


def _counts_as(class_id: UUID) -> ColumnElement[bool]:
    first = Classification.first_class_id == class_id
    return or_(
        and_(first, Feedback.verdict == "confirmed"),
        and_(first, Feedback.id.is_(None), ~Classification.unknown),
        and_(Feedback.defect_class_id == class_id, Feedback.verdict == "corrected"),
    )
