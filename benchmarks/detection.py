"""How good found regions are: what a photo is named, where the name points, and average precision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.windows import Region

OVERLAP = 0.3
"""Intersection over union from which a region counts as found: boxes that were drawn by eye bear no more."""

Scores = NDArray[np.float64]
Defects = Sequence[tuple[int, Region]]


@dataclass(frozen=True)
class Found:
    """A region with its class and how sure it is, 0..1."""

    region: Region
    label: int
    score: float


@dataclass(frozen=True)
class Answer:
    """About one photo. named: its class. scores [C]: what speaks for each. defective: how sure a defect is, to rank by.
    regions: strongest first, none where the photo is called sound.
    """

    named: int
    scores: NDArray[np.floating]
    defective: float
    regions: list[Found]


def average_precision(scores: Scores, relevant: NDArray[np.bool_], total: int) -> float:
    """Mean over all `total` relevant ones of the precision where each is found, and 0 where it is not."""
    ranked = relevant[np.argsort(-scores, kind="stable")]
    precision = ranked.cumsum() / np.arange(1, len(ranked) + 1)
    return float((precision * ranked).sum() / total)


def mean_average_precision(answers: Sequence[Answer], defects: Sequence[Defects], classes: int) -> float:
    """Of photos ranked by each class."""
    scores = np.array([answer.scores for answer in answers])
    shown = np.array([[any(label == each for label, _ in boxes) for each in range(classes)] for boxes in defects])
    return float(
        np.mean([average_precision(scores[:, c], shown[:, c], int(shown[:, c].sum())) for c in range(classes)])
    )


def points_right(answer: Answer, defects: Defects) -> bool:
    """Whether the middle of the first region lies in a box of its class."""
    return bool(answer.regions) and any(
        label == answer.regions[0].label and has_middle(box, answer.regions[0].region) for label, box in defects
    )


def has_middle(box: Region, region: Region) -> bool:
    """Whether the middle of a region lies in a box."""
    x, y = region.x + region.w / 2, region.y + region.h / 2
    return box.x <= x <= box.x + box.w and box.y <= y <= box.y + box.h


def hits(answer: Answer, defects: Defects) -> list[bool]:
    """Which regions find a box of their class that no stronger one has found."""
    left, found = list(defects), []
    for each in answer.regions:
        overlaps = [overlap(each.region, box) if label == each.label else 0.0 for label, box in left]
        best = int(np.argmax(overlaps)) if left else -1
        found.append(best >= 0 and overlaps[best] >= OVERLAP)
        if found[-1]:
            del left[best]
    return found


def overlap(one: Region, other: Region) -> float:
    """Intersection over union."""
    across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    down = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    shared = max(0.0, across) * max(0.0, down)
    return shared / (one.w * one.h + other.w * other.h - shared)


def box_precision(answers: Sequence[Answer], defects: Sequence[Defects], classes: int) -> float:
    """Average precision of boxes at `OVERLAP`, mean over the classes."""
    found = [
        (each.label, each.score, hit)
        for answer, boxes in zip(answers, defects, strict=True)
        for each, hit in zip(answer.regions, hits(answer, boxes), strict=True)
    ]
    values = []
    for label in range(classes):
        total = sum(box_label == label for boxes in defects for box_label, _ in boxes)
        scores, right = (
            [score for each, score, _ in found if each == label],
            [hit for each, _, hit in found if each == label],
        )
        values.append(average_precision(np.array(scores), np.array(right, bool), total))
    return float(np.mean(values))


def found_at_one_false(answers: Sequence[Answer], defects: Sequence[Defects]) -> float:
    """The share of all boxes found and rightly named, with as many regions as make one false one a photo."""
    found = sorted(
        ((each.score, hit) for answer, boxes in zip(answers, defects, strict=True)
         for each, hit in zip(answer.regions, hits(answer, boxes), strict=True)),
        reverse=True,
    )  # fmt: skip
    right = np.array([hit for _, hit in found], bool)
    allowed = (~right).cumsum() <= len(answers)
    return float(right[allowed].sum() / sum(map(len, defects)))


def area_under_roc(positive: Scores, negative: Scores) -> float:
    """How often a positive one has the higher score."""
    above = positive[:, np.newaxis] - negative
    return float((above > 0).mean() + (above == 0).mean() / 2)
