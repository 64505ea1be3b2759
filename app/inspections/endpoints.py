"""Classifications and feedback over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile

from app.access.requirements import Needs, needs
from app.acting import Role
from app.api.dependencies import of_app
from app.api.idempotency.service import IdempotencyKeyHeader, IdempotencyKeyReused, Once, once
from app.api.pagination import Cursor, Limit, Page, decode_cursor
from app.api.problems import documented
from app.api.uploads import form_with
from app.catalogs.endpoints import UPLOAD
from app.catalogs.errors import DefectClassNotFound
from app.catalogs.scopes import CATALOG
from app.errors import (
    CatalogNotFound,
    CursorInvalid,
    DatabaseUnavailable,
    DecoderUnavailable,
    EmbedderUnavailable,
    HajaError,
    HeatmapUnavailable,
    QueueFull,
    StorageFull,
    StorageUnavailable,
)
from app.inspections import errors, schemas
from app.inspections.chosen import Changed, ChosenChange
from app.inspections.filters import Filter
from app.inspections.heatmap import HeatmapService
from app.inspections.scopes import CLASSIFICATION
from app.inspections.service import InspectionService
from app.inspections.site_notes import TOGETHER, SiteNotes, SiteNotesChange
from app.photos import reading
from app.photos.errors import PhotoNotFound
from models.prediction_sets import LEAST, MOST

router = APIRouter(prefix="/v1", tags=["classifications"])


Inspections = Annotated[InspectionService, of_app("inspection_service")]


KEPT: tuple[type[HajaError], ...] = (
    reading.PhotoDamaged,
    reading.PhotoTypeUnsupported,
    reading.PhotoTooLarge,
    reading.PhotoTooCostly,
)
"""What may be wrong with a photo that was kept, by now."""


Heatmaps = Annotated[HeatmapService, of_app("heatmap_service")]


async def once_by_role(
    request: Request,
    key: str | None,
    wanted: schemas.FeedbackCreate | schemas.RegionFeedbackCreate | schemas.RegionCreate,
) -> Once:
    """As `once`, for words that may ask for an example, which needs the role of a curator."""
    if wanted.add_to_support:
        await Needs(Role.CURATOR, CLASSIFICATION)(request)
    return await once(request, key, wanted)


@router.post(
    "/catalogs/{catalog}/classifications",
    status_code=201,
    response_model=schemas.ClassificationOut,
    responses=documented(
        CatalogNotFound,
        errors.CatalogEmpty,
        reading.PhotoEmpty,
        *KEPT,
        *UPLOAD,
    ),
    openapi_extra=form_with("photo", TOGETHER),
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def classify_photo(
    catalog: str,
    photo: Annotated[UploadFile, File(description="JPEG, PNG, WebP or HEIF.")],
    notes: Annotated[SiteNotes, Form()],
    inspections: Inspections,
    request: Request,
    top_k: Annotated[int, Query(ge=1, le=100, description="How many classes the answer names.")] = 5,
    coverage: Annotated[
        float | None,
        Query(ge=LEAST, le=MOST, description="Also name the smallest set of classes that is right this often."),
    ] = None,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Say what a photo shows, of the classes of this catalog, best first."""
    notes.require_both_coordinates()
    request_once = await once(request, key, photo, notes)
    return await request_once.respond(
        lambda: inspections.classify(catalog, photo, top_k, request_once, coverage, notes)
    )


@router.get(
    "/classifications", responses=documented(CursorInvalid, DatabaseUnavailable), dependencies=[needs(Role.INSPECTOR)]
)
async def list_classifications(
    inspections: Inspections, wanted: Filter, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.ClassificationOut]:
    """The history, newest first; conditions hold together."""
    return await inspections.list_classifications(wanted, before=decode_cursor(cursor), limit=limit)


