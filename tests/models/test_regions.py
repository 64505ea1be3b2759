"""Regions: defects are found where they are and named, and sound surfaces are told."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.prototypes import l2_normalise
from models.regions import CENTRE, MOST, WindowHead, fit_window_head, scan

D = 64
ROWS, COLUMNS = 18, 24


@pytest.fixture
def directions() -> NDArray[np.float32]:
    """Of a crack, of rust, and of a sound wall."""
    made = np.random.default_rng(3).normal(size=(3, D))
    return l2_normalise(made - made.mean())


def head_of(directions: NDArray[np.float32], shots: int = 5) -> WindowHead:
    random = np.random.default_rng(4)
    near = [l2_normalise(each + random.normal(0, 0.05, (shots, D))) for each in directions]
    labels = np.repeat(np.arange(2), shots)
    none = np.empty((0, D), np.float32)
    return fit_window_head(np.concatenate(near[:2]), labels, near[2], none, none)


def wall(directions: NDArray[np.float32], *defects: tuple[int, slice, slice]) -> NDArray[np.float32]:
    """The map of a sound wall with defects at places."""
    features = np.random.default_rng(5).normal(0, 0.02, (ROWS, COLUMNS, D)) + directions[2]
    for kind, down, across in defects:
        features[down, across] += 2 * (directions[kind] - directions[2])
    made: NDArray[np.float32] = features.astype(np.float32)
    return made


def test_a_sound_wall_has_no_region(directions: NDArray[np.float32]) -> None:
    found = scan(wall(directions), head_of(directions))
    assert found.regions == []
    assert not found.whole_counts


@pytest.mark.parametrize("kind", [0, 1])
def test_a_defect_is_found_where_it_is_and_named(directions: NDArray[np.float32], kind: int) -> None:
    found = scan(wall(directions, (kind, slice(2, 7), slice(14, 20))), head_of(directions))
    (region,) = found.regions
    assert int(region.probabilities.argmax()) == kind
    assert int(found.scores.argmax()) == kind
    assert region.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert region.defect > 0.5
    centre = (region.region.x + region.region.w / 2, region.region.y + region.region.h / 2)
    assert centre == pytest.approx((17 / COLUMNS, 4.5 / ROWS), abs=0.06)
    assert float(found.best_embedding @ region.embedding) == pytest.approx(1, abs=1e-5)


def test_two_defects_are_two_regions_and_a_long_one_is_one(directions: NDArray[np.float32]) -> None:
    two = scan(wall(directions, (0, slice(1, 6), slice(1, 7)), (1, slice(12, 17), slice(17, 23))), head_of(directions))
    assert [int(each.probabilities.argmax()) for each in two.regions] in ([0, 1], [1, 0])
    long = scan(wall(directions, (0, slice(8, 10), slice(0, COLUMNS))), head_of(directions))
    (region,) = [each for each in long.regions if each.region.w > 0.8]
    assert region.region.h < 0.6


def test_at_most_so_many_regions_are_told(directions: NDArray[np.float32]) -> None:
    spots = [
        (0, slice(down, down + 1), slice(across, across + 1)) for down in range(0, 18, 2) for across in range(0, 24, 2)
    ]
    found = scan(wall(directions, *spots), head_of(directions))
    assert 0 < len(found.regions) <= MOST
    assert [each.defect for each in found.regions] == sorted((each.defect for each in found.regions), reverse=True)


def test_without_sound_examples_of_its_own_a_close_up_counts_as_a_whole(directions: NDArray[np.float32]) -> None:
    head = head_of(directions)
    generic = WindowHead(head.weights, 2, own_sound=False)
    close_up = wall(directions, (0, slice(None), slice(None)))
    assert scan(close_up, generic).whole_counts
    assert scan(close_up, generic).regions == []
    assert not scan(close_up, head).whole_counts
    assert not scan(wall(directions, (0, slice(2, 7), slice(14, 20))), generic).whole_counts


def test_the_head_is_the_same_by_either_formula(directions: NDArray[np.float32]) -> None:
    """Below and above as many examples as an embedding has numbers."""
    random = np.random.default_rng(6)
    few, many = head_of(directions, 20), head_of(directions, 22)  # 60 and 66 rows of 64 numbers
    queries = l2_normalise(directions[random.integers(0, 3, 50)] + random.normal(0, 0.1, (50, D)))
    assert few.leads(queries)[1] == pytest.approx(many.leads(queries)[1], abs=0.1)
    assert (few.leads(l2_normalise(directions[:2]))[1] > CENTRE).all()
    assert (many.leads(l2_normalise(directions[2:]))[1] < 0).all()


def test_examples_many_or_few_weigh_the_same(directions: NDArray[np.float32]) -> None:
    random = np.random.default_rng(7)
    crack, rust = (l2_normalise(directions[kind] + random.normal(0, 0.05, (40, D))) for kind in (0, 1))
    sound = l2_normalise(directions[2] + random.normal(0, 0.05, (10, D)))
    none = np.empty((0, D), np.float32)
    labels = np.array([0] * 40 + [1] * 3)
    head = fit_window_head(np.concatenate([crack, rust[:3]]), labels, sound, none, none)
    scores, _ = head.leads(l2_normalise(directions[:2]))
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_a_crack_that_falls_into_pieces_is_not_told_twice_by_one_window(directions: NDArray[np.float32]) -> None:
    features = wall(directions)
    for row in range(ROWS):
        features[row, round(0.8 * row) : round(0.8 * row) + 2] += 2 * (directions[0] - directions[2])
    found = scan(features, head_of(directions)).regions
    assert found
    assert len({region.embedding.tobytes() for region in found}) == len(found)


def test_sound_photos_unlike_the_generic_surfaces_are_learnt_as_their_own_kind(
    directions: NDArray[np.float32],
) -> None:
    random = np.random.default_rng(8)
    defects, labels = (
        l2_normalise(np.repeat(directions[:2], 5, 0) + random.normal(0, 0.05, (10, D))),
        np.repeat([0, 1], 5),
    )
    generic = l2_normalise(random.normal(size=(24, D)))
    sound, query = (l2_normalise(directions[2] + random.normal(0, 0.05, (count, D))) for count in (5, 50))
    none = np.empty((0, D), np.float32)
    apart = fit_window_head(defects, labels, sound, none, generic)
    together = fit_window_head(defects, labels, none, sound, generic)
    assert apart.own_sound
    assert together.own_sound
    assert (apart.leads(query)[1] < together.leads(query)[1]).all()
    assert (apart.leads(generic)[1] < CENTRE).all()
