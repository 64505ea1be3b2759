"""Many classifications at once: by their ids, or by what the history is filtered by."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.inspections.errors import ChoiceIncomplete
from app.inspections.filters import ClassificationFilter
from app.inspections.site_notes import Place, Status


class Conditions(ClassificationFilter):
    """The filter of the history; a condition that nobody knows is refused, for without it more would be chosen."""

    model_config = ConfigDict(extra="forbid")


class Chosen(BaseModel):
    """Either ids or conditions. Ids of what does not exist, or is not seen, choose nothing."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"ids": ["0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d"]}}
    )

    ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None
    conditions: Conditions | None = Field(None, description="As in the address of the history; at least one.")

    def require_one(self) -> None:
        """Raises `ChoiceIncomplete` where nothing is chosen, or the whole history would be."""
        if (self.ids is None) == (self.conditions is None):
            raise ChoiceIncomplete("Send either ids or conditions.")
        if self.conditions is not None and not self.conditions.model_dump(exclude_none=True):
            raise ChoiceIncomplete("The conditions are empty, which would choose the whole history: send at least one.")


class ChosenChange(Chosen):
    """What becomes different in all that is chosen; only the fields that are sent change."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"ids": ["0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d"], "place": "101동 / 3층"}}
    )

    place: Place = ""
    status: Status = "open"

    def changes(self) -> dict[str, str]:
        """The fields that were sent."""
        return self.model_dump(include={"place", "status"}, exclude_unset=True)


class Changed(BaseModel):
    """How many classifications were changed."""

    classifications: int
