"""Catalogs, defect classes and support photos over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from app.access.requirements import needs, needs_everywhere
from app.acting import Role
from app.api.dependencies import of_app
from app.api.idempotency.service import IdempotencyKeyHeader, IdempotencyKeyReused, once
from app.api.pagination import Cursor, Limit, Page, decode_cursor
from app.api.problems import documented
from app.api.uploads import PhotoFiles, form_with
from app.catalogs import errors, schemas
from app.catalogs.scopes import CATALOG, DEFECT_CLASS, SUPPORT_PHOTO
from app.catalogs.service import CatalogService
from app.errors import (
    BodyTooSlow,
    CatalogNotFound,
    CursorInvalid,
    DatabaseUnavailable,
    DecoderUnavailable,
    EmbedderUnavailable,
    HajaError,
    QueueFull,
    RequestTooLarge,
    StorageFull,
    StorageUnavailable,
)

router = APIRouter(prefix="/v1")


WRITE: tuple[type[HajaError], ...] = (
    DatabaseUnavailable,
    StorageFull,
    IdempotencyKeyReused,
    RequestTooLarge,
    BodyTooSlow,
)
UPLOAD: tuple[type[HajaError], ...] = (
    *WRITE,
    QueueFull,
    DecoderUnavailable,
    EmbedderUnavailable,
    StorageUnavailable,
    errors.BackboneSwitched,
)


Catalogs = Annotated[CatalogService, of_app("catalog_service")]


_BY_NAME = {
    operation: {"operationId": operation, "parameters": {"catalog": "$response.body#/name"}}
    for operation in (
        "get_catalog",
        "change_catalog",
        "delete_catalog",
        "evaluate_catalog",
        "draw_catalog_confusion",
        "get_agreement",
        "register_defect_class",
        "list_defect_classes",
        "classify_photo",
        "classify_batch",
    )
}
"""Addresses of a catalog hold its name and not its id, which generators of clients would guess."""


@router.post(
    "/catalogs",
    status_code=201,
    response_model=schemas.CatalogOut,
    responses={201: {"links": _BY_NAME}, **documented(errors.CatalogNameTaken, *WRITE)},
    tags=["catalogs"],
    dependencies=[needs_everywhere(Role.ADMIN)],
)
async def create_catalog(
    wanted: schemas.CatalogCreate, catalogs: Catalogs, request: Request, key: IdempotencyKeyHeader = None
) -> Response:
    """Make a catalog: a company or a project keeps its own classes in its own."""
    request_once = await once(request, key, wanted)
    return await request_once.respond(lambda: catalogs.create_catalog(wanted, request_once))


@router.get(
    "/catalogs",
    responses=documented(CursorInvalid, DatabaseUnavailable),
    tags=["catalogs"],
    dependencies=[needs(Role.INSPECTOR)],
)
async def list_catalogs(catalogs: Catalogs, limit: Limit = 50, cursor: Cursor = None) -> Page[schemas.CatalogOut]:
    """All catalogs, oldest first."""
    return await catalogs.list_catalogs(decode_cursor(cursor), limit)


@router.get(
    "/catalogs/{catalog}",
    responses=documented(CatalogNotFound, DatabaseUnavailable),
    tags=["catalogs"],
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def get_catalog(catalog: str, catalogs: Catalogs) -> schemas.CatalogOut:
    """One catalog."""
    return await catalogs.get_catalog(catalog)


@router.patch(
    "/catalogs/{catalog}",
    responses=documented(
        CatalogNotFound,
        errors.CatalogNameTaken,
        errors.DefaultCatalogProtected,
        DatabaseUnavailable,
        StorageFull,
    ),
    tags=["catalogs"],
    dependencies=[needs(Role.ADMIN, CATALOG)],
)
async def change_catalog(catalog: str, change: schemas.CatalogChange, catalogs: Catalogs) -> schemas.CatalogOut:
    """Rename or describe a catalog; only the fields that are sent change. A new name needs `admin` in every catalog."""
    return await catalogs.change_catalog(catalog, change)


@router.delete(
    "/catalogs/{catalog}",
    status_code=204,
    responses=documented(CatalogNotFound, errors.DefaultCatalogProtected, DatabaseUnavailable),
    tags=["catalogs"],
    dependencies=[needs(Role.ADMIN, CATALOG)],
)
async def delete_catalog(catalog: str, catalogs: Catalogs) -> None:
    """Delete a catalog with all its classes, photos and classifications."""
    await catalogs.delete_catalog(catalog)


@router.post(
    "/catalogs/{catalog}/defect-classes",
    status_code=201,
    response_model=schemas.Registered,
    responses=documented(
        CatalogNotFound, errors.DefectClassNameTaken, errors.NoUsablePhoto, errors.TooManyPhotos, *UPLOAD
    ),
    openapi_extra=form_with("photos"),
    tags=["defect classes"],
    dependencies=[needs(Role.CURATOR, CATALOG)],
)
async def register_defect_class(
    catalog: str,
    wanted: Annotated[schemas.DefectClassRegistration, Form()],
    photos: PhotoFiles,
    catalogs: Catalogs,
    request: Request,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Register a defect class with its first photos (about five); the next photo of it is recognised."""
    request_once = await once(request, key, wanted, photos)
    return await request_once.respond(lambda: catalogs.register(catalog, wanted, photos, request_once, wanted))


