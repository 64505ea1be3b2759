"""What can be wrong with the examples of a class: pure functions on what is stored of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.catalogs.prototype_cache import PrototypeIndex
from app.catalogs.schemas import DefectClassName, Share, SupportReport, SupportWarning
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
    embedding: NDArray[np.float32]
    width: int
    height: int
    brightness: float | None
    sharpness: float | None
    fingerprint: str | None

    @classmethod
    def of(cls, support: SupportPhoto, photo: Photo, vector: bytes) -> "Example":
        """From what is stored of it."""
        return cls(
            support.id,
            np.frombuffer(vector, "<f4"),
            photo.width,
            photo.height,
            photo.brightness,
            photo.sharpness,
            photo.fingerprint,
        )


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
        warnings.append(SupportWarning(code="few-photos", message=few, support_photo_ids=[], defect_class=None))
    measured = [(each.id, each.fingerprint) for each in examples if each.fingerprint is not None]
    for group in copies([fingerprint for _, fingerprint in measured]):
        same = f"These {len(group)} photos are nearly the same and count as little more than one: take others."
        warnings.append(_warning("near-duplicates", same, [measured[place][0] for place in group]))
    for each in examples:
        if each.brightness is not None and each.brightness < DARK:
            warnings.append(_warning("too-dark", "The photo is very dark: use a light.", [each.id]))
        elif each.sharpness is not None and each.sharpness < SHARPNESS:
            warnings.append(_warning("blurred", "The photo is blurred, or shows an even surface only.", [each.id]))
        if min(each.width, each.height) < SMALL:
            small = f"The photo has {each.width} x {each.height} pixels; details are lost below {SMALL}."
            warnings.append(_warning("too-small", small, [each.id]))
    return warnings


def _of_strangers(
    examples: Sequence[Example], right: NDArray[np.bool_], nearest: NDArray[np.int64], names: Sequence[DefectClassName]
) -> list[SupportWarning]:
    warnings = []
    for other in np.unique(nearest[~right]).tolist():
        ids = [examples[place].id for place in np.flatnonzero(~right & (nearest == other)).tolist()]
        message = f"By the other examples, this looks more like the class {names[other].name!r}."
        warnings.append(
            SupportWarning(
                code="looks-like-another-class", message=message, support_photo_ids=ids, defect_class=names[other]
            )
        )
    return warnings


def _warning(code: str, message: str, ids: list[UUID]) -> SupportWarning:
    return SupportWarning.model_validate(
        {"code": code, "message": message, "support_photo_ids": ids, "defect_class": None}
    )
