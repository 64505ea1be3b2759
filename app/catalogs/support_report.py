"""What can be wrong with the examples of a class: pure functions on what is stored of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.schemas import (
    DefectClassName,
    NumberedExample,
    Share,
    SupportReport,
    SupportWarning,
    WarningCode,
)
from app.catalogs.tables import SupportPhoto
from app.photos.quality import copies
from app.photos.tables import Photo
from models.leave_one_out import own_similarity
from models.prototypes import embedding_sum, similarities

FEW = 5
SMALL = 224
"""Pixels of the shorter side: what the network sees is not smaller."""
DARK, SHARPNESS = 35.0, 8.0
"""Below what any of 812 validation photos has (39 and 13); blurring those by two pixels of 224 brings half below 4."""


@dataclass(frozen=True)
class Example:
    """A support photo; what was not measured is None."""

    id: UUID
    name: NumberedExample
    embedding: NDArray[np.float32]
    width: int
    height: int
    brightness: float | None
    sharpness: float | None
    fingerprint: str | None

    @classmethod
    def of(cls, number: int, support: SupportPhoto, photo: Photo, vector: bytes) -> "Example":
        """From what is stored of it; it is the class's `number`th, from 1."""
        return cls(
            support.id,
            NumberedExample(number=number, filename=support.filename),
            np.frombuffer(vector, "<f4"),
            photo.width,
            photo.height,
            photo.brightness,
            photo.sharpness,
            photo.fingerprint,
        )


def examples_of(rows: Sequence[Row[SupportPhoto, Photo, bytes]]) -> list[Example]:
    """The examples of a class from what is stored of them, oldest first."""
    return [Example.of(number, *row) for number, row in enumerate(rows, 1)]


def report(class_id: UUID, examples: Sequence[Example], index: PrototypeIndex) -> SupportReport:
    """Judge the examples of one class by each other and by the other classes of the catalog, which are in `index`."""
    others = [place for place, each in enumerate(index.candidates) if each.defect_class.id != class_id]
    names = [index.candidates[place].defect_class for place in others]
    warnings = _of_photos(examples)
    recall, confused_with = None, None
    if examples and others:
        embeddings = np.stack([each.embedding for each in examples])
        elsewhere = similarities(embeddings, index.matrix[index.rows[others]])
        confused_with = names[int(elsewhere.mean(axis=0).argmax())]
        if len(examples) > 1:
            right = own_similarity(embeddings, embedding_sum(embeddings)) >= elsewhere.max(axis=1)
            recall = Share.of(int(right.sum()), len(right))
            warnings += _of_strangers(examples, right, elsewhere.argmax(axis=1), names)
    return SupportReport(
        defect_class_id=class_id, shots=len(examples), recall=recall, confused_with=confused_with, warnings=warnings
    )


def _of_photos(examples: Sequence[Example]) -> list[SupportWarning]:
    warnings = []
    if len(examples) < FEW:
        few = f"The class has {len(examples)} examples; five or more make answers much better."
        warnings.append(_warning("few-photos", few, []))
    measured = [(each, each.fingerprint) for each in examples if each.fingerprint is not None]
    for group in copies([fingerprint for _, fingerprint in measured]):
        alike = [measured[place][0] for place in group]
        same = f"{_names(alike)} are nearly the same and count as little more than one: take others."
        warnings.append(_warning("near-duplicates", same, alike))
    for each in examples:
        if each.brightness is not None and each.brightness < DARK:
            warnings.append(_warning("too-dark", f"{_names([each])} is very dark: use a light.", [each]))
        elif each.sharpness is not None and each.sharpness < SHARPNESS:
            blurred = f"{_names([each])} is blurred, or shows an even surface only."
            warnings.append(_warning("blurred", blurred, [each]))
        if min(each.width, each.height) < SMALL:
            small = f"{_names([each])} has {each.width} x {each.height} pixels; details are lost below {SMALL}."
            warnings.append(_warning("too-small", small, [each]))
    return warnings


def _of_strangers(
    examples: Sequence[Example], right: NDArray[np.bool_], nearest: NDArray[np.int64], names: Sequence[DefectClassName]
) -> list[SupportWarning]:
    warnings = []
    for other in np.unique(nearest[~right]).tolist():
        strange = [examples[place] for place in np.flatnonzero(~right & (nearest == other)).tolist()]
        verb = "looks" if len(strange) == 1 else "look"
        message = f"By the other examples, {_listed(strange)} {verb} more like the class {names[other].name!r}."
        warnings.append(_warning("looks-like-another-class", message, strange, names[other]))
    return warnings


def _listed(examples: Sequence[Example]) -> str:
    return ", ".join(str(each.name) for each in examples)


def _names(examples: Sequence[Example]) -> str:
    listed = _listed(examples)
    return listed[0].upper() + listed[1:]


def _warning(
    code: WarningCode, message: str, examples: Sequence[Example], other: DefectClassName | None = None
) -> SupportWarning:
    return SupportWarning(
        code=code,
        message=message,
        support_photo_ids=[each.id for each in examples],
        examples=[each.name for each in examples],
        defect_class=other,
    )
