"""Which classifications are asked for."""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator

from app.inspections.site_notes import Place


def _utc(moment: datetime) -> datetime:
    # So that no zone carries it beyond what a datetime can say.
    if not 1 < moment.year < 9999:  # noqa: PLR2004
        raise ValueError("its year is not between 2 and 9998")
    return moment.astimezone(UTC)


def _written(value: object) -> object:
    # Pydantic would take a number as seconds or milliseconds since 1970, whichever it looks like.
    if isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"\s*[+-]?[\d._]+\s*", value)):
        raise ValueError("it is no time in the form of ISO 8601, such as 2026-11-22T09:30:00+09:00")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_utc)]


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
