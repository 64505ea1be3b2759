"""Reading the audit trail."""

from datetime import datetime
from uuid import UUID

from app.access.audit import repository
from app.access.audit.schemas import AuditEntryOut
from app.access.audit.tables import Action
from app.acting import Role, acting
from app.api.pagination import Page, cut
from app.storage.database import Database


class AuditService:
    """The audit trail, as far as whoever is acting administers what it speaks of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_entries(
        self,
        *,
        action: Action | None,
        since: datetime | None,
        until: datetime | None,
        before: UUID | None,
        limit: int,
    ) -> Page[AuditEntryOut]:
        """A page of the entries, newest first."""
        mine = acting().catalogs(Role.ADMIN)
        async with self._database.reading() as session:
            found = await repository.entries(
                session, mine, action=action, since=since, until=until, before=before, limit=limit
            )
        rows, cursor = cut(found, limit)
        entries = [AuditEntryOut.model_validate(row) for row in rows]
        if mine is not None:
            for entry in entries:
                _leave_out_other_catalogs(entry)
        return Page(items=entries, next_cursor=cursor)


def _leave_out_other_catalogs(entry: AuditEntryOut) -> None:
    # Lines from before 0009 name everything that the new key may do, in every catalog that it is for.
    if entry.action == "key-created":
        catalogs = entry.detail["catalogs"]
        entry.detail |= {"role": None, "catalogs": catalogs if len(catalogs) == 1 else {}}
