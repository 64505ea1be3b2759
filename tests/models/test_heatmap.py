"""Heat maps: each place's part in the similarity, and its colour."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.drawing import DRAWN_DEFECTS, draw
from app.photos.reading import decode, encode_jpeg, enlarge
from models.backbones import Backbone
from models.heatmap import enlarged, evidence, positive_share
from models.heatmap_picture import OPACITY, layer, on_photo
from models.manifest import Transform
from models.probes import probes
from models.prototypes import embedding_sum, l2_normalise, probabilities, prototype

TEMPERATURE = 0.05


@pytest.fixture(scope="module")
def prototypes() -> NDArray[np.float32]:
    return l2_normalise(np.abs(np.random.default_rng(1).normal(size=(4, 1280))))


def test_the_mean_of_a_map_is_the_similarity_less_that_to_the_others(
    backbone: Backbone, prototypes: NDArray[np.float32]
) -> None:
    photo = probes(backbone.transform.height, backbone.transform.width, 1)
    features, similarity = backbone.feature_map(photo)[0], prototypes @ backbone.embed(photo)[0]
    for place in range(4):
        others = np.delete(similarity, place)
        expected = similarity[place] - others @ probabilities(others, TEMPERATURE)
        values = evidence(features, prototypes, place, TEMPERATURE)
        assert values.shape == features.shape[:2]
        assert values.mean() == pytest.approx(expected, abs=1e-3)
        alone = evidence(features, prototypes[place : place + 1], 0, TEMPERATURE)
        assert alone.mean() == pytest.approx(similarity[place], abs=1e-3)
        assert abs(similarity[place] - expected) > 0.1  # so the two say different things


def test_a_place_speaks_for_the_class_that_it_looks_like() -> None:
    prototypes = np.eye(3, 5, dtype=np.float32)
    features = np.zeros((2, 2, 5), np.float32)
    features[0, 0, 0] = features[0, 1, 1] = features[1, 0, 2] = 1
    features[1, 1, :3] = 1  # what all classes share
    values = evidence(features, prototypes, 1, TEMPERATURE)
    assert values.argmax() == 1
    assert values[0, 1] > 0 > values[0, 0]
    assert values[1, 1] == pytest.approx(0, abs=1e-6)


def test_only_what_speaks_for_the_class_is_shown() -> None:
    shown = positive_share(np.array([[-2, 0], [1, 4]], np.float32))
    assert shown.tolist() == [[0, 0], [0.25, 1]]
    assert not positive_share(np.full((2, 2), -1, np.float32)).any()
    black = evidence(np.zeros((2, 2, 5), np.float32), np.eye(3, 5, dtype=np.float32), 0, TEMPERATURE)
    assert not positive_share(black).any()


def test_colours_get_brighter_and_more_opaque() -> None:
    values = np.linspace(0, 1, 101, dtype=np.float32)[np.newaxis]
    rgba = layer(values)[0].astype(int)
    assert (rgba[0, 3], rgba[-1, 3]) == (0, round(255 * OPACITY))
    assert (np.diff(rgba[:, 3]) >= 0).all()
    luminance = rgba[:, :3] @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(luminance) > 0).all()


def test_where_nothing_is_shown_the_photo_is_grey_and_as_bright_as_it_was() -> None:
    photo = probes(32, 48, 1)[0]
    values = np.zeros((32, 48), np.float32)
    values[:, 24:] = 1
    picture = on_photo(layer(values), photo)
    assert (picture[:, :24] == picture[:, :24, :1]).all()
    assert np.abs(picture[:, :24, 0] - photo[:, :24] @ np.array([0.299, 0.587, 0.114])).max() <= 1
    red, green, blue = picture[:, 24:].reshape(-1, 3).mean(axis=0)
    assert min(red, green) > blue + 50


def test_maps_point_at_drawn_defects(backbone: Backbone) -> None:
    """Chance is a ratio of 1; benchmarks/HEATMAP.md has the figures of many photos."""
    size = (480, 640)

    def decoded(pixels: NDArray[np.uint8], transform: Transform) -> NDArray[np.uint8]:
        return decode(encode_jpeg(pixels), transform, 10**9).pixels

    names = [defect.name for defect in DRAWN_DEFECTS]
    examples = [np.stack([decoded(draw(name, seed, *size).pixels, backbone.transform) for seed in range(5)])
                for name in names]  # fmt: skip
    prototypes = prototype(np.stack([embedding_sum(backbone.embed(each)) for each in examples]))
    temperature = backbone.manifest.readings["prototypes"].temperature_at(np.full(len(names), 5))
    ratios = {}
    for place, name in enumerate(names):
        inside, area = [], []
        for seed in range(100, 104):
            drawing = draw(name, seed, *size)
            features = backbone.feature_map(decoded(drawing.pixels, enlarged(backbone.transform))[np.newaxis])[0]
            shown = enlarge(positive_share(evidence(features, prototypes, place, temperature)), 640, 480)
            inside.append(shown[drawing.mask].sum() / shown.sum())
            area.append(drawing.mask.mean())
        ratios[name] = np.mean(inside) / np.mean(area)
    assert min(ratios.values()) > 1.1, ratios
    assert np.mean(list(ratios.values())) > 1.7, ratios
