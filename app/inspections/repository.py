"""Every statement about classifications and feedback."""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.acting import actor
from app.catalogs.tables import Catalog, DefectClass
from app.inspections.chosen import Chosen
from app.inspections.filters import ClassificationFilter
from app.inspections.site_notes import SEPARATOR, Status
from app.inspections.tables import Classification, Feedback, RegionFeedback
from app.photos.tables import Photo
from app.storage.database import SyncSession, insert_row

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]])

_IS_SOUND = cast(Classification.regions, Text) == "[]"

_BORNE_OUT = case(
    # "No class of this catalog" was the only word for a sound photo once.
    (func.coalesce(_IS_SOUND, false()), Feedback.verdict.in_(("sound", "unknown"))),
    (Classification.unknown, Feedback.verdict == "unknown"),
    else_=Feedback.verdict == "confirmed",
)
"""Whether the inspector says the same as the answer. Without a word NULL, which is neither."""

_FINAL_CLASS = case(
    (Feedback.verdict == "corrected", Feedback.defect_class_id),
    (Feedback.verdict == "confirmed", Classification.first_class_id),
    (or_(Feedback.id.is_not(None), Classification.unknown, func.coalesce(_IS_SOUND, false())), null()),
    else_=Classification.first_class_id,
)
"""The person's word, else the machine's; NULL where it is no class of the catalog."""


class Group(NamedTuple):
    """Answers that are the same in what a team counts."""

    actor: str
    final_class_id: UUID | None
    place: str
    status: Status
    is_judged: bool
    is_contradicted: bool | None
    classifications: int


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


async def groups(session: AsyncSession, wanted: ClassificationFilter, visible: Set[UUID] | None) -> list[Group]:
    """What is filtered in visible catalogs, counted by everything that a team asks for."""
    keys = (
        Classification.actor,
        _FINAL_CLASS.label("final"),
        Classification.place,
        Classification.status,
        Feedback.id.is_not(None).label("judged"),
        (~_BORNE_OUT).label("contradicted"),
    )
    each = _filtered(_whole(), wanted, visible).with_only_columns(*keys).subquery()
    query = select(*each.c, func.count()).group_by(*each.c)
    return [Group(*tuple(row)) for row in (await session.execute(query)).all()]


async def class_names(session: AsyncSession, ids: Set[UUID | None]) -> dict[UUID, str]:
    """The names of those of these classes that are there."""
    query = select(DefectClass.id, DefectClass.name).where(DefectClass.id.in_(ids))
    return dict(iter((await session.execute(query)).all()))


async def recent_places(
    session: AsyncSession, wanted: ClassificationFilter, visible: Set[UUID] | None, limit: int
) -> Sequence[str]:
    """The places of what is filtered in visible catalogs, the one that was photographed last first."""
    each = _filtered(_whole(), wanted, visible).with_only_columns(Classification.place)
    each = each.where(Classification.place != "").group_by(Classification.place)
    return (await session.scalars(each.order_by(func.max(Classification.created_at).desc()).limit(limit))).all()


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
) -> Sequence[Row[UUID, datetime, bool, list[dict[str, Any]], bool]]:
    """Id, time, unknown, predictions of a catalog's answers and whether each word agrees with them, oldest first."""
    query = (
        select(
            Classification.id,
            Classification.created_at,
            Classification.unknown,
            Classification.predictions,
            _BORNE_OUT,
        )
        .join(Feedback, Feedback.classification_id == Classification.id)
        .where(Classification.catalog_id == catalog_id, Classification.deleted_at.is_(None))
        .order_by(Feedback.id)
    )
    return (await session.execute(query)).all()


async def feedback(session: AsyncSession, feedback_id: UUID) -> Feedback | None:
    """A word on a classification, or None."""
    return await session.get(Feedback, feedback_id)


async def remove_feedback(session: AsyncSession, word: Feedback) -> None:
    """Delete a word on a classification."""
    await session.delete(word)
    await session.flush()


async def add_region_feedback(session: AsyncSession, fields: dict[str, Any]) -> RegionFeedback:
    """Insert a word on a region."""
    row = RegionFeedback(created_at=datetime.now(UTC), **fields)
    session.add(row)
    await session.flush()
    return row


async def region_feedback(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, list[RegionFeedback]]:
    """The newest word on each region of these classifications, by classification and in the order of the regions."""
    of_region = (RegionFeedback.classification_id, RegionFeedback.region)
    place = func.row_number().over(partition_by=of_region, order_by=RegionFeedback.id.desc())
    numbered = select(RegionFeedback.id, place.label("place")).where(RegionFeedback.classification_id.in_(ids))
    words = numbered.subquery()
    query = select(RegionFeedback).join(words, words.c.id == RegionFeedback.id).where(words.c.place == 1)
    found: dict[UUID, list[RegionFeedback]] = {}
    for word in (await session.scalars(query.order_by(*of_region))).all():
        found.setdefault(word.classification_id, []).append(word)
    return found


async def added_region(session: AsyncSession, classification_id: UUID, number: int) -> RegionFeedback | None:
    """The word by which an inspector added a region, or None."""
    query = select(RegionFeedback).where(
        RegionFeedback.classification_id == classification_id,
        RegionFeedback.region == number,
        RegionFeedback.verdict == "added",
    )
    return await session.scalar(query.limit(1))


async def words_of_example(session: AsyncSession, support_id: UUID) -> Sequence[UUID]:
    """The words on regions by which a support photo came to be."""
    query = select(RegionFeedback.id).where(RegionFeedback.support_photo_id == support_id)
    return (await session.scalars(query)).all()


