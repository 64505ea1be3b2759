"""The filters of the history page, as its form sends them."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.inspections.filters import ClassificationFilter
from app.inspections.site_notes import Place, Status

Day = Annotated[date, Field(ge=date(2, 1, 2), le=date(9998, 12, 29))]
"""A day that begins and ends in the years of an `Instant`, whatever the zone."""


class HistoryForm(BaseModel):
    """What was filled in; empty means anything. Days count by `zone`, an offset such as +09:00."""

    catalog: str = ""
    defect_class_id: UUID | Literal[""] = ""
    since: Day | Literal[""] = ""
    until: Day | Literal[""] = Field("", description="The last day.")
    zone: str = Field("", pattern=r"^([+-][01]\d:[0-5]\d)?$")
    place: Place = ""
    under: Place = Field("", description="At this place or under it.")
    by: str = Field("", max_length=200, description="Who sent it.")
    mine: bool = False
    judged: Literal["true", "false", ""] = ""
    status: Status | Literal[""] = ""
    no_class: bool = False
    unknown: bool = False
    sound: bool = False
    disagreement: bool = False

    def conditions(self) -> ClassificationFilter:
        """The same for the service."""
        return ClassificationFilter(
            catalog=self.catalog or None,
            defect_class_id=self.defect_class_id or None,
            since=self._begin(self.since),
            until=self._begin(self.until, days=1),
            place=self.place or None,
            under=self.under or None,
            by=self.by or None,
            mine=self.mine or None,
            judged=None if self.judged == "" else self.judged == "true",
            status=self.status or None,
            no_class=self.no_class or None,
            unknown=self.unknown or None,
            sound=self.sound or None,
            disagreement=self.disagreement or None,
        )

    def _begin(self, day: date | Literal[""], days: int = 0) -> datetime | None:
        if not day:
            return None
        midnight = datetime.combine(day, time(), datetime.strptime(self.zone or "+00:00", "%z").tzinfo)
        return midnight + timedelta(days=days)
