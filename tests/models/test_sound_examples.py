"""What is sound in a photo teaches, and is not told as a defect twice."""

import numpy as np
from numpy.typing import NDArray

from models.prototypes import l2_normalise
from models.regions import fit_window_head, scan
from models.windows import embed_sound_photo


def _unit(place: int) -> NDArray[np.float32]:
    return np.eye(4, dtype=np.float32)[place]


def test_a_sound_photo_teaches_as_a_whole_and_by_its_quarters_and_what_lies_between() -> None:
    features = np.random.default_rng(0).random((6, 8, 4), dtype=np.float32)
    found = embed_sound_photo(features)
    assert found.shape == (10, 4)
    np.testing.assert_allclose(found[0], l2_normalise(features.mean(axis=(0, 1))), atol=1e-6)
    np.testing.assert_allclose(found[1], l2_normalise(features[:3, :4].mean(axis=(0, 1))), atol=1e-6)
    np.testing.assert_allclose(found[-1], l2_normalise(features[3:, 4:].mean(axis=(0, 1))), atol=1e-6)
    assert embed_sound_photo(features[:1, :1]).shape[1] == 4  # a photo of one place is its own half


def test_each_defect_of_a_wide_photo_is_told_once() -> None:
    examples = np.stack([_unit(0), _unit(1)])
    head = fit_window_head(examples, np.arange(2), np.stack([_unit(2)]), np.empty((0, 4), np.float32))
    wall = np.broadcast_to(_unit(2), (18, 24, 4)).copy()
    assert scan(wall, head).regions == []
    wall[2:6, 2:8], wall[11:16, 15:22] = 4 * _unit(0), 4 * _unit(1)
    found = scan(wall, head).regions
    assert sorted(int(region.probabilities.argmax()) for region in found) == [0, 1]
    first, second = sorted(found, key=lambda region: region.region.x)
    for region, (x, y) in ((first, (5 / 24, 4 / 18)), (second, (18.5 / 24, 13.5 / 18))):
        assert region.region.x <= x <= region.region.x + region.region.w
        assert region.region.y <= y <= region.region.y + region.region.h


def test_a_crack_that_falls_into_pieces_is_not_told_twice_by_one_window() -> None:
    head = fit_window_head(
        np.stack([_unit(0), _unit(1)]), np.arange(2), np.stack([_unit(2)]), np.empty((0, 4), np.float32)
    )
    wall = _unit(2) + 0.2 * np.random.default_rng(1).random((18, 24, 4), dtype=np.float32)
    for row in range(18):
        wall[row, round(0.8 * row) : round(0.8 * row) + 2] = 3 * _unit(0)
    found = scan(wall, head).regions
    assert found
    assert len({region.embedding.tobytes() for region in found}) == len(found)
