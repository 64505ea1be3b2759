"""The audit trail over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access.audit.schemas import AuditEntryOut
from app.access.audit.service import AuditService
from app.access.audit.tables import Action
from app.access.requirements import needs
from app.acting import Role
from app.api.dependencies import of_app
from app.api.fields import Instant
from app.api.pagination import Cursor, Limit, Page, decode_cursor
from app.api.problems import documented
from app.errors import CursorInvalid, DatabaseUnavailable

router = APIRouter(prefix="/v1", tags=["keys"])


Audit = Annotated[AuditService, of_app("audit_service")]


@router.get("/audit", responses=documented(CursorInvalid, DatabaseUnavailable), dependencies=[needs(Role.ADMIN)])
async def list_audit_entries(
    audit: Audit,
    action: Annotated[Action | None, Query(description="Only these.")] = None,
    since: Annotated[Instant | None, Query(description="Then or later; with a zone.")] = None,
    until: Annotated[Instant | None, Query(description="Before; with a zone.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntryOut]:
    """Who changed what and when, newest first, in the catalogs that the caller administers; nothing is ever deleted."""
    before = decode_cursor(cursor)
    return await audit.list_entries(action=action, since=since, until=until, before=before, limit=limit)
