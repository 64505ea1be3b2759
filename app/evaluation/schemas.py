"""What the evaluation of a catalog says."""

from uuid import UUID

from pydantic import BaseModel, Field

from app.catalogs.schemas import DefectClassName, Share
from models.manifest import HeadName


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
    """Every support photo of a type of defect, judged as if it were new: by a head or prototypes made without it.

    Classes of sound surfaces are left out: how well defects are told from sound surfaces is in none of these numbers.
    """

    catalog: str
    catalog_version: int
    backbone_id: str
    head: HeadName = Field(description="What judged; chosen as for answers, among types of defect only.")
    accuracy: Share | None = Field(description="Over all photos that could be judged; null where there is none.")
    not_judged: int = Field(description="Photos that are the only one of their class.")
    classes: list[ClassEvaluation] = Field(description="Those that need photos most come first.")
    confusions: list[Confusion] = Field(description="The most frequent come first; at most 1,000.")
