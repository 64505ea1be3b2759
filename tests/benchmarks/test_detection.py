"""What the tables of found regions count, on cases that can be worked out by hand."""

import numpy as np
import pytest

from benchmarks import detection
from benchmarks.detection import Answer, Found
from models.windows import Region

LEFT, RIGHT = Region(0, 0, 0.5, 1), Region(0.5, 0, 0.5, 1)
MIDDLE = Region(0.25, 0, 0.5, 1)


def _answer(*regions: Found) -> Answer:
    return Answer(0, np.array([1.0, 0.0]), 1.0, list(regions))


def test_overlap_is_intersection_over_union() -> None:
    assert detection.overlap(LEFT, LEFT) == 1
    assert detection.overlap(LEFT, RIGHT) == 0
    assert detection.overlap(LEFT, MIDDLE) == pytest.approx(1 / 3)


def test_a_box_is_found_once_and_by_its_class() -> None:
    answer = _answer(Found(MIDDLE, 0, 0.9), Found(LEFT, 0, 0.8), Found(RIGHT, 0, 0.7))
    assert detection.hits(answer, [(0, LEFT), (1, RIGHT)]) == [True, False, False]
    assert detection.hits(answer, []) == [False, False, False]


def test_precision_counts_what_was_never_found() -> None:
    scores, right = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    assert detection.average_precision(scores, right, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert detection.average_precision(scores, right, 4) == pytest.approx((1 + 2 / 3) / 4)
    assert detection.average_precision(np.array([]), np.array([], bool), 1) == 0


def test_boxes_found_at_one_false_a_photo() -> None:
    answers = [_answer(Found(LEFT, 0, 0.9), Found(RIGHT, 0, 0.8), Found(MIDDLE, 0, 0.7)), _answer()]
    boxes = [[(0, RIGHT)], [(1, LEFT)]]
    # Two photos bear two false regions: one before the right one, and one after it.
    assert detection.found_at_one_false(answers, boxes) == 0.5
    assert detection.found_at_one_false([_answer(Found(LEFT, 1, 0.9), Found(LEFT, 0, 0.8))], [[(0, LEFT)]]) == 1
    assert detection.box_precision(answers, boxes, 2) == pytest.approx((1 / 2 + 0) / 2)


def test_a_region_points_where_its_middle_lies() -> None:
    assert detection.points_right(_answer(Found(LEFT, 0, 0.9)), [(0, Region(0.2, 0.4, 0.1, 0.2))])
    assert not detection.points_right(_answer(Found(LEFT, 1, 0.9)), [(0, Region(0.2, 0.4, 0.1, 0.2))])
    assert not detection.points_right(_answer(Found(RIGHT, 0, 0.9), Found(LEFT, 0, 0.8)), [(0, LEFT)])
    assert not detection.points_right(_answer(), [(0, LEFT)])


def test_area_under_roc_counts_pairs() -> None:
    assert detection.area_under_roc(np.array([3.0, 1.0]), np.array([2.0, 1.0])) == (1 + 1 + 0 + 0.5) / 4
