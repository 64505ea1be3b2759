"""Which catalog a defect class or a support photo belongs to, and how the absence of each is said."""

from sqlalchemy import select

from app.access.scopes import Scope
from app.catalogs.errors import DefectClassNotFound, SupportPhotoNotFound
from app.catalogs.tables import Catalog, DefectClass, SupportPhoto
from app.errors import CatalogNotFound

CATALOG = Scope(
    "catalog",
    lambda name: select(Catalog.id).where(Catalog.name == name),
    CatalogNotFound.named,
    parse=lambda name: name,
)

DEFECT_CLASS = Scope(
    "class_id",
    lambda class_id: select(DefectClass.catalog_id).where(DefectClass.id == class_id),
    lambda _: DefectClassNotFound(),
)

SUPPORT_PHOTO = Scope(
    "support_photo_id",
    lambda support_id: (
        select(DefectClass.catalog_id)
        .join(SupportPhoto, SupportPhoto.defect_class_id == DefectClass.id)
        .where(SupportPhoto.id == support_id)
    ),
    lambda _: SupportPhotoNotFound(),
)
