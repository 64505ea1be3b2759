"""What the evaluation of a catalog says."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.catalogs.schemas import DefectClassName
from models.leave_one_out import wilson_interval
from models.manifest import HeadName


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


class ClassEvaluation(BaseModel):
    """One class, by its own support photos."""

    defect_class: DefectClassName
    shots: int
    recall: Share | None = Field(description="Support photos that the others recognise; null with fewer than two.")
    confused_with: DefectClassName | None = Field(description="The class that its photos are most often taken for.")


class Confusion(BaseModel):
    """Support photos of one class that were taken for another."""

    truth: UUID
    answer: UUID
    photos: int


class CatalogEvaluation(BaseModel):
    """Every support photo of a catalog, judged as if it were new: by a head or prototypes made without it."""

    catalog: str
    catalog_version: int
    backbone_id: str
    head: HeadName = Field(description="What judged: the same as in answers of this catalog.")
    accuracy: Share | None = Field(description="Over all photos that could be judged; null where there is none.")
    not_judged: int = Field(description="Photos that are the only one of their class.")
    classes: list[ClassEvaluation] = Field(description="Those that need photos most come first.")
    confusions: list[Confusion] = Field(description="The most frequent come first; at most 1,000.")


WarningCode = Literal["few-photos", "near-duplicates", "looks-like-another-class", "too-dark", "blurred", "too-small"]


class SupportWarning(BaseModel):
    """Something about a class's examples that a person should look at. Nothing is refused for it."""

    code: WarningCode
    message: str
    support_photo_ids: list[UUID] = Field(description="The photos that are meant.")
    defect_class: DefectClassName | None = Field(description="The other class, where one is meant.")


class SupportReport(BaseModel):
    """What the examples of one class are worth."""

    defect_class_id: UUID
    shots: int
    recall: Share | None = Field(description="Examples that the others recognise; null with fewer than two.")
    confused_with: DefectClassName | None = Field(description="The class that its photos are most similar to.")
    warnings: list[SupportWarning]
