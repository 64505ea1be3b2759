"""Jobs and the photos they have to work through."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.jobs.schemas import BatchParameters, ItemProblem, ItemState, JobKind, ReembedParameters
from app.storage.tables import Acted, Base, new_id, readable_as

_Parameters = Annotated[dict[str, Any], readable_as(BatchParameters | ReembedParameters)]
_Problem = Annotated[dict[str, Any], readable_as(ItemProblem)]


class Job(Acted, Base):
    """What to do with many photos of one catalog. It begins when `ready`: all its items are there."""

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[JobKind] = mapped_column(String(16))
    catalog_id: Mapped[UUID] = mapped_column(ForeignKey("catalogs.id", ondelete="CASCADE"), index=True)
    parameters: Mapped[_Parameters] = mapped_column(JSON)
    ready: Mapped[bool]
    created_at: Mapped[datetime]


class JobItem(Base):
    """One photo of a job. While it waits it keeps its photo alive, afterwards its outcome names what it needs.

    `claimed_until`: until then somebody works on it, unless that process has died. `attempts` counts the claims.
    """

    __tablename__ = "job_items"
    __table_args__ = (
        Index(
            "ix_job_items_waiting",
            "job_id",
            "position",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    filename: Mapped[str] = mapped_column(String(255))
    photo_sha256: Mapped[str | None] = mapped_column(ForeignKey("photos.sha256"), index=True)
    state: Mapped[ItemState] = mapped_column(String(8))
    classification_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("classifications.id", name="fk_job_items_classification", ondelete="SET NULL"), index=True
    )
    problem: Mapped[_Problem | None] = mapped_column(JSON(none_as_null=True))
    claimed_until: Mapped[datetime | None]
    attempts: Mapped[int]
