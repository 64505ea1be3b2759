"""Which classifications are asked for."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from app.api.fields import Instant
from app.inspections.site_notes import Place, Status


class ClassificationFilter(BaseModel):
    """Conditions that all hold; None asks for nothing."""

    catalog: str | None = Field(None, description="Of this catalog only.")
    unknown: bool | None = Field(None, description="Only those that were unknown, or only those that were not.")
    defect_class_id: UUID | None = Field(
        None,
        description="Only those that count as this class: by the inspector's newest word where there is one, else by "
        "the first prediction of an answer that was neither unknown nor sound.",
    )
    sound: bool | None = Field(
        None,
        description="Only those in which no part of the photo looked like a defect, or only those with regions; those "
        "that were looked at as a whole are neither.",
    )
    since: Instant | None = Field(None, description="Answered then or later; with a zone.")
    until: Instant | None = Field(None, description="Answered before; with a zone.")
    disagreement: bool | None = Field(
        None,
        description="Only those that the inspector's newest word contradicts, or only those that it bears out; those "
        "without feedback are neither.",
    )
    place: Place | None = Field(None, description="Part of the place, in capitals or not.")
    under: Place | None = Field(
        None, description="Only at this place or under it, levels as a whole; empty: only those without a place."
    )
    by: str | None = Field(None, description="Only what this person sent, by the name that their key had then.")
    mine: bool | None = Field(None, description="Only what the caller sent, or only what others did.")
    judged: bool | None = Field(None, description="Only those with an inspector's word, or only those without.")
    no_class: bool | None = Field(
        None, description="Only those that in the end are no class of the catalog, or only those that are one."
    )
    status: Status | None = None


Filter = Annotated[ClassificationFilter, Query()]
