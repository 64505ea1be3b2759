"""The audit trail. The database itself refuses to change or delete its rows (see migration 0008)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, new_id

Action = Literal[
    "catalog-created",
    "catalog-changed",
    "catalog-deleted",
    "class-registered",
    "class-changed",
    "class-deleted",
    "examples-added",
    "example-removed",
    "feedback-given",
    "feedback-withdrawn",
    "notes-changed",
    "answers-deleted",
    "answers-restored",
    "batch-sent",
    "job-deleted",
    "history-exported",
    "backbone-switched",
    "key-created",
    "key-revoked",
    "signed-in",
    "signed-out",
]


class AuditEntry(Base):
    """One change. It points at nothing: what it speaks of may be gone."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_catalog_id", "catalog_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[Action] = mapped_column(String(32))
    catalog_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
