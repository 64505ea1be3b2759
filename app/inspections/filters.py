"""Which classifications are asked for."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from app.api.fields import Instant
from app.inspections.site_notes import Place


class ClassificationFilter(BaseModel):
    """Conditions that all hold; None asks for nothing."""

    catalog: str | None = None
    unknown: bool | None = None
    defect_class_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    disagreement: bool | None = None
    place: str | None = None

    @classmethod
    async def from_query(  # async, because FastAPI would call it in a thread
        cls,
        catalog: Annotated[str | None, Query(description="Of this catalog only.")] = None,
        unknown: Annotated[
            bool | None, Query(description="Only those that were unknown, or only those that were not.")
        ] = None,
        defect_class_id: Annotated[
            UUID | None,
            Query(
                description="Only those that count as this class: by the inspector's newest word where there is one, "
                "else by the first prediction of an answer that was not unknown."
            ),
        ] = None,
        since: Annotated[Instant | None, Query(description="Answered then or later; with a zone.")] = None,
        until: Annotated[Instant | None, Query(description="Answered before; with a zone.")] = None,
        disagreement: Annotated[
            bool | None,
            Query(
                description="Only those that the inspector's newest word contradicts, or only those that it bears out; "
                "those without feedback are neither."
            ),
        ] = None,
        place: Annotated[Place | None, Query(description="Part of the place, in capitals or not.")] = None,
    ) -> "ClassificationFilter":
        """Read the conditions from an address."""
        return cls(
            catalog=catalog,
            unknown=unknown,
            defect_class_id=defect_class_id,
            since=since,
            until=until,
            disagreement=disagreement,
            place=place,
        )


Filter = Annotated[ClassificationFilter, Depends(ClassificationFilter.from_query)]
