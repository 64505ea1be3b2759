"""Windows and parts of photos: where they lie, and that their embeddings are means over their places."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.backbones import Backbone
from models.probes import probes
from models.prototypes import l2_normalise
from models.windows import (
    LONGEST,
    STRIDE,
    Part,
    Region,
    embed_part,
    embed_windows,
    is_wide,
    map_size,
    region_of,
    window_places,
)


@pytest.fixture
def features() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(18, 24, 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("photo", "size"),
    [((4000, 3000), (768, 576)), ((3000, 4000), (576, 768)), ((600, 600), (768, 768)), ((9000, 30), (768, 32))],
)
def test_a_photo_goes_in_by_its_proportions(photo: tuple[int, int], size: tuple[int, int]) -> None:
    assert map_size(*photo) == size


def test_a_small_photo_has_no_windows_of_its_own() -> None:
    assert is_wide(448, 100)
    assert not is_wide(447, 447)


@pytest.mark.parametrize(("rows", "columns"), [(18, 24), (24, 24), (1, 24), (24, 1), (1, 1), (7, 24)])
def test_windows_cover_every_place_and_stay_inside(rows: int, columns: int) -> None:
    places = window_places(rows, columns)
    assert places[0].tolist() == [0, 0, columns, rows]
    assert (places[:, :2] >= 0).all()
    assert (places[:, 2] <= columns).all()
    assert (places[:, 3] <= rows).all()
    assert (places[:, 2:] > places[:, :2]).all()
    covered = np.zeros((rows, columns), int)
    for left, top, right, bottom in places[1:].tolist():
        covered[top:bottom, left:right] += 1
    assert covered.min() >= (len(places) > 1)


def test_the_embedding_of_a_window_is_the_mean_over_its_places(features: NDArray[np.float32]) -> None:
    places = window_places(18, 24)
    embeddings = embed_windows(features, places)
    for (left, top, right, bottom), embedding in zip(places.tolist(), embeddings, strict=True):
        expected = l2_normalise(features[top:bottom, left:right].mean((0, 1)))
        assert embedding == pytest.approx(expected, abs=1e-5)


def test_a_part_and_its_rest_make_the_photo(features: NDArray[np.float32]) -> None:
    region = Region(0.25, 0.25, 0.3, 0.4)
    inside = embed_part(features, Part((region,)))
    outside = embed_part(features, Part((region,), is_rest=True))
    assert inside is not None
    assert outside is not None
    whole = embed_part(features, Part())
    assert whole == pytest.approx(l2_normalise(features.mean((0, 1))), abs=1e-5)
    # Some mixture of the two is the whole.
    mixed = np.linalg.lstsq(np.stack([inside, outside]).T, features.mean((0, 1)), rcond=None)
    assert mixed[1].size == 0 or mixed[1] < 1e-9


def test_of_a_photo_that_is_all_defect_nothing_is_left(features: NDArray[np.float32]) -> None:
    assert embed_part(features, Part((Region(0, 0, 1, 1),), is_rest=True)) is None
    tiny = embed_part(features, Part((Region(0.99, 0.99, 0.001, 0.001),)))
    assert tiny == pytest.approx(l2_normalise(features[17, 23]), abs=1e-5)


def test_the_text_of_a_part_says_it_again() -> None:
    one, other = Region(0.5, 0.25, 0.1, 0.2), Region(0.1, 0.2, 0.3, 0.4)
    for part in (Part(), Part((one,)), Part((one, other)), Part((one,), is_rest=True)):
        assert Part.parse(part.text).text == part.text
        assert set(Part.parse(part.text).regions) == set(part.regions)
    assert Part((one, other)).text == Part((other, one, one)).text
    assert Part().text == ""
    for wrong in ("in", "by 0.1 0.1 0.1 0.1", "in 0.1 0.1 0.1", "in a b c d"):
        with pytest.raises((ValueError, TypeError)):
            Part.parse(wrong)


def test_the_whole_window_is_the_photo_for_the_network(backbone: Backbone) -> None:
    """A map of the transform's own size: its only whole window is the embedding of today."""
    photo = probes(backbone.transform.height, backbone.transform.width, 1)
    features = backbone.feature_map(photo)[0]
    rows, columns, _ = features.shape
    whole = embed_windows(features, window_places(rows, columns)[:1])[0]
    assert float(whole @ backbone.embed(photo)[0]) > 0.9999
    assert region_of((0, 0, columns, rows), rows, columns) == Region(0, 0, 1, 1)
    assert LONGEST % STRIDE == 0
