import numpy as np
import pytest
from PIL import Image

from models.backbones import Backbone, load_backbone
from models.probes import probes
from models.prototypes import l2_normalise


@pytest.fixture(scope="module")
def accurate() -> Backbone:
    return load_backbone(engine="torch", precision="f32", views="accurate")


@pytest.fixture(scope="module")
def quick() -> Backbone:
    return load_backbone(engine="torch", precision="f32")


def test_the_embedding_is_the_mean_of_six_views(accurate: Backbone, quick: Backbone) -> None:
    size, crop = accurate.transform.height, quick.transform.height
    assert (size, crop) == (269, 224)
    photos = probes(size, size, 3)
    whole = np.stack(
        [np.asarray(Image.fromarray(photo).resize((crop, crop), Image.Resampling.BICUBIC)) for photo in photos]
    )
    corners = [photos[:, row : row + crop, column : column + crop] for row in (0, 45) for column in (0, 45)]
    views = [whole, whole[:, :, ::-1], *corners]
    expected = l2_normalise(np.mean([quick.embed(view) for view in views], axis=0))
    assert (accurate.embed(photos) * expected).sum(axis=1).min() > 0.9999
    # And it is not just the whole photo.
    assert (accurate.embed(photos) * quick.embed(whole)).sum(axis=1).max() < 0.999


def test_embeddings_of_other_views_have_another_id(accurate: Backbone, quick: Backbone) -> None:
    assert accurate.backbone_id.startswith("efficientnet-lite0-haja-2+views@")
    assert accurate.backbone_id != quick.backbone_id
    assert accurate.dimension == quick.dimension


@pytest.mark.long
def test_openvino_runs_the_same_views(accurate: Backbone) -> None:
    photos = probes(accurate.transform.height, accurate.transform.width, 3)
    converted = load_backbone(engine="openvino", precision="f32", views="accurate")
    np.testing.assert_allclose(converted.embed(photos), accurate.embed(photos), atol=5e-6)
    for photo, together in zip(photos, converted.embed(photos), strict=True):  # views of two photos are not mixed up
        np.testing.assert_allclose(converted.embed(photo[np.newaxis])[0], together, atol=5e-6)


def test_a_map_is_of_the_whole_photo(accurate: Backbone, quick: Backbone) -> None:
    photo = probes(448, 448, 1)
    assert accurate.feature_map(photo) == pytest.approx(quick.feature_map(photo), abs=1e-4)