async def set_example(session: AsyncSession, words: Sequence[UUID], support_id: UUID) -> None:
    """Say of words on regions that they are in this support photo."""
    change = update(RegionFeedback).where(RegionFeedback.id.in_(words)).values(support_photo_id=support_id)
    await session.execute(change)


def _ids(chosen: Chosen, visible: Set[UUID] | None) -> Select[UUID]:
    query = _whole() if chosen.ids is None else _whole().where(Classification.id.in_(chosen.ids))
    return _filtered(query, chosen.conditions or ClassificationFilter(), visible).with_only_columns(Classification.id)


async def change_many(
    session: AsyncSession, chosen: Chosen, visible: Set[UUID] | None, fields: dict[str, Any]
) -> dict[UUID, int]:
    """Set fields of what is chosen in visible catalogs; how many, by catalog."""
    change = update(Classification).where(Classification.id.in_(_ids(chosen, visible))).values(fields)
    return Counter((await session.scalars(change.returning(Classification.catalog_id))).all())


async def restore(
    session: AsyncSession, deletion_id: UUID, since: datetime, visible: Set[UUID] | None
) -> dict[UUID, int]:
    """Have back what was deleted by one call, not before `since`; how many, by catalog."""
    change = update(Classification).where(Classification.deletion_id == deletion_id, Classification.deleted_at >= since)
    if visible is not None:
        change = change.where(Classification.catalog_id.in_(visible))
    change = change.values(deleted_at=None, deletion_id=None)
    return Counter((await session.scalars(change.returning(Classification.catalog_id))).all())


async def older(session: AsyncSession, catalog_id: UUID, until: datetime) -> tuple[int, datetime | None]:
    """How many answers of a catalog were given before `until`, and when the oldest."""
    query = select(func.count(), func.min(Classification.created_at)).where(*_older(catalog_id, until))
    count, oldest = (await session.execute(query)).one()
    return count, oldest


async def outlived(session: AsyncSession, now: datetime) -> list[tuple[UUID, datetime]]:
    """Catalogs with answers that they keep no longer, and before when those were given."""
    query = select(Catalog.id, Catalog.keep_days).where(Catalog.keep_days.is_not(None))
    rows = (await session.execute(query)).all()
    limits = [(row[0], now - timedelta(days=row[1])) for row in rows if row[1] is not None]
    return [limit for limit in limits if (await older(session, *limit))[0]]


async def delete_older(
    session: AsyncSession, catalog_id: UUID, until: datetime, deletion_id: UUID, now: datetime
) -> int:
    """Delete the answers of a catalog from before `until`, so that they can be restored; how many."""
    change = update(Classification).where(*_older(catalog_id, until))
    change = change.values(deleted_at=now, deletion_id=deletion_id)
    return len((await session.scalars(change.returning(Classification.id))).all())


async def deleted_before(session: AsyncSession, until: datetime, limit: int) -> Sequence[UUID]:
    """Answers that were deleted before `until`."""
    query = select(Classification.id).where(Classification.deleted_at < until).limit(limit)
    return (await session.scalars(query)).all()


async def remove(session: AsyncSession, ids: Sequence[UUID], until: datetime) -> Sequence[str]:
    """Remove for good those of these answers that were deleted before `until`; their photos."""
    gone = delete(Classification).where(Classification.id.in_(ids), Classification.deleted_at < until)
    return (await session.scalars(gone.returning(Classification.photo_sha256))).all()


def _older(catalog_id: UUID, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Classification.catalog_id == catalog_id,
        Classification.created_at < until,
        Classification.deleted_at.is_(None),
    )


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
        .where(Classification.deleted_at.is_(None))
    )


def _filtered(query: Query, wanted: ClassificationFilter, visible: Set[UUID] | None) -> Query:
    if visible is not None:
        query = query.where(Classification.catalog_id.in_(visible))
    if wanted.catalog is not None:
        # PostgreSQL refuses even to compare a NUL.
        query = query.where(false() if "\0" in wanted.catalog else Catalog.name == wanted.catalog)
    if wanted.unknown is not None:
        query = query.where(Classification.unknown == wanted.unknown)
    if wanted.sound is not None:
        # Not looked at everywhere: NULL, which is neither.
        query = query.where(_IS_SOUND if wanted.sound else ~_IS_SOUND)
    if wanted.since is not None:
        query = query.where(Classification.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Classification.created_at < wanted.until)
    if wanted.place is not None:
        query = query.where(Classification.place_folded.contains(wanted.place.casefold(), autoescape=True))
    if wanted.disagreement is not None:
        query = query.where(~_BORNE_OUT if wanted.disagreement else _BORNE_OUT)
    if wanted.defect_class_id is not None:
        query = query.where(_FINAL_CLASS.is_not_distinct_from(wanted.defect_class_id))
    return query.where(*_of_findings(wanted))


def _of_findings(wanted: ClassificationFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.no_class is not None:
        yield _FINAL_CLASS.is_(None) if wanted.no_class else _FINAL_CLASS.is_not(None)
    if wanted.under is not None:
        folded = wanted.under.casefold()
        at = Classification.place_folded == folded
        beneath = Classification.place_folded.startswith(folded + SEPARATOR, autoescape=True)
        yield or_(at, beneath) if folded else at
    if wanted.by is not None:
        yield false() if "\0" in wanted.by else Classification.actor == wanted.by
    if wanted.mine is not None:
        who = actor()
        mine = and_(Classification.actor_id.is_not_distinct_from(who["actor_id"]), Classification.actor == who["actor"])
        yield mine if wanted.mine else ~mine
    if wanted.judged is not None:
        yield Feedback.id.is_not(None) if wanted.judged else Feedback.id.is_(None)
    if wanted.status is not None:
        yield Classification.status == wanted.status
