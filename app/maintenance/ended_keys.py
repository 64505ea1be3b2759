"""Ending the API keys of a site that is restored: some may have been revoked after the backup was made."""

from datetime import UTC, datetime
from uuid import UUID

from app.access.audit.tables import Action, AuditEntry
from app.access.tables import ApiKey, ApiKeyGrant
from app.acting import acting
from app.maintenance.backup_values import Row
from app.storage.tables import new_id

AUDIT = AuditEntry.__tablename__

_REVOKED: Action = "key-revoked"


class EndedKeys:
    """Ends what passes, and keeps what the audit trail says of it. Keys pass before what they may do."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        self._names: dict[UUID, str] = {}
        self._catalogs: list[tuple[UUID, UUID]] = []

    def __len__(self) -> int:
        return len(self._names)

    def end(self, table: str, rows: list[Row]) -> None:
        """Change rows of a table, before they are inserted."""
        if table == ApiKey.__tablename__:
            for row in rows:
                if row["revoked_at"] is None:
                    # Else nobody who signs in with an address could get a new key: each address has one for ever.
                    row |= {"revoked_at": self._now, "email": None}
                    self._names[row["id"]] = row["name"]
        elif table == ApiKeyGrant.__tablename__:
            self._catalogs += [
                (row["api_key_id"], row["catalog_id"]) for row in rows if row["api_key_id"] in self._names
            ]

    def entries(self) -> list[Row]:
        """Rows of the audit trail: one for each catalog of a key that was ended."""
        everywhere = self._names.keys() - {key_id for key_id, _ in self._catalogs}
        return [self._entry(key_id, None) for key_id in everywhere] + [self._entry(*each) for each in self._catalogs]

    def _entry(self, key_id: UUID, catalog_id: UUID | None) -> Row:
        actor = acting()
        return {
            "id": new_id(),
            "at": self._now,
            "actor_id": actor.id,
            "actor": actor.name,
            "action": _REVOKED,
            "catalog_id": catalog_id,
            "subject_id": key_id,
            "detail": {"name": self._names[key_id], "reason": "restored from a backup"},
        }