@router.get(
    "/catalogs/{catalog}/defect-classes",
    responses=documented(CatalogNotFound, CursorInvalid, DatabaseUnavailable),
    tags=["defect classes"],
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def list_defect_classes(
    catalog: str, catalogs: Catalogs, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.DefectClassOut]:
    """The classes of a catalog, oldest first."""
    return await catalogs.list_defect_classes(catalog, decode_cursor(cursor), limit)


@router.get(
    "/defect-classes/{class_id}",
    responses=documented(errors.DefectClassNotFound, DatabaseUnavailable),
    tags=["defect classes"],
    dependencies=[needs(Role.INSPECTOR, DEFECT_CLASS)],
)
async def get_defect_class(class_id: UUID, catalogs: Catalogs) -> schemas.DefectClassOut:
    """One defect class."""
    return await catalogs.get_defect_class(class_id)


@router.patch(
    "/defect-classes/{class_id}",
    responses=documented(errors.DefectClassNotFound, errors.DefectClassNameTaken, DatabaseUnavailable, StorageFull),
    tags=["defect classes"],
    dependencies=[needs(Role.CURATOR, DEFECT_CLASS)],
)
async def change_defect_class(
    class_id: UUID, change: schemas.DefectClassChange, catalogs: Catalogs
) -> schemas.DefectClassOut:
    """Rename or edit a class; it takes effect at once, and only the fields that are sent change."""
    return await catalogs.change_defect_class(class_id, change)


@router.delete(
    "/defect-classes/{class_id}",
    status_code=204,
    responses=documented(errors.DefectClassNotFound, DatabaseUnavailable),
    tags=["defect classes"],
    dependencies=[needs(Role.CURATOR, DEFECT_CLASS)],
)
async def delete_defect_class(class_id: UUID, catalogs: Catalogs) -> None:
    """Remove a class; it takes effect at once. Earlier answers keep its name."""
    await catalogs.delete_defect_class(class_id)


@router.post(
    "/defect-classes/{class_id}/support-photos",
    status_code=201,
    response_model=schemas.Registered,
    responses=documented(errors.DefectClassNotFound, errors.NoUsablePhoto, errors.TooManyPhotos, *UPLOAD),
    openapi_extra=form_with("photos"),
    tags=["defect classes"],
    dependencies=[needs(Role.CURATOR, DEFECT_CLASS)],
)
async def add_support_photos(
    class_id: UUID,
    photos: PhotoFiles,
    parts: Annotated[schemas.ExampleParts, Form()],
    catalogs: Catalogs,
    request: Request,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Add examples to a class."""
    request_once = await once(request, key, parts, photos)
    return await request_once.respond(lambda: catalogs.add_support_photos(class_id, photos, request_once, parts))


@router.get(
    "/defect-classes/{class_id}/support-photos",
    responses=documented(errors.DefectClassNotFound, CursorInvalid, DatabaseUnavailable),
    tags=["defect classes"],
    dependencies=[needs(Role.INSPECTOR, DEFECT_CLASS)],
)
async def list_support_photos(
    class_id: UUID, catalogs: Catalogs, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.SupportPhotoOut]:
    """The examples of a class, oldest first."""
    return await catalogs.list_support_photos(class_id, decode_cursor(cursor), limit)


@router.get(
    "/defect-classes/{class_id}/support-report",
    responses=documented(errors.DefectClassNotFound, DatabaseUnavailable),
    tags=["defect classes"],
    dependencies=[needs(Role.INSPECTOR, DEFECT_CLASS)],
)
async def get_support_report(class_id: UUID, catalogs: Catalogs) -> schemas.SupportReport:
    """What the examples of a class are worth: copies, dark or blurred ones, ones that look like another class."""
    return await catalogs.support_report(class_id)


@router.delete(
    "/support-photos/{support_photo_id}",
    status_code=204,
    responses=documented(errors.SupportPhotoNotFound, DatabaseUnavailable),
    tags=["defect classes"],
    dependencies=[needs(Role.CURATOR, SUPPORT_PHOTO)],
)
async def delete_support_photo(support_photo_id: UUID, catalogs: Catalogs) -> None:
    """Take an example back; the class is as if it had never had it."""
    await catalogs.delete_support_photo(support_photo_id)
