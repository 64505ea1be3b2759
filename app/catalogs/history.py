"""Every statement about what catalogs were like at earlier versions. Rows of the past are added, never changed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, insert, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalogs.tables import Catalog, DefectClass, PastDefectClass, PastSupportPhoto, SupportPhoto
from app.photos.tables import Embedding


def embedded() -> ColumnElement[bool]:
    """That an embedding is of a support photo, or of the part of it that is the example."""
    return and_(Embedding.photo_sha256 == SupportPhoto.photo_sha256, Embedding.part == SupportPhoto.part)


async def keep_class(session: AsyncSession, class_id: UUID, version: int) -> None:
    """Keep what a class is called and its threshold, before `version` changes or removes it."""
    columns = {
        PastDefectClass.defect_class_id: DefectClass.id,
        PastDefectClass.until: literal(version),
        PastDefectClass.catalog_id: DefectClass.catalog_id,
        PastDefectClass.kind: DefectClass.kind,
        PastDefectClass.name: DefectClass.name,
        PastDefectClass.title_ko: DefectClass.title_ko,
        PastDefectClass.title_en: DefectClass.title_en,
        PastDefectClass.severity: DefectClass.severity,
        PastDefectClass.threshold: DefectClass.threshold,
    }
    before = select(*columns.values()).where(DefectClass.id == class_id)
    await session.execute(insert(PastDefectClass).from_select(list(columns), before))


async def keep_support_photo(session: AsyncSession, support_id: UUID, version: int) -> None:
    """Keep the embeddings of a support photo, before `version` removes it."""
    await _keep(session, SupportPhoto.id == support_id, version)


async def keep_support_photos(session: AsyncSession, class_id: UUID, version: int) -> None:
    """Keep the embeddings of a class's support photos, before `version` removes them."""
    await _keep(session, SupportPhoto.defect_class_id == class_id, version)


async def _keep(session: AsyncSession, removed: ColumnElement[bool], version: int) -> None:
    columns = {
        PastSupportPhoto.support_photo_id: SupportPhoto.id,
        PastSupportPhoto.backbone_id: Embedding.backbone_id,
        PastSupportPhoto.catalog_id: DefectClass.catalog_id,
        PastSupportPhoto.defect_class_id: SupportPhoto.defect_class_id,
        PastSupportPhoto.photo_sha256: SupportPhoto.photo_sha256,
        PastSupportPhoto.part: SupportPhoto.part,
        PastSupportPhoto.vector: Embedding.vector,
        PastSupportPhoto.added_in: SupportPhoto.added_in,
        PastSupportPhoto.removed_in: literal(version),
    }
    before = (
        select(*columns.values())
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .join(Embedding, embedded())
        .where(removed)
    )
    await session.execute(insert(PastSupportPhoto).from_select(list(columns), before))


async def recorded_from(session: AsyncSession, catalog_id: UUID) -> int:
    """The version from which on a catalog's past is kept."""
    return (await session.scalars(select(Catalog.recorded_from).where(Catalog.id == catalog_id))).one()


async def class_fields(
    session: AsyncSession, catalog_id: UUID, version: int
) -> dict[UUID, Row[UUID, str, str, str, str, str | None, float | None]]:
    """Id, kind, names, severity and threshold of a catalog's classes as they were at `version`, by id.

    Among them are classes that came later: what was recognised then is what had support photos.
    """
    now = select(
        DefectClass.id,
        DefectClass.kind,
        DefectClass.name,
        DefectClass.title_ko,
        DefectClass.title_en,
        DefectClass.severity,
        DefectClass.threshold,
    ).where(DefectClass.catalog_id == catalog_id)
    since = (
        select(
            PastDefectClass.defect_class_id.label("id"),
            PastDefectClass.kind,
            PastDefectClass.name,
            PastDefectClass.title_ko,
            PastDefectClass.title_en,
            PastDefectClass.severity,
            PastDefectClass.threshold,
        )
        .where(PastDefectClass.catalog_id == catalog_id, PastDefectClass.until > version)
        .order_by(PastDefectClass.until.desc())
    )
    # From the present backwards: the last word on a class is what it was before the first change after `version`.
    return {row.id: row for query in (now, since) for row in (await session.execute(query)).all()}


async def supports(
    session: AsyncSession, class_ids: Sequence[UUID], backbone_id: str, version: int
) -> Sequence[Row[UUID, UUID, str, str, bytes]]:
    """Class id, id, photo, part and embedding of every support photo of these classes at `version`, oldest first."""
    live, past = SupportPhoto.defect_class_id.in_(class_ids), PastSupportPhoto.defect_class_id.in_(class_ids)
    return await _supports(session, live, past, backbone_id, version)


async def all_supports(
    session: AsyncSession, catalog_id: UUID, backbone_id: str, version: int
) -> Sequence[Row[UUID, UUID, str, str, bytes]]:
    """Class id, id, photo, part and embedding of every support photo of a catalog at `version`, oldest first."""
    class_ids = select(DefectClass.id).where(DefectClass.catalog_id == catalog_id)
    live, past = SupportPhoto.defect_class_id.in_(class_ids), PastSupportPhoto.catalog_id == catalog_id
    return await _supports(session, live, past, backbone_id, version)


async def _supports(
    session: AsyncSession,
    live: ColumnElement[bool],
    past: ColumnElement[bool],
    backbone_id: str,
    version: int,
) -> Sequence[Row[UUID, UUID, str, str, bytes]]:
    still = (
        select(
            SupportPhoto.defect_class_id,
            SupportPhoto.id,
            SupportPhoto.photo_sha256,
            SupportPhoto.part,
            Embedding.vector,
        )
        .join(Embedding, embedded())
        .where(live, Embedding.backbone_id == backbone_id, SupportPhoto.added_in <= version)
    )
    removed = select(
        PastSupportPhoto.defect_class_id,
        PastSupportPhoto.support_photo_id,
        PastSupportPhoto.photo_sha256,
        PastSupportPhoto.part,
        PastSupportPhoto.vector,
    ).where(
        past,
        PastSupportPhoto.backbone_id == backbone_id,
        PastSupportPhoto.added_in <= version,
        PastSupportPhoto.removed_in > version,
    )
    return (await session.execute(union_all(still, removed).order_by("id"))).all()
