"""Judging a kept photo again by the catalog as it was then: does the same answer come out?"""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.catalogs import history
from app.catalogs.head_cache import head_of, window_head_of
from app.catalogs.past import index_of, supports_at
from app.catalogs.schemas import DefectClassName
from app.catalogs.support_cache import Supports
from app.errors import HajaError
from app.inspections.judging import NEAREST, Judgement, judge, judge_scan, nearest_examples
from app.inspections.schemas import NearestExample, Prediction, PredictionSet, RegionOut
from app.inspections.service import InspectionService
from app.inspections.tables import Classification
from app.photos.intake import KeptPhoto, ReceivedPhoto
from app.photos.path import PhotoPath
from app.storage.database import Database
from models.manifest import Manifest
from models.regions import scan

SIMILARITY_TOLERANCE, PROBABILITY_TOLERANCE = 1e-5, 1e-4
"""Measured on 204 photos of four sites against five photos a class: OpenVINO gives the same bits in batches of 1 to 8
and with one thread or all; torch's similarities differ from OpenVINO's by 1.1e-6 at most, its probabilities by 3.6e-6.
The tolerances leave room for other processors, and catch whatever a person would call another number."""


class PastNotKept(HajaError):
    """Nothing is left of the catalog at the version of the answer."""

    status = HTTPStatus.CONFLICT
    code = "past-not-kept"


@dataclass(frozen=True)
class Replay:
    """What was answered, class by class, with what comes out again (None: not that class); what differs, as sentences.

    `doubt` says why an old answer may rightly differ; it is empty where the catalog's past is known.
    """

    predictions: list[tuple[Prediction, Prediction | None]]
    differences: list[str]
    doubt: str

    @property
    def largest_difference(self) -> float:
        """The largest difference of a probability."""
        return max((abs(said.probability - again.probability) for said, again in self.predictions if again), default=0)


class ReplayService:
    """Replays of classifications; nothing is stored."""

    def __init__(
        self,
        database: Database,
        inspections: InspectionService,
        photos: PhotoPath,
    ) -> None:
        self._database = database
        self._inspections = inspections
        self._photos = photos

    async def replay(self, classification_id: UUID) -> Replay:
        """Judge the photo of a classification again, by the catalog's version and the backbone of then.

        The same answer has the same classes in the same order and under the same names, the same `unknown`, the same
        members of the prediction set, the same nearest examples, and numbers within the tolerances. Classes whose
        probabilities, or examples whose similarities, tie within the tolerance may stand in each other's place. An
        answer that hung by less than the tolerance, such as `unknown` at a similarity that equals the threshold, may
        come out otherwise; so may one that was given in another precision (bf16, or a GPU's TF32) than the replay's.

        Raises:
            ClassificationNotFound: no classification has this id.
            PhotoNotFound: the bytes of the photo are not stored.
            PastNotKept: nothing is left of the catalog at that version.
            StorageUnavailable: the object storage does not answer.
            PhotoError, QueueFull, DecoderUnavailable, EmbedderUnavailable: as `Intake.take`.
        """
        async with self._database.reading() as session:
            row, *_ = await self._inspections.find(session, classification_id)
        embedder = await self._photos.embedders.get(row.backbone_id)
        # One reading session sees one state: what is removed meanwhile would be neither present nor past.
        async with self._database.reading() as session:
            recorded_from = await history.recorded_from(session, row.catalog_id)
            supports = await supports_at(session, row.catalog_id, row.backbone_id, row.catalog_version)
        doubt = ""
        if row.catalog_version < recorded_from:
            doubt = (
                f"The answer is of version {row.catalog_version} of its catalog, whose past is kept from version "
                f"{recorded_from} on: what was changed or removed between the two is not known any more."
            )
        if not supports:
            raise PastNotKept(f"No example of the catalog's version {row.catalog_version} is left. {doubt}".strip())
        photo = KeptPhoto(row.filename, await self._photos.archive.bytes(row.photo_sha256))
        received = await self._photos.intake.take(photo, embedder)
        features = None if row.regions is None else await self._photos.intake.wide_map(received, embedder)
        return await asyncio.to_thread(_compare, row, received, features, supports, embedder.manifest, doubt)


