"""What the classification endpoints take and give."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api.fields import ActorId, ActorName, Description
from app.catalogs.schemas import DefectClassName
from app.inspections.site_notes import Status
from app.photos.regions import Box, RegionBox, boxes_of
from models.manifest import HeadName

Verdict = Literal["confirmed", "corrected", "unknown", "sound"]
RegionVerdict = Literal["confirmed", "corrected", "not-a-defect", "moved", "added"]


class Prediction(BaseModel):
    """One class that the photo may show."""

    defect_class: DefectClassName
    probability: float = Field(description="Among the classes of this catalog; sums to 1 over all of them.")
    similarity: float = Field(description="Cosine similarity of photo and prototype, -1 to 1.")


class PredictionSet(BaseModel):
    """The smallest set of classes that holds the truth in the wanted share of photos."""

    coverage: float = Field(
        description="In this share of photos the truth is among the classes: over photos of many sites and classes "
        "together, and where the photo shows one of the classes at all."
    )
    defect_classes: list[DefectClassName] = Field(description="Most probable first.")


class NearestExample(BaseModel):
    """A support photo that resembles the query photo."""

    support_photo_id: UUID
    photo_id: str = Field(description="SHA-256 of the photo: its address under /v1/photos.")
    defect_class_id: UUID
    similarity: float = Field(description="Cosine similarity of the two photos, -1 to 1.")
    regions: list[RegionBox] = Field(
        [],
        description="The parts of that photo that are the example, or in a class of sound surfaces what is left out; "
        "none: all of it, or an answer from before they were kept.",
    )


class RegionFeedbackCreate(BaseModel):
    """The inspector's word on a region of a classification."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"verdict": "moved", "box": {"x": 0.1, "y": 0.25, "w": 0.3, "h": 0.1}}},
    )

    verdict: Literal["confirmed", "corrected", "not-a-defect", "moved"] = Field(
        description="`confirmed`: place and first prediction are right; `corrected`: it is `defect_class_id`; "
        "`not-a-defect`: the surface is sound there; `moved`: it is in `box`."
    )
    defect_class_id: UUID | None = Field(
        None, description="Needed for `corrected`; with `moved` it says that the region is of another class, too."
    )
    box: Box | None = Field(None, description="Where it really is; needed for `moved` only.")
    note: Description = ""
    add_to_support: bool = Field(
        False,
        description="Also make the region an example of its class, or with `not-a-defect` of the sound surfaces.",
    )


class RegionCreate(BaseModel):
    """A region that the answer lacks."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "box": {"x": 0.1, "y": 0.25, "w": 0.3, "h": 0.1},
                "defect_class_id": "0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d",
            }
        },
    )

    box: Box
    defect_class_id: UUID
    note: Description = ""
    add_to_support: bool = Field(False, description="Also make the region an example of its class.")


class RegionFeedbackOut(BaseModel):
    """The inspector's word on a region as it was stored: where it is and what it shows by this word."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    classification_id: UUID
    region: int = Field(
        description="Its number, from 1: those that were answered first, then those that inspectors added."
    )
    verdict: RegionVerdict
    box: Annotated[RegionBox, BeforeValidator(lambda box: boxes_of(box)[0] if isinstance(box, str) else box)]
    defect_class_id: UUID | None = Field(description="Null where it is no defect, or where the class is gone.")
    defect_class_name: str | None
    note: str
    support_photo_id: UUID | None = Field(
        description="The example that the region became, alone or with others of its class in this photo: DELETE "
        "/v1/support-photos/{id} takes it back."
    )
    actor_id: ActorId
    actor: ActorName
    created_at: datetime


class RegionOut(RegionBox):
    """A part of the photo that shows a defect."""

    defect: float = Field(description="How probable it is that this is a defect at all, 0 to 1.")
    unknown: bool = Field(description="True: it is too unlike every class of this catalog.")
    predictions: list[Prediction] = Field(description="What it may be, best first.")
    nearest: NearestExample | None = Field(description="The most similar example of the first prediction.")
    feedback: RegionFeedbackOut | None = Field(None, description="The inspector's newest word on it.")


class FeedbackCreate(BaseModel):
    """The inspector's word on a classification."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "verdict": "corrected",
                "defect_class_id": "0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d",
                "note": "Rust from the rebar, not a stain",
            }
        },
    )

    verdict: Verdict = Field(
        description="`confirmed`: the first prediction is right; `corrected`: it is `defect_class_id`; "
        "`unknown`: it is no class of this catalog; `sound`: it shows no defect."
    )
    defect_class_id: UUID | None = Field(None, description="Needed for `corrected` only.")
    note: Description = ""
    add_to_support: bool = Field(
        False, description="Also make the photo an example of the class that it shows; not with `unknown` or `sound`."
    )


class FeedbackOut(BaseModel):
    """Feedback as it was stored."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    classification_id: UUID
    verdict: Verdict
    defect_class_id: UUID | None
    defect_class_name: str | None
    note: str
    support_photo_id: UUID | None = Field(
        description="The example that the photo became: DELETE /v1/support-photos/{id} takes it back."
    )
    actor_id: ActorId
    actor: ActorName
    created_at: datetime


