"""Catalogs, their defect classes, the classes' support photos and prototypes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, new_id


class Catalog(Base):
    """A set of defect classes; `version` counts every change of what it recognises or how it names it."""

    __tablename__ = "catalogs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    title_ko: Mapped[str] = mapped_column(String(200))
    title_en: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    created_at: Mapped[datetime]


class DefectClass(Base):
    """A type of defect; `changed_in` is the catalog's version in which it last changed, so caches read only that."""

    __tablename__ = "defect_classes"
    __table_args__ = (
        UniqueConstraint("catalog_id", "name"),
        Index("ix_defect_classes_changes", "catalog_id", "changed_in"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    catalog_id: Mapped[UUID] = mapped_column(ForeignKey("catalogs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    title_ko: Mapped[str] = mapped_column(String(200))
    title_en: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    severity: Mapped[str | None] = mapped_column(String(16))
    threshold: Mapped[float | None]
    changed_in: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SupportPhoto(Base):
    """A photo that shows what a defect class looks like."""

    __tablename__ = "support_photos"
    __table_args__ = (UniqueConstraint("defect_class_id", "photo_sha256"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    defect_class_id: Mapped[UUID] = mapped_column(ForeignKey("defect_classes.id", ondelete="CASCADE"))
    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"), index=True)
    filename: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]


class Prototype(Base):
    """The sum of a class's support embeddings, float64 [D], little-endian: over `shots` it is their mean.

    The sum and not the mean, because sums add and subtract exactly (see models.prototypes.embedding_sum).
    """

    __tablename__ = "prototypes"

    defect_class_id: Mapped[UUID] = mapped_column(ForeignKey("defect_classes.id", ondelete="CASCADE"), primary_key=True)
    backbone_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    embedding_sum: Mapped[bytes] = mapped_column(LargeBinary)
    shots: Mapped[int]