@router.get(
    "/classifications/{classification_id:uuid}",
    responses=documented(errors.ClassificationNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def get_classification(classification_id: UUID, inspections: Inspections) -> schemas.ClassificationOut:
    """One answer again, as it was given."""
    return await inspections.get(classification_id)


@router.patch(
    "/classifications/{classification_id:uuid}",
    responses=documented(errors.ClassificationNotFound, DatabaseUnavailable, StorageFull),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def change_classification(
    classification_id: UUID, change: SiteNotesChange, inspections: Inspections
) -> schemas.ClassificationOut:
    """Write place or note differently; only the fields that are sent change."""
    return await inspections.change(classification_id, change)


@router.post(
    "/classifications/change",
    status_code=201,
    response_model=Changed,
    responses=documented(errors.ChoiceIncomplete, IdempotencyKeyReused, DatabaseUnavailable, StorageFull),
    dependencies=[needs(Role.INSPECTOR)],
)
async def change_classifications(
    chosen: ChosenChange, inspections: Inspections, request: Request, key: IdempotencyKeyHeader = None
) -> Response:
    """Write place or status of many answers at once; only the fields that are sent change."""
    chosen.require_one()
    request_once = await once(request, key, chosen)
    return await request_once.respond(lambda: inspections.change_many(chosen, request_once))


@router.get(
    "/classifications/{classification_id}/heatmap.png",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "A PNG."},
        **documented(
            errors.ClassificationNotFound,
            DefectClassNotFound,
            PhotoNotFound,
            errors.BackboneChanged,
            HeatmapUnavailable,
            *KEPT,
            QueueFull,
            DecoderUnavailable,
            EmbedderUnavailable,
            DatabaseUnavailable,
            StorageUnavailable,
        ),
    },
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def draw_heatmap(
    classification_id: UUID,
    heatmaps: Heatmaps,
    defect_class_id: Annotated[
        UUID | None, Query(description="Of the same catalog; where left out, the class that was predicted first.")
    ] = None,
    overlay: Annotated[
        bool,
        Query(description="The coloured layer alone, transparent and of the same size, to be laid over the photo."),
    ] = False,
) -> Response:
    """Where the photo speaks for a class and against the others of its catalog; with one class, where it resembles it.

    The photo is grey and has at most 1024 pixels a side; the brightest place speaks for the class most, and where
    nothing is coloured, nothing speaks for it. The catalog counts as it is now.
    """
    picture = await heatmaps.draw(classification_id, defect_class_id, overlay=overlay)
    headers = {
        "Cache-Control": "private, no-cache",  # the next change of the catalog moves it
        "Content-Disposition": f'inline; filename="heatmap-{classification_id}.png"',
    }
    return Response(picture, media_type="image/png", headers=headers)


@router.get(
    "/catalogs/{catalog}/agreement",
    responses=documented(CatalogNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def get_agreement(catalog: str, inspections: Inspections) -> schemas.AgreementOut:
    """How often inspectors agreed with the answers, by week and class."""
    return await inspections.agreement(catalog)


@router.post(
    "/classifications/{classification_id}/feedback",
    status_code=201,
    response_model=schemas.FeedbackOut,
    responses=documented(
        errors.ClassificationNotFound, DefectClassNotFound, PhotoNotFound, errors.FeedbackIncomplete, *UPLOAD
    ),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def give_feedback(
    classification_id: UUID,
    wanted: schemas.FeedbackCreate,
    inspections: Inspections,
    request: Request,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Say what the photo really shows; the newest word counts. Making it an example needs the role of a curator."""
    request_once = await once_by_role(request, key, wanted)
    return await request_once.respond(lambda: inspections.give_feedback(classification_id, wanted, request_once))


@router.delete(
    "/classifications/{classification_id}/feedback/{feedback_id}",
    status_code=204,
    responses=documented(
        errors.ClassificationNotFound,
        errors.FeedbackNotFound,
        errors.FeedbackNotYours,
        DatabaseUnavailable,
        StorageFull,
    ),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def withdraw_feedback(classification_id: UUID, feedback_id: UUID, inspections: Inspections) -> None:
    """Take a word back: the one before it counts again, if there is one. An example that it made stays.

    Inspectors take back their own words, curators those of anybody.
    """
    await inspections.withdraw_feedback(classification_id, feedback_id)
