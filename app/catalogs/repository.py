"""Every statement about catalogs, defect classes, support photos and prototypes."""

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalogs.history import embedded
from app.catalogs.schemas import ClassKind
from app.catalogs.tables import Catalog, DefectClass, Prototype, SupportPhoto
from app.photos.tables import Embedding, Photo
from app.storage.database import SyncSession, insert_absent
from app.storage.tables import new_id

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]])


# Every photo asks these: made once and without the ORM, they cost half.
_CATALOGS = Catalog.__table__.c
_VERSION = select(_CATALOGS.id, _CATALOGS.version).where(_CATALOGS.name == bindparam("name"))
_ONE = select(_CATALOGS.id).where(_CATALOGS.id == bindparam("catalog_id"))
_HELD = _ONE.with_for_update(key_share=True, read=True)
_UNCHANGED = _ONE.with_for_update(key_share=True)


class CatalogVersion(NamedTuple):
    """Which catalog, and how often it has changed."""

    id: UUID
    version: int


class Turn(NamedTuple):
    """A change of a catalog: the version that it makes, and the backbone of the catalog's prototypes."""

    version: int
    backbone_id: str


class NameTakenError(Exception):
    """Something else has this name already."""


async def catalog(session: AsyncSession, name: str) -> Catalog | None:
    """The catalog of this name, or None."""
    if "\0" in name:
        return None  # PostgreSQL refuses even to compare such a text
    return await session.scalar(select(Catalog).where(Catalog.name == name))


def version(session: SyncSession, name: str) -> CatalogVersion | None:
    """The version of the catalog of this name, or None."""
    if "\0" in name:
        return None  # PostgreSQL refuses even to compare such a text
    row = session.execute(_VERSION, {"name": name}).one_or_none()
    return None if row is None else CatalogVersion(*row)


async def catalogs(
    session: AsyncSession, visible: Set[UUID] | None, after: UUID | None, limit: int
) -> Sequence[Catalog]:
    """Catalogs in the order they were made, after an id; one more than `limit`; None: all are visible."""
    query = select(Catalog).order_by(Catalog.id).limit(limit + 1)
    query = query if visible is None else query.where(Catalog.id.in_(visible))
    return (await session.scalars(query if after is None else query.where(Catalog.id > after))).all()


async def ids(session: AsyncSession, names: Sequence[str]) -> dict[str, UUID]:
    """The ids of those of these catalogs that there are, by name."""
    rows = await session.execute(select(Catalog.name, Catalog.id).where(Catalog.name.in_(names)))
    return dict(iter(rows.all()))


