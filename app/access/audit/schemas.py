"""The audit trail as administrators see it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.access.audit.tables import Action


class AuditEntryOut(BaseModel):
    """One change."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    actor_id: UUID | None = Field(description="The API key; null on the command line, and while the service had none.")
    actor: str
    action: Action
    catalog_id: UUID | None
    subject_id: UUID | None = Field(description="What was changed.")
    detail: dict[str, Any]
