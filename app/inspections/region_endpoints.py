"""Regions of classifications over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from app.access.requirements import needs
from app.acting import Role
from app.api.dependencies import of_app
from app.api.idempotency.service import IdempotencyKeyHeader
from app.api.problems import documented
from app.catalogs.endpoints import UPLOAD
from app.catalogs.errors import DefectClassNotFound
from app.errors import DatabaseUnavailable, DecoderUnavailable, HeatmapUnavailable, QueueFull, StorageUnavailable
from app.inspections import schemas
from app.inspections.endpoints import KEPT, once_by_role
from app.inspections.errors import ClassificationNotFound, FeedbackIncomplete, RegionNotFound
from app.inspections.regions import RegionService
from app.inspections.scopes import CLASSIFICATION
from app.photos.errors import PhotoNotFound, TooManyRegions

router = APIRouter(prefix="/v1/classifications/{classification_id}/regions", tags=["classifications"])

RegionNumber = Annotated[int, Path(ge=1, le=1000, description="Of a region, from 1.")]

Regions = Annotated[RegionService, of_app("region_service")]


@router.get(
    "/{number}/crop.jpg",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "A JPEG."},
        **documented(
            ClassificationNotFound,
            RegionNotFound,
            PhotoNotFound,
            *KEPT,
            QueueFull,
            DecoderUnavailable,
            DatabaseUnavailable,
            StorageUnavailable,
        ),
    },
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def get_region_crop(classification_id: UUID, number: RegionNumber, regions: Regions) -> Response:
    """A region as it was answered or added, and a little of what surrounds it: an upright JPEG, re-encoded.

    It has at most 1024 pixels a side.
    """
    return Response(
        await regions.crop(classification_id, number),
        media_type="image/jpeg",
        headers={
            # Words that move the region do not change what was answered.
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": f'inline; filename="region-{classification_id}-{number}.jpg"',
        },
    )


@router.post(
    "/{number}/feedback",
    status_code=201,
    response_model=schemas.RegionFeedbackOut,
    responses=documented(
        ClassificationNotFound,
        RegionNotFound,
        DefectClassNotFound,
        PhotoNotFound,
        FeedbackIncomplete,
        TooManyRegions,
        HeatmapUnavailable,
        *KEPT,
        *UPLOAD,
    ),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def give_region_feedback(
    classification_id: UUID,
    number: RegionNumber,
    wanted: schemas.RegionFeedbackCreate,
    regions: Regions,
    request: Request,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Say what a region really shows; the newest word counts. Making it an example needs the role of a curator."""
    request_once = await once_by_role(request, key, wanted)
    return await request_once.respond(lambda: regions.judge(classification_id, number, wanted, request_once))


@router.post(
    "",
    status_code=201,
    response_model=schemas.RegionFeedbackOut,
    responses=documented(
        ClassificationNotFound,
        DefectClassNotFound,
        PhotoNotFound,
        TooManyRegions,
        HeatmapUnavailable,
        *KEPT,
        *UPLOAD,
    ),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def add_region(
    classification_id: UUID,
    wanted: schemas.RegionCreate,
    regions: Regions,
    request: Request,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Add a defect that the answer lacks. Making it an example needs the role of a curator."""
    request_once = await once_by_role(request, key, wanted)
    return await request_once.respond(lambda: regions.add(classification_id, wanted, request_once))
