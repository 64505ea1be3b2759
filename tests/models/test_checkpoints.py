"""Manifests and weights: what does not fit is refused with a sentence, and the id says what may be compared."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from models.backbones import Backbone, load_backbone
from models.graph import FORMAT
from models.manifest import (
    CHECKPOINTS,
    CheckpointError,
    HeadName,
    Manifest,
    Reading,
    Sound,
    Transform,
    Weights,
    file_sha256,
    read_manifest,
    sound_surfaces,
)
from models.networks.network import create_features
from models.networks.weights import load_weights

SHIPPED = CHECKPOINTS / "efficientnet-lite0-imagenet.json"
SMALL = "mobilenetv3_small_050"


def _write(folder: Path, **changes: Any) -> Path:
    fields = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for name, value in changes.items():
        if value is None:
            del fields[name]
        else:
            fields[name] = value
    path = folder / "mine.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    return path


def _weights(folder: Path, state: dict[str, torch.Tensor]) -> Weights:
    data = safetensors.torch.save(state)
    (folder / "mine.safetensors").write_bytes(data)
    return Weights("mine.safetensors", hashlib.sha256(data).hexdigest())


def test_the_shipped_manifest_can_be_read() -> None:
    manifest = read_manifest(SHIPPED)
    assert manifest.name == SHIPPED.stem
    assert manifest.transform.height == manifest.transform.width == 224
    assert all(reading.temperature > 0 for reading in manifest.readings.values())
    assert 0 < manifest.typical_similarity < 1
    assert 0 < manifest.unknown_margin < 1
    assert manifest.weights is not None
    assert len(manifest.weights.sha256) == 64
    assert manifest.graph is not None
    assert (manifest.graph.format, len(manifest.graph.sha256)) == (FORMAT, 64)


@pytest.mark.parametrize("field", ["name", "architecture", "transform", "readings", "unknown_margin", "weights"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    path = _write(tmp_path, **{field: None})
    with pytest.raises(CheckpointError, match=field) as refused:
        read_manifest(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"transform": {"height": 224, "width": 224, "mean": [0.5, 0.5], "std": [1, 1, 1]}},
        {"transform": {"height": "tall", "width": 224, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"transform": [224, 224]},
        {"typical_similarity": "warm"},
        {"readings": {"prototypes": {"temperature": 0.1}}},
        {"readings": [1]},
        {"weights": {"file": "a.safetensors"}},
        {"weights": {"file": "a.safetensors", "sha256": "0", "colour": "red"}},
        {"weights": "a.safetensors"},
        {"graph": {"file": "a.onnx", "sha256": "0"}},
        {"graph": "a.onnx"},
        {"sound": {"file": "a.sound.f16", "sha256": "0"}},
    ],
)
def test_a_field_that_is_misstated_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="lacks or misstates"):
        read_manifest(_write(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe\x00", b"null"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"mine\.json"):
        read_manifest(path)


def test_a_manifest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_manifest(tmp_path / "none.json")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_manifest(tmp_path)


def _manifest(folder: Path, weights: Weights | None, architecture: str = SMALL) -> Manifest:
    transform = Transform(64, 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    reading = Reading(0.05, 0.0, {1: (0.0,) * 51})
    readings: dict[HeadName, Reading] = {"prototypes": reading, "ridge": reading}
    return Manifest("mine", architecture, transform, 0.5, 0.2, readings, weights, folder=folder)


def test_weights_beside_the_manifest_are_loaded(tmp_path: Path) -> None:
    source, target = create_features(SMALL), create_features(SMALL)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(0.25)
    load_weights(target, _manifest(tmp_path, _weights(tmp_path, source.state_dict())))
    for name, tensor in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[name].float(), tensor.float())


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    weights = _weights(tmp_path, create_features(SMALL).state_dict())
    file = tmp_path / weights.file
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        load_weights(create_features(SMALL), _manifest(tmp_path, weights))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights = _weights(tmp_path, {"conv.weight": torch.zeros(3, 3)})
    with pytest.raises(CheckpointError, match="does not fit this architecture"):
        load_weights(create_features(SMALL), _manifest(tmp_path, weights))


def test_bytes_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    """The hash is right and the file is not: somebody wrote a manifest for the wrong file."""
    (tmp_path / "mine.safetensors").write_bytes(b"not weights")
    weights = Weights("mine.safetensors", hashlib.sha256(b"not weights").hexdigest())
    with pytest.raises(CheckpointError, match="mine"):
        load_weights(create_features(SMALL), _manifest(tmp_path, weights))


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    network = create_features(SMALL)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_weights(network, _manifest(tmp_path, Weights("none.safetensors", "0")))
    with pytest.raises(CheckpointError, match="names no weights"):
        load_weights(network, _manifest(tmp_path, None))


def _sound(folder: Path, surfaces: np.ndarray[Any, Any], **changes: Any) -> Manifest:
    (folder / "mine.sound.f16").write_bytes(surfaces.tobytes())
    stated = Sound("mine.sound.f16", file_sha256(folder / "mine.sound.f16"), len(surfaces))
    return replace(_manifest(folder, None), sound=replace(stated, **changes))


@pytest.mark.parametrize("name", sorted(path.stem for path in CHECKPOINTS.glob("*.json")))
def test_shipped_sound_surfaces_are_embeddings_and_differ(name: str) -> None:
    surfaces = sound_surfaces(read_manifest(CHECKPOINTS / f"{name}.json"), 1280)
    assert surfaces.dtype == np.float32
    assert surfaces.shape == (24, 1280)
    np.testing.assert_allclose(np.linalg.norm(surfaces, axis=1), 1, atol=1e-6)
    assert (surfaces @ surfaces.T - 2 * np.eye(24)).max() < 0.99


def test_a_checkpoint_without_sound_surfaces_has_none(tmp_path: Path) -> None:
    assert sound_surfaces(_manifest(tmp_path, None), 1280).shape == (0, 1280)


def test_sound_surfaces_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    unit = np.eye(2, 8, dtype=np.float16)
    assert sound_surfaces(_sound(tmp_path, unit), 8).tolist() == unit.tolist()
    refused: list[tuple[np.ndarray[Any, Any], dict[str, Any], str]] = [
        (unit, {"sha256": "0"}, "SHA-256 differs"),
        (unit, {"file": "none.f16"}, "cannot be read"),
        (unit, {"centres": 3}, "are not 3 x 8 numbers in float16"),
        (unit.astype(np.float32), {}, "are not 2 x 8 numbers in float16"),
        (np.array([7], np.uint8), {}, "are not 1 x 8 numbers in float16"),
    ]
    for surfaces, changes, sentence in refused:
        made = _sound(tmp_path, surfaces, **changes)
        with pytest.raises(CheckpointError, match=sentence):
            sound_surfaces(made, 8)
    with pytest.raises(CheckpointError, match="are not 2 x 9 numbers in float16"):
        sound_surfaces(_sound(tmp_path, unit), 9)


def test_the_id_depends_on_weights_and_transform_and_not_on_the_engine(tmp_path: Path, backbone: Backbone) -> None:
    same = load_backbone(engine="torch", precision="f32")
    assert same.backbone_id == backbone.backbone_id

    def identify(transform: Transform, weights: Weights, architecture: str = SMALL) -> str:
        manifest = replace(_manifest(tmp_path, weights, architecture), transform=transform)
        return Backbone(manifest, same.engine).backbone_id if transform.height == 224 else ""

    plain = Transform(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    ids = [
        identify(plain, Weights("a", "1")),
        identify(plain, Weights("a", "2")),
        identify(replace(plain, mean=(0.4, 0.5, 0.5)), Weights("a", "1")),
        identify(replace(plain, std=(0.4, 0.5, 0.5)), Weights("a", "1")),
        identify(plain, Weights("a", "1"), "resnet18"),
    ]
    assert len(set(ids)) == len(ids)
    # Where the file lies and how its scores are read do not change an embedding.
    assert identify(plain, Weights("elsewhere/b", "1")) == ids[0]
    other = replace(_manifest(tmp_path, Weights("a", "1")), transform=plain, sound=Sound("a", "1", 24))
    assert Backbone(other, same.engine).backbone_id == ids[0]
    # Nor does another kind of file for the same tensors.
    assert identify(plain, Weights("b", "3", published_sha256="1")) == ids[0]
    assert all(made.startswith("mine@") for made in ids)
