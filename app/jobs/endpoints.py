"""Batches of photos and their progress over HTTP."""

from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.access.requirements import ask_again, needs
from app.acting import Role
from app.api.dependencies import of_app
from app.api.idempotency.service import IdempotencyKeyHeader, Once, address_of, fingerprint
from app.api.pagination import Cursor, Limit, Page, decode_cursor
from app.api.problems import documented
from app.api.uploads import PHOTO_TYPES
from app.catalogs.endpoints import UPLOAD
from app.catalogs.scopes import CATALOG
from app.errors import CatalogNotFound, CursorInvalid, DatabaseUnavailable, RequestInvalid
from app.inspections.errors import CatalogEmpty
from app.jobs import schemas
from app.jobs.errors import JobNotFound, NoPhotos, TooManyBatchPhotos, TooManyFollowers
from app.jobs.multipart import Part, parts
from app.jobs.receiving import MAX_PHOTOS
from app.jobs.scopes import JOB
from app.jobs.service import JobService
from models.prediction_sets import LEAST, MOST

router = APIRouter(prefix="/v1", tags=["batches"])

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photos"],
                    "properties": {
                        "photos": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_PHOTOS,
                            "items": {"type": "string", "format": "binary"},
                            "description": "JPEG, PNG, WebP or HEIF.",
                        }
                    },
                },
                "encoding": {"photos": {"contentType": PHOTO_TYPES}},
            }
        },
    }
}
"""Written by hand: FastAPI would hold the whole form before it calls the endpoint."""


Jobs = Annotated[JobService, of_app("job_service")]


@router.post(
    "/catalogs/{catalog}/classifications/batch",
    status_code=202,
    response_model=schemas.JobOut,
    responses=documented(CatalogNotFound, CatalogEmpty, NoPhotos, TooManyBatchPhotos, *UPLOAD),
    openapi_extra=BODY,
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def classify_batch(
    catalog: str,
    jobs: Jobs,
    request: Request,
    top_k: Annotated[int, Query(ge=1, le=100, description="How many classes each answer names.")] = 5,
    coverage: Annotated[
        float | None,
        Query(ge=LEAST, le=MOST, description="Also name the smallest set of classes that is right this often."),
    ] = None,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Take up to 1,000 photos and classify them one after the other; the answer is a job to ask after.

    A photo that cannot be used fails by itself; its neighbours are classified.
    """
    wanted = schemas.BatchParameters(top_k=top_k, coverage=coverage)
    draft = await jobs.receive(catalog, wanted, _photos(request, jobs.max_photo_bytes))
    bound = fingerprint([*address_of(request), draft.digest])
    once = Once(request.app.state.database, key, bound, HTTPStatus.ACCEPTED)
    begun = False

    async def begin() -> schemas.JobOut:
        nonlocal begun
        await ask_again(request)  # a large batch may have been on its way for hours
        job = await jobs.begin(draft, once)
        begun = True
        return job

    try:
        return await once.respond(begin)
    finally:
        if not begun:
            await jobs.discard(draft)


@router.get("/jobs", responses=documented(CursorInvalid, DatabaseUnavailable), dependencies=[needs(Role.INSPECTOR)])
async def list_jobs(jobs: Jobs, limit: Limit = 50, cursor: Cursor = None) -> Page[schemas.JobOut]:
    """All jobs, newest first; finished ones are kept for 30 days."""
    return await jobs.list_jobs(decode_cursor(cursor), limit)


async def _job(job_id: UUID, jobs: Jobs) -> schemas.JobOut:
    return await jobs.get(job_id)


@router.get(
    "/jobs/{job_id}",
    responses=documented(JobNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, JOB)],
)
async def get_job(job: Annotated[schemas.JobOut, Depends(_job)]) -> schemas.JobOut:
    """How far a job is."""
    return job


async def _follower(job_id: UUID, jobs: Jobs) -> AsyncIterator[None]:
    with jobs.following(job_id):
        yield


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses=documented(JobNotFound, TooManyFollowers, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, JOB), Depends(_follower)],
)
async def follow_job(
    job: Annotated[schemas.JobOut, Depends(_job)], jobs: Jobs, request: Request
) -> AsyncIterator[ServerSentEvent]:
    """The job's progress as server-sent events: `progress` each time that it has moved, `finished` at the end.

    They end as well once the key has ended. One key follows ten jobs at a time.
    """
    async for state in jobs.follow(job, partial(ask_again, request)):
        yield ServerSentEvent(event="finished" if state.state == "finished" else "progress", data=state)


@router.get(
    "/jobs/{job_id}/results",
    responses=documented(JobNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, JOB)],
)
async def list_job_results(
    job_id: UUID,
    jobs: Jobs,
    limit: Limit = 50,
    position: Annotated[int, Query(ge=0, le=MAX_PHOTOS, description="`next_position` of the page before.")] = 0,
) -> schemas.JobResults:
    """What came of the photos, in the order in which they were sent; also while the job is running."""
    return await jobs.results(job_id, position, limit)


@router.delete(
    "/jobs/{job_id}",
    status_code=204,
    responses=documented(JobNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.CURATOR, JOB)],
)
async def delete_job(job_id: UUID, jobs: Jobs) -> None:
    """Delete a job: photos that still wait are not classified; classifications that were made stay."""
    await jobs.delete(job_id)


async def _photos(request: Request, max_photo_bytes: int) -> AsyncIterator[Part]:
    async for part in parts(request.headers.get("content-type", ""), request.stream(), max_photo_bytes):
        if part.name != "photos":
            raise RequestInvalid(f"There is a file in the field {part.name[:100]!r}: photos belong into photos.")
        yield part
