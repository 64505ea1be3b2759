"""Kept photos over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.access.requirements import needs
from app.acting import Role
from app.api.dependencies import of_app
from app.api.problems import documented
from app.errors import DatabaseUnavailable, DecoderUnavailable, QueueFull, StorageUnavailable
from app.inspections.removal import RemovalService
from app.inspections.scopes import PHOTO
from app.photos.errors import PhotoNotFound
from app.photos.reading import PhotoDamaged, PhotoTooCostly, PhotoTooLarge, PhotoTypeUnsupported
from app.photos.service import ArchiveService

router = APIRouter(prefix="/v1", tags=["photos"])


Archive = Annotated[ArchiveService, of_app("archive_service")]

Removals = Annotated[RemovalService, of_app("removal_service")]


@router.get(
    "/photos/{photo_id}/thumbnail",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "A JPEG."},
        **documented(
            PhotoNotFound,
            PhotoDamaged,
            PhotoTypeUnsupported,
            PhotoTooLarge,
            PhotoTooCostly,
            QueueFull,
            DecoderUnavailable,
            DatabaseUnavailable,
            StorageUnavailable,
        ),
    },
    dependencies=[needs(Role.INSPECTOR, PHOTO)],
)
async def get_photo_thumbnail(
    photo_id: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    archive: Archive,
    removals: Removals,
    side: Annotated[int, Query(ge=16, le=3200, description="Longest side, in pixels.")] = 320,
) -> Response:
    """A small upright JPEG of a photo, re-encoded: nothing else that the uploaded file held leaves the service."""
    await removals.require_shown(photo_id)
    data = await archive.thumbnail(photo_id, side)
    # The id is the hash of the content, so what stands under it never changes.
    return Response(
        data,
        media_type="image/jpeg",
        headers={
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": f'inline; filename="{photo_id}.jpg"',
        },
    )
