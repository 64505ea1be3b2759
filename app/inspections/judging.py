"""Judging an embedding, or the windows of a photo, by a catalog: functions of what is in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.catalogs.prototype_cache import Candidate, PrototypeIndex
from app.catalogs.support_cache import Supports
from app.inspections.schemas import NearestExample, Prediction, PredictionSet, RegionOut
from app.photos.regions import boxes_of
from models.manifest import HeadName, Manifest
from models.prediction_sets import prediction_set
from models.prototypes import expected_similarity, probabilities, similarities
from models.regions import Scan
from models.ridge_head import RidgeHead

NEAREST = 3
"""So many examples an answer names."""


@dataclass(frozen=True)
class Judgement:
    """The best classes for a photo, best first, whether it is none of them, and which may be meant."""

    head: HeadName
    best: list[Candidate]
    predictions: list[Prediction]
    unknown: bool
    threshold: float
    prediction_set: PredictionSet | None
    regions: list[RegionOut] | None = None


def judge(
    embedding: NDArray[np.float32],
    index: PrototypeIndex,
    head: RidgeHead | None,
    manifest: Manifest,
    top_k: int,
    coverage: float | None,
) -> Judgement:
    """Compare one embedding, float32 [D], with the classes of a catalog: by its head, or by its prototypes."""
    similarity = similarities(embedding[np.newaxis], index.matrix)[0, index.rows]
    name: HeadName = "prototypes" if head is None else "ridge"
    scores = similarity if head is None else head.scores(embedding[np.newaxis])[0]
    reading = manifest.readings[name]
    probability = probabilities(scores, reading.temperature_at(index.shots))
    best = np.argsort(-scores, kind="stable")[:top_k]
    candidates = [index.candidates[place] for place in best]
    predictions = _predictions(candidates, probability[best], similarity[best])
    threshold = _threshold(candidates[0], _usual_thresholds(index, manifest)[best[0]])
    possible = None
    if coverage is not None:
        places = prediction_set(probability, coverage, reading.truth_quantiles_at(index.shots))
        possible = PredictionSet(
            coverage=coverage, defect_classes=[index.candidates[place].defect_class for place in places]
        )
    return Judgement(name, candidates, predictions, predictions[0].similarity < threshold, threshold, possible)


def judge_scan(
    found: Scan, index: PrototypeIndex, supports: Sequence[Supports], manifest: Manifest, top_k: int
) -> Judgement:
    """What the windows of a photo say of the defects of a catalog, whose support photos these are, in its order."""
    defects = np.array([place for place, each in enumerate(index.candidates) if each.kind == "defect"])
    candidates = [index.candidates[place] for place in defects]
    prototypes, usual = index.matrix[index.rows[defects]], _usual_thresholds(index, manifest)[defects]

    def best_of(
        chances: NDArray[np.float32], similarity: NDArray[np.float32]
    ) -> tuple[list[Candidate], list[Prediction]]:
        best = np.argsort(-chances, kind="stable")[:top_k]
        named = [candidates[place] for place in best]
        return named, _predictions(named, chances[best], similarity[best])

    regions = []
    for each in found.regions:
        first = int(each.probabilities.argmax())
        similarity = prototypes @ each.embedding
        nearest = nearest_examples(each.embedding, [supports[defects[first]]], 1)
        regions.append(
            RegionOut(
                **each.region._asdict(),
                defect=each.defect,
                unknown=bool(similarity[first] < _threshold(candidates[first], usual[first])),
                predictions=best_of(each.probabilities, similarity)[1],
                nearest=nearest[0] if nearest else None,
            )
        )
    chances = found.scores / max(float(found.scores.sum()), float(np.finfo(np.float32).tiny))
    best, predictions = best_of(chances, np.einsum("cd,cd->c", found.embeddings, prototypes))
    return Judgement(
        "ridge",
        best,
        predictions,
        # A sound photo shows no class either.
        unknown=all(region.unknown for region in regions),
        threshold=_threshold(best[0], usual[chances.argmax()]),
        prediction_set=None,
        regions=regions,
    )


def _predictions(
    candidates: Sequence[Candidate], chances: NDArray[np.float32], similarity: NDArray[np.float32]
) -> list[Prediction]:
    return [
        Prediction(defect_class=each.defect_class, probability=float(chance), similarity=float(alike))
        for each, chance, alike in zip(candidates, chances, similarity, strict=True)
    ]


def _usual_thresholds(index: PrototypeIndex, manifest: Manifest) -> NDArray[np.float64]:
    """The similarity below which a photo is none of each class, where the class does not say it itself, [C]."""
    return expected_similarity(index.lengths, index.shots, manifest.typical_similarity) - manifest.unknown_margin


def _threshold(candidate: Candidate, usual: np.float64) -> float:
    return float(usual) if candidate.threshold is None else candidate.threshold


def nearest_examples(
    embedding: NDArray[np.float32], supports: Sequence[Supports], count: int = NEAREST
) -> list[NearestExample]:
    """The `count` support photos that an embedding, float32 [D], is most similar to, best first."""
    found = [
        NearestExample(
            support_photo_id=each.ids[place],
            photo_id=each.sha256s[place],
            defect_class_id=each.candidate.defect_class.id,
            similarity=float(cosine[place]),
            regions=boxes_of(each.parts[place].text),
        )
        for each in supports
        if each.ids  # a class of a catalog that was deleted in the meantime has none
        for cosine in [each.embeddings @ embedding]
        for place in np.argsort(-cosine, kind="stable")[:count]
    ]
    return sorted(found, key=lambda example: -example.similarity)[:count]