class Agreement(BaseModel):
    """How often inspectors agreed with the answers, in one week and for one class."""

    week: date = Field(description="Its Monday, by the time of the answer, UTC.")
    defect_class: str | None = Field(description="Name of the first prediction as answered; null where it was unknown.")
    judged: int = Field(description="Answers with feedback; the newest word counts.")
    agreed: int = Field(description="Confirmed, or the same as the answer: unknown or sound.")


class AgreementOut(BaseModel):
    """Feedback on one catalog's answers, newest week first."""

    catalog: str
    judged: int
    agreed: int
    rows: list[Agreement]


class DeletionOut(BaseModel):
    """Answers that were deleted by one call."""

    deletion_id: UUID = Field(description="POST /v1/classifications/restore takes it, and they are there again.")
    classifications: int = Field(description="How many.")
    restorable_until: datetime = Field(description="Afterwards they and their photos are removed for good.")


class Restoration(BaseModel):
    """What is to be undone."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"deletion_id": "0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d"}}
    )

    deletion_id: UUID


class RetentionOut(BaseModel):
    """What a catalog would lose at once if it kept its answers for so many days."""

    keep_days: int
    classifications: int = Field(description="Answers that are older; for an hour they can be restored.")
    oldest: datetime | None = Field(description="When the oldest of them was given.")
    until: datetime = Field(description="Those before are meant: the condition `until` of the history lists them.")


class PhotoOut(BaseModel):
    """A query photo."""

    id: str = Field(description="SHA-256 of the photo: its address under /v1/photos.")
    filename: str
    width: int
    height: int
    taken_at: str | None = Field(
        description="ISO 8601, with a zone or without: as it was sent, else as the camera wrote it into the file."
    )
    latitude: float | None = Field(description="As it was sent, else from the file.")
    longitude: float | None


class ClassificationOut(BaseModel):
    """What a photo shows, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "0199c2a5-b7f0-7cc3-9d0e-5d2f0a1b2c3d",
                "catalog": "default",
                "catalog_version": 6,
                "backbone_id": "efficientnet-lite0-haja-2@b5c457ed",
                "head": "ridge",
                "predictions": [
                    {
                        "defect_class": {
                            "id": "0199c2a5-aaaa-7cc3-9d0e-5d2f0a1b2c3d",
                            "name": "hairline-crack",
                            "title_ko": "미세 균열",
                            "title_en": "Hairline crack",
                            "severity": "low",
                        },
                        "probability": 0.71,
                        "similarity": 0.83,
                    }
                ],
                "unknown": False,
                "threshold": 0.5,
                "prediction_set": None,
                "nearest": [
                    {
                        "support_photo_id": "0199c2a5-bbbb-7cc3-9d0e-5d2f0a1b2c3d",
                        "photo_id": "0a5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944",
                        "defect_class_id": "0199c2a5-aaaa-7cc3-9d0e-5d2f0a1b2c3d",
                        "similarity": 0.79,
                        "regions": [{"x": 0.1, "y": 0.25, "w": 0.3, "h": 0.1}],
                    }
                ],
                "sound": None,
                "regions": None,
                "added_regions": [],
                "photo": {
                    "id": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
                    "filename": "IMG_0042.jpg",
                    "width": 4000,
                    "height": 3000,
                    "taken_at": "2026-11-22T09:30:00+09:00",
                    "latitude": 37.5665,
                    "longitude": 126.978,
                },
                "place": "B2, 기둥 14",
                "note": "",
                "status": "open",
                "feedback": None,
                "actor_id": "0199c2a5-cccc-7cc3-9d0e-5d2f0a1b2c3d",
                "actor": "Kim, north site",
                "created_at": "2026-11-22T00:30:05Z",
            }
        }
    )

    id: UUID
    catalog: str
    catalog_version: int = Field(description="The catalog as it was when the photo was judged.")
    backbone_id: str
    head: HeadName = Field(
        description="What ordered the classes: a ridge regression fitted to all support photos of the catalog, or the "
        "similarities to the prototypes, where the catalog is large or leave-one-out says that they are better."
    )
    predictions: list[Prediction]
    unknown: bool = Field(description="True: the photo is too unlike every class of this catalog, or sound.")
    threshold: float = Field(description="The similarity that the first prediction had to reach.")
    prediction_set: PredictionSet | None = Field(description="Where `coverage` was asked for.")
    nearest: list[NearestExample] = Field(
        description="The three most similar support photos of the predicted classes, best first."
    )
    sound: bool | None = Field(
        description="True: no part of the photo looks like a defect; null where it was looked at as a whole."
    )
    regions: list[RegionOut] | None = Field(
        description="Where defects are, most important first, which is by `defect`: neither size nor severity counts. "
        "At most 20; null where the photo was looked at as a whole, because the catalog's `mode` says so, because it "
        "is small, or because it shows one thing all over."
    )
    added_regions: list[RegionFeedbackOut] = Field(
        [], description="What inspectors saw beside `regions`: the newest word on each, by number."
    )
    photo: PhotoOut
    place: str = Field(description="Where on the site, as the inspector wrote it; empty where nothing was written.")
    note: str
    status: Status = Field("open", description="Whether the defect is put right.")
    feedback: FeedbackOut | None = Field(description="The inspector's newest word.")
    actor_id: ActorId
    actor: ActorName
    created_at: datetime
