"""The filters of the history page, as its form sends them."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from app.inspections.filters import ClassificationFilter


class HistoryForm(BaseModel):
    """What was filled in; empty means anything. Days count by `zone`, an offset such as +09:00."""

    catalog: str = ""
    defect_class_id: str = ""
    since: date | str = ""
    until: date | str = Field("", description="The last day.")
    zone: str = Field("", pattern=r"^([+-][01]\d:[0-5]\d)?$")
    place: str = Field("", max_length=200)
    unknown: bool = False
    disagreement: bool = False

    @field_validator("since", "until")
    @classmethod
    def _day_or_nothing(cls, value: date | str) -> date | str:
        return value if isinstance(value, date) else ""

    @field_validator("defect_class_id")
    @classmethod
    def _id_or_nothing(cls, value: str) -> str:
        return str(UUID(value)) if value else ""

    def conditions(self) -> ClassificationFilter:
        """The same for the service."""
        return ClassificationFilter(
            catalog=self.catalog or None,
            defect_class_id=UUID(self.defect_class_id) if self.defect_class_id else None,
            since=self._begin(self.since),
            until=self._begin(self.until, days=1),
            place=self.place or None,
            unknown=self.unknown or None,
            disagreement=self.disagreement or None,
        )

    def _begin(self, day: date | str, days: int = 0) -> datetime | None:
        if not isinstance(day, date):
            return None
        midnight = datetime.combine(day, time(), datetime.strptime(self.zone or "+00:00", "%z").tzinfo)
        return midnight + timedelta(days=days)
