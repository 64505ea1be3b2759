"""What the catalog endpoints take and give."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api.fields import CatalogSlug, ClassName, Description, Patch, Title, never_null
from app.api.language import Language
from app.photos.regions import RegionBox, boxes_of
from models.leave_one_out import wilson_interval

Mode = Literal["quick", "scan"]
ClassKind = Literal["defect", "sound"]
Severity = Literal["low", "medium", "high", "critical"]
WarningCode = Literal["few-photos", "near-duplicates", "looks-like-another-class", "too-dark", "blurred", "too-small"]


Threshold = Annotated[
    float,
    Field(ge=-1, le=1, description="Cosine similarity below which a photo is `unknown`; null: the backbone's own."),
]


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


CatalogMode = Annotated[
    Mode | None,
    Field(
        description="How photos are looked at: `quick`, as a whole; `scan`, everywhere in them, and the answer names "
        "regions; null: `scan` as soon as an example of a class is a part of a photo."
    ),
]


KeepDays = Annotated[
    Annotated[int, Field(ge=1, le=36500)] | None,
    Field(
        description="Answers that are older are deleted with their photos; null: they are kept for ever. `GET "
        "/v1/catalogs/{catalog}/retention` says beforehand how many that would be."
    ),
]


class CatalogCreate(BaseModel):
    """A catalog to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "tower-b", "title_ko": "B동", "title_en": "Tower B", "description": ""}},
    )

    name: CatalogSlug
    title_ko: Title = ""
    title_en: Title = ""
    description: Description = ""
    mode: CatalogMode = None


class CatalogChange(Patch):
    """Fields of a catalog to change."""

    name: CatalogSlug = ""
    title_ko: Title = ""
    title_en: Title = ""
    description: Description = ""
    mode: CatalogMode = None
    keep_days: KeepDays = None


class CatalogOut(_FromRow):
    """A catalog."""

    id: UUID
    name: str
    title_ko: str
    title_en: str
    description: str
    mode: CatalogMode
    keep_days: KeepDays
    version: int = Field(description="Grows with every change of the catalog's classes.")
    created_at: datetime


class DefectClassCreate(BaseModel):
    """The text fields of a registration."""

    name: ClassName = Field(description="Unique in its catalog.")
    kind: ClassKind = Field(
        "defect", description="`sound`: photos of surfaces without a defect, which defects are told from."
    )
    title_ko: Title = ""
    title_en: Title = ""
    description: Description = ""
    severity: Severity | None = Field(None, json_schema_extra=never_null)


class ExampleParts(BaseModel):
    """The text fields beside photos that become examples."""

    regions: str = Field(
        "",
        max_length=1_000_000,
        description='JSON: a list of `{"photo": 0, "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.1}`. Of a photo with '
        "regions these are the example, and not all of it. `photo` counts the request's photos from 0; the rest are "
        "fractions of the upright photo's sides.",
    )
    rest_is_sound: bool = Field(
        False,
        description="Nothing is wrong outside the regions: the rest of these photos is kept as examples of sound "
        "surfaces, in the catalog's class of that kind, which is made where there is none.",
    )


class DefectClassRegistration(DefectClassCreate, ExampleParts):
    """All text fields of a registration."""


class DefectClassChange(Patch):
    """Fields of a defect class to change."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"title_en": "Hairline crack", "severity": "medium"}}
    )

    name: ClassName = ""
    title_ko: Title = ""
    title_en: Title = ""
    description: Description = ""
    severity: Severity | None = None
    threshold: Threshold | None = None


class DefectClassName(_FromRow):
    """What an answer says of a class."""

    id: UUID
    name: str
    title_ko: str
    title_en: str
    severity: Severity | None

    def title(self, language: Language) -> str:
        """In this language, else in the other one, else the name."""
        titles = (self.title_ko, self.title_en) if language == "ko" else (self.title_en, self.title_ko)
        return titles[0] or titles[1] or self.name


class DefectClassFields(DefectClassName):
    """A defect class as it is stored."""

    kind: ClassKind
    description: str
    threshold: float | None
    created_at: datetime
    updated_at: datetime


class DefectClassOut(DefectClassFields):
    """A defect class."""

    shots: int = Field(description="How many support photos it has.")


class Share(BaseModel):
    """A share of photos, with its 95 % interval (Wilson)."""

    value: float = Field(description="0 to 1.")
    low: float
    high: float
    photos: int = Field(description="Of so many photos.")

    @classmethod
    def of(cls, right: int, total: int) -> "Share | None":
        """So many of so many photos; None of none."""
        if not total:
            return None
        low, high = wilson_interval(right, total)
        return cls(value=right / total, low=low, high=high, photos=total)


class NumberedExample(BaseModel):
    """A support photo by its place in its class, oldest first and from 1, and its file's name."""

    number: int
    filename: str

    def __str__(self) -> str:
        """In a sentence."""
        return f"photo {self.number} ({self.filename})"


class SupportWarning(BaseModel):
    """Something about a class's examples that a person should look at. Nothing is refused for it."""

    code: WarningCode
    message: str
    support_photo_ids: list[UUID] = Field(description="The photos that are meant.")
    examples: list[NumberedExample] = Field(description="The same photos, as a person knows them.")
    defect_class: DefectClassName | None = Field(description="The other class, where one is meant.")


class SupportReport(BaseModel):
    """What the examples of one class are worth."""

    defect_class_id: UUID
    shots: int
    recall: Share | None = Field(description="Examples that the others recognise; null with fewer than two.")
    confused_with: DefectClassName | None = Field(description="The class that its photos are most similar to.")
    warnings: list[SupportWarning]


class PhotoProblem(BaseModel):
    """Why a photo was not taken."""

    code: str
    detail: str


class PhotoOutcome(BaseModel):
    """What happened to one photo of a request, in the order they were sent."""

    filename: str
    status: Literal["accepted", "duplicate", "rejected"] = Field(
        description="`duplicate`: the class has this very photo already, so it does not count again."
    )
    support_photo_id: UUID | None = None
    regions: list[RegionBox] = Field([], description="The parts of it that are the example; none: all of it.")
    photo_id: str | None = Field(None, description="SHA-256 of the photo: its address under /v1/photos.")
    problem: PhotoProblem | None = None


class Registered(DefectClassOut):
    """A class after photos were added to it."""

    catalog_version: int
    photos: list[PhotoOutcome]
    support_report: SupportReport | None = Field(
        description="What its examples are worth; null where it has more than 50: GET /v1/defect-classes/{id}/"
        "support-report looks at them all."
    )


class SupportPhotoOut(_FromRow):
    """A support photo."""

    id: UUID
    photo_id: str = Field(validation_alias="photo_sha256")
    regions: Annotated[list[RegionBox], BeforeValidator(boxes_of)] = Field(
        validation_alias="part",
        description="The parts of it that are the example, or in a class of sound surfaces what is left out; none: "
        "all of it.",
    )
    filename: str
    created_at: datetime
