"""Which catalogs a classification or a kept photo belongs to, and how the absence of each is said."""

from uuid import UUID

from sqlalchemy import Select, select, union

from app.access.scopes import Scope
from app.catalogs.tables import DefectClass, SupportPhoto
from app.inspections.errors import ClassificationNotFound
from app.inspections.tables import Classification
from app.photos.errors import PhotoNotFound

CLASSIFICATION = Scope(
    "classification_id",
    lambda asked: select(Classification.catalog_id).where(
        Classification.id == asked, Classification.deleted_at.is_(None)
    ),
    lambda _: ClassificationNotFound(),
)


def _catalogs_of_photo(sha256: str) -> Select[UUID]:
    shown = select(DefectClass.catalog_id).join(SupportPhoto, SupportPhoto.defect_class_id == DefectClass.id)
    asked = select(Classification.catalog_id).where(
        Classification.photo_sha256 == sha256, Classification.deleted_at.is_(None)
    )
    both = union(shown.where(SupportPhoto.photo_sha256 == sha256), asked).subquery()
    return select(both.c.catalog_id)


PHOTO = Scope("photo_id", _catalogs_of_photo, lambda _: PhotoNotFound(), parse=lambda sha256: sha256)
