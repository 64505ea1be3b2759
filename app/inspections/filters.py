"""Which classifications are asked for."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from app.api.fields import Instant
from app.inspections.site_notes import Place


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


Filter = Annotated[ClassificationFilter, Query()]
