"""What the interface says of jobs."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.api.fields import ActorId, ActorName
from app.inspections.schemas import ClassificationOut

JobKind = Literal["classify", "reembed"]
ItemState = Literal["waiting", "done", "failed"]


class ItemProblem(BaseModel):
    """Why a photo of a job failed."""

    code: str = Field(description="Stable: programs may depend on it.")
    detail: str = Field(description="A sentence that says what to do.")


class JobOut(BaseModel):
    """A job and how far it is."""

    id: UUID
    kind: JobKind
    catalog: str
    state: Literal["running", "finished"] = Field(description="`finished`: no photo waits any more.")
    total: int = Field(description="Photos.")
    done: int
    failed: int
    actor_id: ActorId
    actor: ActorName
    created_at: datetime


class JobResult(BaseModel):
    """What came of one photo of a batch."""

    position: int = Field(description="Its place in the batch, from 0.")
    filename: str
    state: ItemState
    classification: ClassificationOut | None = Field(
        None, description="The answer; null unless `done`, and where it was deleted since."
    )
    problem: ItemProblem | None = None


class JobResults(BaseModel):
    """One page of a job's results, in the order of the batch."""

    items: list[JobResult]
    next_position: int | None = Field(None, description="Pass it as `position` for the next page; null at the end.")


class BatchParameters(BaseModel):
    """How the photos of a batch are to be classified."""

    top_k: int
    coverage: float | None


class ReembedParameters(BaseModel):
    """By which backbone the examples of a catalog are to be embedded again."""

    backbone_id: str
