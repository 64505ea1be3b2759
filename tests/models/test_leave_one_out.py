import numpy as np
import pytest

from models.leave_one_out import nearest_without, wilson_interval
from models.prototypes import l2_normalise


def test_it_is_what_removing_each_photo_by_hand_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(5), [1, 2, 3, 9, 20]))
    embeddings = l2_normalise(random.standard_normal((5, 16))[labels] + 1.5 * random.standard_normal((35, 16)))
    wanted = []
    for place, own in enumerate(labels):
        others = np.arange(35) != place
        if not (labels[others] == own).any():
            wanted.append(-1)
            continue
        means = l2_normalise(
            np.stack([embeddings[others & (labels == label)].mean(axis=0) for label in np.unique(labels)])
        )
        wanted.append(int((means @ embeddings[place]).argmax()))
    assert nearest_without(embeddings, labels).tolist() == wanted
    assert 0 < (nearest_without(embeddings, labels) == labels).mean() < 1
    monkeypatch.setattr("models.leave_one_out.ROWS", 4)
    assert nearest_without(embeddings, labels).tolist() == wanted


def test_no_photo_and_one_class() -> None:
    assert nearest_without(np.empty((0, 4), np.float32), np.empty(0, np.int64)).tolist() == []
    assert nearest_without(np.eye(3, dtype=np.float32), np.zeros(3, np.int64)).tolist() == [0, 0, 0]


def test_the_interval_of_wilson() -> None:
    # From the table in Newcombe 1998, example 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    low, high = wilson_interval(5, 5)
    assert 0.5 < low < 0.6
    assert high == 1.0
