"""What the interface says of reports."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

MOST_TITLE = 200
"""Characters."""


class ReportForm(BaseModel):
    """What stands on the title page."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_TITLE)] = Field(
        "", description="The project; where it is empty, the catalog."
    )


class ReportProblem(BaseModel):
    """Why a report failed."""

    code: str = Field(description="Stable: programs may depend on it.")
    detail: str = Field(description="A sentence that says what to do.")


ReportFormat = Literal["pdf", "xlsx"]


class ReportOut(BaseModel):
    """A report and how far it is."""

    id: UUID
    format: ReportFormat
    state: Literal["waiting", "running", "finished", "failed"] = Field(
        description="`waiting`: others are made first; `finished`: its file can be fetched."
    )
    total: int = Field(description="Photos; 0 while it waits.")
    done: int
    problem: ReportProblem | None = Field(description="Why it failed.")
    created_at: datetime
