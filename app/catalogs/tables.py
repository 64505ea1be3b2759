"""Catalogs, their defect classes, the classes' support photos and prototypes; and what of these is no longer."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.api.fields import CatalogSlug
from app.catalogs.schemas import ClassKind, Mode, Severity, Threshold
from app.photos.tables import PART_LENGTH, PartText, Sha256, Vector
from app.storage.tables import Base, new_id


def _whole_doubles(data: bytes) -> bytes:
    if not data or len(data) % 8:
        raise ValueError("it is no vector of float64")
    return data


class Catalog(Base):
    """A set of defect classes; `version` counts every change of what it recognises or how it names it.

    `mode` says whether photos are looked at as a whole (quick) or everywhere (scan); None: everywhere as soon as an
    example of a class is a part of a photo.
    From version `recorded_from` on, what the catalog was like at each version can be told (see app.catalogs.past).
    Answers are given by the backbone `backbone_id`, and only by it there are prototypes.
    """

    __tablename__ = "catalogs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[CatalogSlug] = mapped_column(String(63), unique=True)
    title_ko: Mapped[str] = mapped_column(String(200))
    title_en: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    mode: Mapped[Mode | None] = mapped_column(String(8))
    backbone_id: Mapped[str] = mapped_column(String(128), server_default=text("''"))
    recorded_from: Mapped[int] = mapped_column(server_default=text("1"))
    # Older answers are deleted; None: they are kept for ever.
    keep_days: Mapped[Annotated[int, Field(gt=0)] | None]
    created_at: Mapped[datetime]


class DefectClass(Base):
    """A type of defect, or sound surfaces: those are no defect, and what defects are told from.

    `changed_in` is the catalog's version in which it last changed, so caches read only that.
    """

    __tablename__ = "defect_classes"
    __table_args__ = (
        UniqueConstraint("catalog_id", "name"),
        Index("ix_defect_classes_changes", "catalog_id", "changed_in"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    catalog_id: Mapped[UUID] = mapped_column(ForeignKey("catalogs.id", ondelete="CASCADE"))
    kind: Mapped[ClassKind] = mapped_column(String(8), server_default=text("'defect'"))
    name: Mapped[str] = mapped_column(String(100))
    title_ko: Mapped[str] = mapped_column(String(200))
    title_en: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    severity: Mapped[Severity | None] = mapped_column(String(16))
    threshold: Mapped[Threshold | None]
    changed_in: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SupportPhoto(Base):
    """A photo, or a part of it, that shows what a class looks like.

    It does so since the catalog's version `added_in` (0: not known).
    """

    __tablename__ = "support_photos"
    __table_args__ = (UniqueConstraint("defect_class_id", "photo_sha256"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    defect_class_id: Mapped[UUID] = mapped_column(ForeignKey("defect_classes.id", ondelete="CASCADE"))
    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"), index=True)
    part: Mapped[PartText] = mapped_column(String(PART_LENGTH), server_default=text("''"))
    filename: Mapped[str] = mapped_column(String(255))
    added_in: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]


class Prototype(Base):
    """The sum of a class's support embeddings, float64 [D], little-endian: over `shots` it is their mean.

    The sum and not the mean, because sums add and subtract exactly (see models.prototypes.embedding_sum).
    """

    __tablename__ = "prototypes"

    defect_class_id: Mapped[UUID] = mapped_column(ForeignKey("defect_classes.id", ondelete="CASCADE"), primary_key=True)
    backbone_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    embedding_sum: Mapped[Annotated[bytes, AfterValidator(_whole_doubles)]] = mapped_column(LargeBinary)
    shots: Mapped[Annotated[int, Field(gt=0)]]


class PastSupportPhoto(Base):
    """A support photo that was removed, by its embedding alone: it counted from version `added_in` to `removed_in`.

    It points neither at the photo, whose bytes may be forgotten, nor at the class, which may be gone.
    """

    __tablename__ = "past_support_photos"

    support_photo_id: Mapped[UUID] = mapped_column(primary_key=True)
    backbone_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    catalog_id: Mapped[UUID] = mapped_column(ForeignKey("catalogs.id", ondelete="CASCADE"), index=True)
    defect_class_id: Mapped[UUID] = mapped_column(index=True)
    photo_sha256: Mapped[Sha256] = mapped_column(String(64))
    part: Mapped[PartText] = mapped_column(String(PART_LENGTH), server_default=text("''"))
    vector: Mapped[Vector] = mapped_column(LargeBinary)
    added_in: Mapped[int]
    removed_in: Mapped[int]


class PastDefectClass(Base):
    """What a class was called, and its threshold, until the catalog's version `until` changed or removed it."""

    __tablename__ = "past_defect_classes"

    defect_class_id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    catalog_id: Mapped[UUID] = mapped_column(ForeignKey("catalogs.id", ondelete="CASCADE"), index=True)
    kind: Mapped[ClassKind] = mapped_column(String(8), server_default=text("'defect'"))
    name: Mapped[str] = mapped_column(String(100))
    title_ko: Mapped[str] = mapped_column(String(200))
    title_en: Mapped[str] = mapped_column(String(200))
    severity: Mapped[Severity | None] = mapped_column(String(16))
    threshold: Mapped[Threshold | None]