async def names(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of these catalogs."""
    rows = await session.execute(select(Catalog.id, Catalog.name).where(Catalog.id.in_(ids)))
    return dict(iter(rows.all()))


async def add_catalog(session: AsyncSession, fields: dict[str, Any]) -> Catalog:
    """Insert a catalog. Raises `NameTakenError`."""
    catalog = Catalog(version=1, created_at=datetime.now(UTC), **fields)
    session.add(catalog)
    await _flush(session)
    return catalog


async def add_default_catalog(session: AsyncSession, backbone_id: str) -> None:
    """Make sure that the catalog `default` exists."""
    if await catalog(session, "default") is None:
        fields = {"title_ko": "기본 목록", "title_en": "Default catalog", "description": "", "version": 1}
        own = {"id": new_id(), "name": "default", "backbone_id": backbone_id, "created_at": datetime.now(UTC)}
        await session.run_sync(insert_absent, Catalog, [own | fields])


async def next_version(session: AsyncSession, catalog_id: UUID) -> Turn | None:
    """Count a change of the catalog, which also makes other changes of it wait; None where it is gone."""
    query = update(Catalog).where(Catalog.id == catalog_id).values(version=Catalog.version + 1)
    row = (await session.execute(query.returning(Catalog.version, Catalog.backbone_id))).one_or_none()
    return None if row is None else Turn(*row)


def hold(session: SyncSession, catalog_id: UUID, *, unchanged: bool = False) -> bool:
    """Keep others from deleting the catalog, and from changing it where it must stay `unchanged`; False if gone.

    Whoever writes rows of a catalog does this or `next_version` before anything else: in one order, nobody waits
    for somebody who waits for them.
    """
    held = _UNCHANGED if unchanged else _HELD
    return session.scalar(held, {"catalog_id": catalog_id}) is not None


async def last_turn(session: AsyncSession, catalog_id: UUID) -> Turn | None:
    """The catalog's version and backbone; None where it is gone."""
    query = select(Catalog.version, Catalog.backbone_id).where(Catalog.id == catalog_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Turn(*row)


async def delete_catalog(session: AsyncSession, catalog_id: UUID) -> None:
    """Delete a catalog with everything in it; the photos stay."""
    await session.execute(delete(Catalog).where(Catalog.id == catalog_id))


async def defect_class(session: AsyncSession, class_id: UUID) -> DefectClass | None:
    """The class with this id, or None."""
    return await session.get(DefectClass, class_id, populate_existing=True)


async def defect_class_named(session: AsyncSession, catalog_id: UUID, name: str) -> DefectClass | None:
    """The class of this name in a catalog, or None."""
    return await session.scalar(
        select(DefectClass).where(DefectClass.catalog_id == catalog_id, DefectClass.name == name)
    )


async def defect_classes(
    session: AsyncSession, catalog_id: UUID, after: UUID | None, limit: int
) -> Sequence[DefectClass]:
    """Classes of a catalog in the order they were registered, after an id; one more than `limit`."""
    query = select(DefectClass).where(DefectClass.catalog_id == catalog_id).order_by(DefectClass.id).limit(limit + 1)
    return (await session.scalars(query if after is None else query.where(DefectClass.id > after))).all()


async def defect_classes_by_id(
    session: AsyncSession, visible: Set[UUID] | None, class_ids: Sequence[UUID]
) -> Sequence[DefectClass]:
    """Those of these classes that there are in visible catalogs (None: in all)."""
    query = select(DefectClass).where(DefectClass.id.in_(class_ids))
    return (await session.scalars(query if visible is None else query.where(DefectClass.catalog_id.in_(visible)))).all()


async def add_defect_class(session: AsyncSession, fields: dict[str, Any]) -> DefectClass:
    """Insert a class. Raises `NameTakenError`."""
    now = datetime.now(UTC)
    defect_class = DefectClass(created_at=now, updated_at=now, **fields)
    session.add(defect_class)
    await _flush(session)
    return defect_class


async def change(session: AsyncSession, row: Catalog | DefectClass, fields: dict[str, Any]) -> None:
    """Set fields of a row. Raises `NameTakenError`."""
    for field, value in fields.items():
        setattr(row, field, value)
    if isinstance(row, DefectClass):
        row.updated_at = datetime.now(UTC)
    await _flush(session)


async def delete_defect_class(session: AsyncSession, class_id: UUID) -> None:
    """Delete a class with its support photos' rows and prototype; the photos stay."""
    await session.execute(delete(DefectClass).where(DefectClass.id == class_id))


async def shots(session: AsyncSession, class_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many support photos each of these classes has."""
    rows = await session.execute(
        select(SupportPhoto.defect_class_id, func.count())
        .where(SupportPhoto.defect_class_id.in_(class_ids))
        .group_by(SupportPhoto.defect_class_id)
    )
    return dict(iter(rows.all()))


async def support_photo(session: AsyncSession, support_id: UUID) -> SupportPhoto | None:
    """The support photo with this id, or None."""
    return await session.get(SupportPhoto, support_id, populate_existing=True)


async def support_photos(
    session: AsyncSession, class_id: UUID, after: UUID | None, limit: int
) -> Sequence[SupportPhoto]:
    """Support photos of a class, oldest first, after an id; one more than `limit`."""
    query = select(SupportPhoto).where(SupportPhoto.defect_class_id == class_id).order_by(SupportPhoto.id)
    query = query if after is None else query.where(SupportPhoto.id > after)
    return (await session.scalars(query.limit(limit + 1))).all()


async def first_support_photos(session: AsyncSession, class_ids: Sequence[UUID], each: int) -> Sequence[SupportPhoto]:
    """The oldest support photos of these classes, at most `each` of one class, oldest first."""
    place = func.row_number().over(partition_by=SupportPhoto.defect_class_id, order_by=SupportPhoto.id)
    numbered = select(SupportPhoto.id, place.label("place")).where(SupportPhoto.defect_class_id.in_(class_ids))
    first = numbered.subquery()
    query = select(SupportPhoto).join(first, first.c.id == SupportPhoto.id).where(first.c.place <= each)
    return (await session.scalars(query.order_by(SupportPhoto.id))).all()


async def known_sha256s(session: AsyncSession, class_id: UUID, sha256s: Sequence[str]) -> dict[str, UUID]:
    """Which of these photos support the class already, with the ids of their support photos."""
    rows = await session.execute(
        select(SupportPhoto.photo_sha256, SupportPhoto.id).where(
            SupportPhoto.defect_class_id == class_id, SupportPhoto.photo_sha256.in_(sha256s)
        )
    )
    return dict(iter(rows.all()))


async def support_sha256s(session: AsyncSession, class_id: UUID) -> Sequence[str]:
    """The photos that support a class."""
    return (
        await session.scalars(select(SupportPhoto.photo_sha256).where(SupportPhoto.defect_class_id == class_id))
    ).all()


async def scans(session: AsyncSession, catalog_id: UUID) -> bool:
    """Whether photos are looked at everywhere, and not as a whole: see `Catalog`."""
    mode = await session.scalar(select(Catalog.mode).where(Catalog.id == catalog_id))
    if mode is not None:
        return mode == "scan"
    query = select(SupportPhoto.id).join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
    parts = query.where(DefectClass.catalog_id == catalog_id, DefectClass.kind == "defect", SupportPhoto.part != "")
    return await session.scalar(parts.limit(1)) is not None


async def sound_class(session: AsyncSession, catalog_id: UUID) -> DefectClass | None:
    """The oldest class of sound surfaces of a catalog, or None."""
    query = select(DefectClass).where(DefectClass.catalog_id == catalog_id, DefectClass.kind == "sound")
    return await session.scalar(query.order_by(DefectClass.id).limit(1))


async def defect_parts(session: AsyncSession, catalog_id: UUID, sha256s: Sequence[str]) -> dict[str, list[str]]:
    """The parts of these photos that are examples of defects in a catalog, by SHA-256."""
    query = (
        select(SupportPhoto.photo_sha256, SupportPhoto.part)
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .where(DefectClass.catalog_id == catalog_id, DefectClass.kind == "defect")
        .where(SupportPhoto.photo_sha256.in_(sha256s))
    )
    found: dict[str, list[str]] = {}
    for sha256, part in (await session.execute(query)).all():
        found.setdefault(sha256, []).append(part)
    return found


async def rests(session: AsyncSession, catalog_id: UUID, sha256s: Sequence[str]) -> dict[str, SupportPhoto]:
    """What lies outside the regions of these photos and is an example of a sound surface in a catalog, by SHA-256."""
    query = (
        select(SupportPhoto)
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .where(DefectClass.catalog_id == catalog_id, DefectClass.kind == "sound", SupportPhoto.part.startswith("out"))
        .where(SupportPhoto.photo_sha256.in_(sha256s))
    )
    return {support.photo_sha256: support for support in (await session.scalars(query)).all()}


async def support_photos_of(session: AsyncSession, class_id: UUID, sha256s: Sequence[str]) -> Sequence[SupportPhoto]:
    """The support photos of a class that are these photos or parts of them."""
    query = select(SupportPhoto).where(SupportPhoto.defect_class_id == class_id, SupportPhoto.photo_sha256.in_(sha256s))
    return (await session.scalars(query.order_by(SupportPhoto.id))).all()


async def add_support_photos(
    session: AsyncSession, class_id: UUID, photos: Sequence[tuple[str, str, str]], version: int
) -> dict[str, UUID]:
    """Insert support photos that `version` brings, given as SHA-256, part and file name; their new ids by SHA-256."""
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "defect_class_id": class_id,
            "photo_sha256": sha256,
            "part": part,
            "filename": filename,
            "added_in": version,
            "created_at": now,
        }
        for sha256, part, filename in photos
    ]
    await session.execute(insert(SupportPhoto), rows)
    return {str(row["photo_sha256"]): row["id"] for row in rows}


async def delete_support_photo(session: AsyncSession, support_id: UUID) -> None:
    """Delete a support photo's row; the photo stays."""
    await session.execute(delete(SupportPhoto).where(SupportPhoto.id == support_id))


async def shift_prototype(
    session: AsyncSession, class_id: UUID, backbone_id: str, change: NDArray[np.float64], shots: int
) -> int:
    """Add `change` (float64 [D], a sum of embeddings or its negative) to a prototype; its new number of shots.

    The cost does not depend on the number of shots. Call `next_version` first: it makes others wait.
    """
    row = await session.get(Prototype, (class_id, backbone_id), populate_existing=True)
    if row is None:
        session.add(
            Prototype(defect_class_id=class_id, backbone_id=backbone_id, embedding_sum=pack(change), shots=shots)
        )
        return shots
    row.shots += shots
    row.embedding_sum = pack(unpack(row.embedding_sum) + change)
    if row.shots == 0:
        await session.delete(row)
    return row.shots


async def class_count(session: AsyncSession, catalog_id: UUID) -> int:
    """How many classes a catalog has."""
    return await session.scalar(select(func.count()).where(DefectClass.catalog_id == catalog_id)) or 0


async def class_ids(session: AsyncSession, catalog_id: UUID) -> Sequence[UUID]:
    """The ids of a catalog's classes."""
    return (await session.scalars(select(DefectClass.id).where(DefectClass.catalog_id == catalog_id))).all()


async def changes(
    session: AsyncSession, catalog_id: UUID, backbone_id: str, since: int
) -> Sequence[Row[UUID, ClassKind, str, str, str, str | None, float | None, int, bytes, int]]:
    """Classes that changed after version `since`: id, kind, names, severity, threshold, version, sum, shots."""
    return (
        await session.execute(
            select(
                DefectClass.id,
                DefectClass.kind,
                DefectClass.name,
                DefectClass.title_ko,
                DefectClass.title_en,
                DefectClass.severity,
                DefectClass.threshold,
                DefectClass.changed_in,
                Prototype.embedding_sum,
                Prototype.shots,
            )
            .outerjoin(
                Prototype, (Prototype.defect_class_id == DefectClass.id) & (Prototype.backbone_id == backbone_id)
            )
            .where(DefectClass.catalog_id == catalog_id, DefectClass.changed_in > since)
            .order_by(DefectClass.id)
        )
    ).all()


async def class_names(session: AsyncSession, catalog_id: UUID) -> Sequence[Row[UUID, str, str, str, str | None]]:
    """Id, names and severity of every type of defect in a catalog, oldest first."""
    names = (DefectClass.id, DefectClass.name, DefectClass.title_ko, DefectClass.title_en, DefectClass.severity)
    query = select(*names).where(DefectClass.catalog_id == catalog_id, DefectClass.kind == "defect")
    query = query.order_by(DefectClass.id)
    return (await session.execute(query)).all()


async def support_embeddings(session: AsyncSession, catalog_id: UUID, backbone_id: str) -> Sequence[Row[UUID, bytes]]:
    """Class id and embedding of every support photo of a catalog, oldest first."""
    query = (
        select(SupportPhoto.defect_class_id, Embedding.vector)
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .where(DefectClass.catalog_id == catalog_id)
    )
    return (await session.execute(_embedded(query, backbone_id))).all()


async def support_details(
    session: AsyncSession, class_id: UUID, backbone_id: str
) -> Sequence[Row[SupportPhoto, Photo, bytes]]:
    """Every support photo of a class with its photo and embedding, oldest first."""
    query = (
        select(SupportPhoto, Photo, Embedding.vector)
        .join(Photo, Photo.sha256 == SupportPhoto.photo_sha256)
        .where(SupportPhoto.defect_class_id == class_id)
    )
    return (await session.execute(_embedded(query, backbone_id))).all()


async def catalog_of(session: AsyncSession, class_id: UUID) -> Catalog | None:
    """The catalog that a class is in, or None where there is no such class."""
    query = select(Catalog).join(DefectClass, DefectClass.catalog_id == Catalog.id)
    return await session.scalar(query.where(DefectClass.id == class_id))


def _embedded(query: Query, backbone_id: str) -> Query:
    """A query of support photos, joined with their embeddings by one backbone, oldest photo first."""
    return query.join(Embedding, embedded()).where(Embedding.backbone_id == backbone_id).order_by(SupportPhoto.id)


def unpack(embedding_sum: bytes) -> NDArray[np.float64]:
    """Stored bytes -> float64 [D]."""
    return np.frombuffer(embedding_sum, "<f8")


def pack(embedding_sum: NDArray[np.float64]) -> bytes:
    """float64 [D] -> bytes to store."""
    return embedding_sum.astype("<f8").tobytes()


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise NameTakenError from error
