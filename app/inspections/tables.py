"""Classifications and what inspectors said of them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.inspections.schemas import NearestExample, Prediction, PredictionSet, RegionOut, RegionVerdict, Verdict
from app.inspections.site_notes import Status
from app.photos.tables import REGION_LENGTH, RegionText
from app.storage.tables import Acted, Base, new_id, readable_as
from models.manifest import HeadName

_Predictions = Annotated[list[dict[str, Any]], Field(min_length=1), readable_as(list[Prediction])]
_PredictionSet = Annotated[dict[str, Any], readable_as(PredictionSet)]
_Regions = Annotated[list[dict[str, Any]], readable_as(list[RegionOut])]
_Nearest = Annotated[list[dict[str, Any]], readable_as(list[NearestExample])]


class Classification(Acted, Base):
    """One query photo judged against one catalog, with what is needed to judge it the same way again.

    `predictions` is kept as it was answered: classes that are renamed or removed later do not rewrite history.
    """

    __tablename__ = "classifications"
    __table_args__ = (Index("ix_classifications_catalog", "catalog_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    catalog_id: Mapped[UUID] = mapped_column(ForeignKey("catalogs.id", ondelete="CASCADE"))
    catalog_version: Mapped[int]
    backbone_id: Mapped[str] = mapped_column(String(128))
    head: Mapped[HeadName] = mapped_column(String(16), server_default=text("'prototypes'"))
    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"), index=True)
    filename: Mapped[str] = mapped_column(String(255))
    predictions: Mapped[_Predictions] = mapped_column(JSON)
    unknown: Mapped[bool]
    threshold: Mapped[float]
    prediction_set: Mapped[_PredictionSet | None] = mapped_column(JSON(none_as_null=True))
    nearest: Mapped[_Nearest | None] = mapped_column(JSON(none_as_null=True))
    # None: the photo was looked at as a whole.
    regions: Mapped[_Regions | None] = mapped_column(JSON(none_as_null=True))
    # The same as in `predictions`, to be asked for: databases differ in how they look into JSON. It may be gone.
    first_class_id: Mapped[UUID | None]
    place: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    # `place` to be searched: databases fold the case of Latin letters only. Folding may triple a text's length.
    place_folded: Mapped[str] = mapped_column(String(600), server_default=text("''"))
    note: Mapped[str] = mapped_column(Text, server_default=text("''"))
    # The inspector's own; the photo has what its file says.
    taken_at: Mapped[str | None] = mapped_column(String(32))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    status: Mapped[Status] = mapped_column(String(10), server_default=text("'open'"))
    created_at: Mapped[datetime] = mapped_column(index=True)
    # Absent for everybody from then on, and removed an hour later; one call deletes under one id.
    deleted_at: Mapped[datetime | None] = mapped_column(index=True)
    deletion_id: Mapped[UUID | None] = mapped_column(index=True)

    @validates("place")
    def _fold(self, _: str, place: str) -> str:
        self.place_folded = place.casefold()
        return place


class Feedback(Acted, Base):
    """What an inspector says that a photo really shows; the newest word counts, the older ones stay."""

    __tablename__ = "feedback"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    classification_id: Mapped[UUID] = mapped_column(ForeignKey("classifications.id", ondelete="CASCADE"), index=True)
    verdict: Mapped[Verdict] = mapped_column(String(16))
    defect_class_id: Mapped[UUID | None] = mapped_column(ForeignKey("defect_classes.id", ondelete="SET NULL"))
    defect_class_name: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(Text)
    support_photo_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("support_photos.id", name="fk_feedback_support_photo", ondelete="SET NULL")
    )
    created_at: Mapped[datetime]


class RegionFeedback(Acted, Base):
    """What an inspector says of a region: all that holds by this word. The newest counts, the older ones stay.

    `region` counts from 1 those that were answered, then those that inspectors added: the first word on each of these
    is `added`.
    """

    __tablename__ = "region_feedback"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    classification_id: Mapped[UUID] = mapped_column(ForeignKey("classifications.id", ondelete="CASCADE"), index=True)
    region: Mapped[Annotated[int, Field(gt=0)]]
    verdict: Mapped[RegionVerdict] = mapped_column(String(16))
    box: Mapped[RegionText] = mapped_column(String(REGION_LENGTH))
    defect_class_id: Mapped[UUID | None] = mapped_column(ForeignKey("defect_classes.id", ondelete="SET NULL"))
    defect_class_name: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(Text)
    support_photo_id: Mapped[UUID | None] = mapped_column(ForeignKey("support_photos.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
