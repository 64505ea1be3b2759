"""Deleting answers over HTTP, and having them back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.access.requirements import needs
from app.acting import Role
from app.api.dependencies import of_app
from app.api.idempotency.service import IdempotencyKeyHeader, IdempotencyKeyReused, once
from app.api.problems import documented
from app.catalogs.scopes import CATALOG
from app.errors import CatalogNotFound, DatabaseUnavailable, StorageFull
from app.inspections.chosen import Changed, Chosen
from app.inspections.errors import ChoiceIncomplete, ClassificationNotFound
from app.inspections.removal import RemovalService
from app.inspections.schemas import DeletionOut, Restoration, RetentionOut
from app.inspections.scopes import CLASSIFICATION

router = APIRouter(prefix="/v1", tags=["classifications"])

Removals = Annotated[RemovalService, of_app("removal_service")]


@router.delete(
    "/classifications/{classification_id:uuid}",
    responses=documented(ClassificationNotFound, DatabaseUnavailable, StorageFull),
    dependencies=[needs(Role.INSPECTOR, CLASSIFICATION)],
)
async def delete_classification(classification_id: UUID, removals: Removals) -> DeletionOut:
    """Delete an answer with what was said of it, and its photo where nothing else owns it; undone within an hour."""
    return await removals.delete(classification_id)


@router.post(
    "/classifications/delete",
    status_code=201,
    response_model=DeletionOut,
    responses=documented(ChoiceIncomplete, IdempotencyKeyReused, DatabaseUnavailable, StorageFull),
    dependencies=[needs(Role.CURATOR)],
)
async def delete_classifications(
    chosen: Chosen, removals: Removals, request: Request, key: IdempotencyKeyHeader = None
) -> Response:
    """Delete many answers at once, of catalogs in which the caller is a curator; undone within an hour."""
    chosen.require_one()
    request_once = await once(request, key, chosen)
    return await request_once.respond(lambda: removals.delete_many(chosen, request_once))


@router.post(
    "/classifications/restore",
    status_code=201,
    response_model=Changed,
    responses=documented(IdempotencyKeyReused, DatabaseUnavailable, StorageFull),
    dependencies=[needs(Role.INSPECTOR)],
)
async def restore_classifications(
    wanted: Restoration, removals: Removals, request: Request, key: IdempotencyKeyHeader = None
) -> Response:
    """Have back what one call deleted less than an hour ago; 0 where there is nothing to restore any more."""
    request_once = await once(request, key, wanted)
    return await request_once.respond(lambda: removals.restore(wanted.deletion_id, request_once))


@router.get(
    "/catalogs/{catalog}/retention",
    responses=documented(CatalogNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR, CATALOG)],
)
async def preview_retention(
    catalog: str, removals: Removals, keep_days: Annotated[int, Query(ge=1, le=36500)]
) -> RetentionOut:
    """What the catalog would lose at once if its `keep_days` were this; nothing is changed."""
    return await removals.retention(catalog, keep_days)