def _compare(
    row: Classification,
    received: ReceivedPhoto,
    features: NDArray[np.float32] | None,
    supports: Sequence[Supports],
    manifest: Manifest,
    doubt: str,
) -> Replay:
    said = [Prediction.model_validate(each) for each in row.predictions]
    said_set = row.prediction_set and PredictionSet.model_validate(row.prediction_set)
    coverage = said_set.coverage if said_set else None
    judgement, query = _judge_again(row, received, features, supports, manifest, coverage)
    again = {each.defect_class.id: each for each in judgement.predictions}
    pairs = [(each, again.get(each.defect_class.id)) for each in said]
    differences = []
    if received.decoded.sha256 != row.photo_sha256:
        differences.append(f"The photo's bytes have changed: their SHA-256 is {received.decoded.sha256}.")
    if row.head != judgement.head:
        differences.append(f"head: {row.head} answered, {judgement.head} again.")
    ranked = {_class_text(each.defect_class): each.probability for each in judgement.predictions}
    named = [_class_text(each.defect_class) for each in said]
    differences += _order("classes", named, ranked, max(1, len(named)), PROBABILITY_TOLERANCE)
    for each, found in pairs:
        name = each.defect_class.name
        if found is not None:
            differences += _number(f"similarity of {name!r}", each.similarity, found.similarity, SIMILARITY_TOLERANCE)
            chances = each.probability, found.probability
            differences += _number(f"probability of {name!r}", *chances, PROBABILITY_TOLERANCE)
    if row.unknown != judgement.unknown:
        differences.append(f"unknown: {row.unknown} answered, {judgement.unknown} again.")
    differences += _number("threshold", row.threshold, judgement.threshold, SIMILARITY_TOLERANCE)
    if said_set and judgement.prediction_set:
        members = [_class_text(each) for each in said_set.defect_classes]
        count = len(judgement.prediction_set.defect_classes)
        differences += _order("prediction set", members, ranked, count, PROBABILITY_TOLERANCE)
    if row.nearest is not None:  # None: from before they were kept
        answered = {each.defect_class.id for each in said}
        chosen = [each for each in supports if each.candidate.defect_class.id in answered]
        differences += _nearest(row.nearest, query, chosen)
    differences += _regions([RegionOut.model_validate(each) for each in row.regions or []], judgement.regions or [])
    return Replay(pairs, differences, doubt)


def _judge_again(
    row: Classification,
    received: ReceivedPhoto,
    features: NDArray[np.float32] | None,
    supports: Sequence[Supports],
    manifest: Manifest,
    coverage: float | None,
) -> tuple[Judgement, NDArray[np.float32]]:
    """The judgement, and the embedding that examples are compared with."""
    index = index_of(row.catalog_version, row.backbone_id, supports, scans=features is not None)
    # All classes, and of the nearest all examples: one that ties with the last that was named may be in its place.
    every = len(index.candidates)
    if features is not None and (head := window_head_of(supports, manifest)) is not None:
        found = scan(features, head)
        return judge_scan(found, index, supports, manifest, every), found.best_embedding
    own = head_of(supports) if row.head == "ridge" else None
    return judge(received.embedding, index, own, manifest, every, coverage), received.embedding


def _regions(said: Sequence[RegionOut], again: Sequence[RegionOut]) -> Iterator[str]:
    if len(said) != len(again):
        yield f"regions: {len(said)} answered, {len(again)} again."
        return
    for place, (each, found) in enumerate(zip(said, again, strict=True), 1):
        for side in ("x", "y", "w", "h", "defect"):
            tolerance = PROBABILITY_TOLERANCE
            yield from _number(f"{side} of region {place}", getattr(each, side), getattr(found, side), tolerance)
        names = [region.predictions[0].defect_class.name for region in (each, found)]
        chances = {one.defect_class.name: one.probability for one in found.predictions}
        yield from _order(f"class of region {place}", names[:1], chances, 1, PROBABILITY_TOLERANCE)


def _nearest(
    kept: Sequence[dict[str, object]], query: NDArray[np.float32], supports: Sequence[Supports]
) -> Iterator[str]:
    said = [NearestExample.model_validate(each) for each in kept]
    every = nearest_examples(query, supports, sum(len(each.ids) for each in supports))
    ranked = {_example_text(each): each.similarity for each in every}
    texts = [_example_text(each) for each in said]
    yield from _order("nearest examples", texts, ranked, min(NEAREST, len(every)), SIMILARITY_TOLERANCE)
    for each in said:
        if (again := ranked.get(_example_text(each))) is not None:
            what = f"similarity of the example {each.support_photo_id}"
            yield from _number(what, each.similarity, again, SIMILARITY_TOLERANCE)


def _order(what: str, said: Sequence[str], ranked: Mapping[str, float], count: int, tolerance: float) -> Iterator[str]:
    """A sentence unless `said` are the first `count` of `ranked`, best first; what ties within `tolerance` may swap."""
    first = list(ranked)[:count]
    if len(said) != len(first) or not all(
        each in ranked and _close(ranked[each], ranked[place], tolerance)
        for each, place in zip(said, first, strict=True)
    ):
        yield f"{what}: {'; '.join(said)} answered, {'; '.join(first)} again."


def _number(what: str, said: float, again: float, tolerance: float) -> Iterator[str]:
    if not _close(said, again, tolerance):
        yield f"{what}: {said:.6f} answered, {again:.6f} again."


def _close(one: float, other: float, tolerance: float) -> bool:
    return math.isclose(one, other, rel_tol=0, abs_tol=tolerance)


def _class_text(name: DefectClassName) -> str:
    return ", ".join(filter(None, (name.name, name.title_ko, name.title_en, name.severity, str(name.id))))


def _example_text(example: NearestExample) -> str:
    return f"{example.support_photo_id} (photo {example.photo_id}, class {example.defect_class_id})"
