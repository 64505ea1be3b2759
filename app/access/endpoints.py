"""API keys over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.access import errors, schemas
from app.access.requirements import needs
from app.access.service import AccessService
from app.acting import Role
from app.api.dependencies import of_app
from app.api.pagination import Cursor, Limit, Page, decode_cursor
from app.api.problems import documented
from app.errors import CatalogNotFound, CursorInvalid, DatabaseUnavailable, StorageFull

router = APIRouter(prefix="/v1/keys", tags=["keys"])


Access = Annotated[AccessService, of_app("access_service")]


@router.post(
    "",
    status_code=201,
    responses=documented(CatalogNotFound, errors.GrantTooWide, errors.EmailTaken, DatabaseUnavailable, StorageFull),
    dependencies=[needs(Role.ADMIN)],
)
async def create_key(wanted: schemas.KeyCreate, access: Access) -> schemas.KeyCreated:
    """Make an API key that may do no more than the caller's own; the answer shows its secret, this once."""
    return await access.create_key(wanted)


@router.get("", responses=documented(CursorInvalid, DatabaseUnavailable), dependencies=[needs(Role.ADMIN)])
async def list_keys(access: Access, limit: Limit = 50, cursor: Cursor = None) -> Page[schemas.KeyOut]:
    """The keys that the caller may revoke, oldest first, also those that have ended."""
    return await access.list_keys(decode_cursor(cursor), limit)


@router.get("/current", responses=documented(DatabaseUnavailable), dependencies=[needs(Role.INSPECTOR)])
async def get_current_key(access: Access) -> schemas.CurrentKey:
    """Who the service takes the caller for, and what they may do."""
    return await access.current()


@router.delete(
    "/{key_id:uuid}",
    status_code=204,
    responses=documented(errors.KeyNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.ADMIN)],
)
async def revoke_key(key_id: UUID, access: Access) -> None:
    """End a key and its sessions for ever; elsewhere it takes two seconds at most."""
    await access.revoke_key(key_id)
