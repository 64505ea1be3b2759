"""Every statement about backbones and about moving catalogs from one to another."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, FromClause, Row, and_, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.backbones.tables import KnownBackbone
from app.catalogs.history import embedded
from app.catalogs.repository import pack
from app.catalogs.tables import Catalog, DefectClass, Prototype, SupportPhoto
from app.jobs.tables import Job, JobItem
from app.photos.tables import Embedding
from app.storage.database import insert_absent, lock_tables
from models.options import Views


async def known(session: AsyncSession, backbone_id: str) -> KnownBackbone | None:
    """How to load a backbone, or None."""
    return await session.get(KnownBackbone, backbone_id)


async def remember(session: AsyncSession, backbone_id: str, checkpoint: str, views: Views) -> None:
    """Note how to load a backbone."""
    row = {"id": backbone_id, "checkpoint": checkpoint, "views": views}
    await session.run_sync(insert_absent, KnownBackbone, [row])


async def adopt_empty(session: AsyncSession, backbone_id: str) -> None:
    """Give catalogs without prototypes to a backbone."""
    used = exists().where(DefectClass.catalog_id == Catalog.id, Prototype.defect_class_id == DefectClass.id)
    await session.execute(update(Catalog).where(~used).values(backbone_id=backbone_id))


async def used(session: AsyncSession) -> set[str]:
    """The backbones that catalogs are answered by."""
    return set(await session.scalars(select(Catalog.backbone_id).distinct()))


async def catalogs(session: AsyncSession) -> Sequence[str]:
    """The names of all catalogs, oldest first."""
    return (await session.scalars(select(Catalog.name).order_by(Catalog.id))).all()


async def open_job(session: AsyncSession, catalog_id: UUID, backbone_id: str) -> UUID | None:
    """The job that embeds a catalog's photos by a backbone and is not finished; None also makes others wait."""
    await lock_tables(session, Job)
    jobs = await session.execute(
        select(Job.id, Job.parameters)
        .where(
            Job.catalog_id == catalog_id,
            Job.kind == "reembed",
            exists().where(JobItem.job_id == Job.id, JobItem.state == "waiting"),
        )
        .order_by(Job.id)
    )
    return next((job_id for job_id, parameters in jobs if parameters["backbone_id"] == backbone_id), None)


async def wanted(session: AsyncSession) -> set[str]:
    """The backbones that catalogs were embedded by within a day: they may be switched to them at any moment."""
    lately = datetime.now(UTC) - timedelta(days=1)
    rows = await session.scalars(select(Job.parameters).where(Job.kind == "reembed", Job.created_at > lately))
    return {parameters["backbone_id"] for parameters in rows}


async def missing(session: AsyncSession, catalog_id: UUID, backbone_id: str) -> Sequence[Row[str, str]]:
    """SHA-256 and a file name of a catalog's support photos that have no embedding by a backbone."""
    has_embedding = exists().where(embedded(), Embedding.backbone_id == backbone_id)
    query = (
        select(SupportPhoto.photo_sha256, SupportPhoto.filename)
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .where(DefectClass.catalog_id == catalog_id, ~has_embedding)
        .order_by(SupportPhoto.id)
    )
    rows = {row[0]: row for row in (await session.execute(query)).all()}
    return list(rows.values())


async def pairs(session: AsyncSession, catalog_id: UUID, one: str, other: str) -> Sequence[Row[UUID, bytes, bytes]]:
    """Class id and the embeddings by two backbones of a catalog's support photos that have both."""
    first, second = Embedding.__table__.alias(), Embedding.__table__.alias()
    query = (
        select(SupportPhoto.defect_class_id, first.c.vector, second.c.vector)
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .join(first, _of_example(first) & (first.c.backbone_id == one))
        .join(second, _of_example(second) & (second.c.backbone_id == other))
        .where(DefectClass.catalog_id == catalog_id)
        .order_by(SupportPhoto.id)
    )
    return (await session.execute(query)).all()


def _of_example(embeddings: FromClause) -> ColumnElement[bool]:
    columns = embeddings.c
    return and_(columns.photo_sha256 == SupportPhoto.photo_sha256, columns.part == SupportPhoto.part)


async def parts(session: AsyncSession, sha256: str) -> list[str]:
    """The parts of a photo that are examples of anything, as text; the whole is none."""
    query = select(SupportPhoto.part).where(SupportPhoto.photo_sha256 == sha256, SupportPhoto.part != "").distinct()
    return list((await session.scalars(query.order_by(SupportPhoto.part))).all())


async def switch(
    session: AsyncSession,
    catalog_id: UUID,
    backbone_id: str,
    version: int,
    prototypes: Sequence[tuple[UUID, NDArray[np.float64], int]],
) -> None:
    """Give a catalog another backbone and its prototypes: class, embedding sum float64 [D], shots.

    Every class counts as changed in `version`, so that nothing is kept of the old backbone in any cache.
    """
    classes = select(DefectClass.id).where(DefectClass.catalog_id == catalog_id)
    await session.execute(delete(Prototype).where(Prototype.defect_class_id.in_(classes)))
    rows: list[dict[str, Any]] = [
        {"defect_class_id": class_id, "backbone_id": backbone_id, "embedding_sum": pack(total), "shots": shots}
        for class_id, total, shots in prototypes
    ]
    if rows:
        await session.execute(insert(Prototype), rows)
    await session.execute(update(Catalog).where(Catalog.id == catalog_id).values(backbone_id=backbone_id))
    changed = update(DefectClass).where(DefectClass.catalog_id == catalog_id).values(changed_in=version)
    await session.execute(changed)
