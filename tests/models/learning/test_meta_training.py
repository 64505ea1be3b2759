"""Whole configurations: their runs, their average, and the checkpoint that comes of them."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.backbones import load_backbone
from models.learning.augmentation import stack_photos
from models.learning.checkpoint_writer import write_checkpoint
from models.learning.data import LabelledImages
from models.learning.evaluation import validation_score
from models.learning.learners.pretrained import PretrainedBackbone
from models.learning.meta_training import load_learner, meta_train
from models.learning.methods import build_learner
from models.learning.training import Progress, TrainingConfig
from models.manifest import CHECKPOINTS, CheckpointError, read_manifest

START = "efficientnet-lite0-imagenet"
CONFIG = TrainingConfig(
    "cosine_prototypical", 3, 2, 2, updates=2, learning_rate=1e-3, backbone=START, fewest_ways=2, inside=0.5,
    save_every=1, runs=2, view_side=32,
)  # fmt: skip
TOY = TrainingConfig("prototypical", 3, 2, 2, updates=4, learning_rate=1e-2, save_every=2, options={"channels": 4})


@pytest.fixture(scope="module")
def coloured() -> LabelledImages:
    """Two sources of three and two classes, each class a colour with noise, 20 photos of 224 x 224."""
    random = np.random.default_rng(0)
    photos = [
        np.clip(colour + random.integers(-30, 30, (224, 224, 3)), 0, 255).astype(np.uint8)
        for colour in random.integers(0, 256, (5, 3))
        for _ in range(20)
    ]
    names = ["a/1", "a/2", "a/3", "b/1", "b/2"]
    return LabelledImages(photos, np.repeat(np.arange(5), 20), names, [name[0] for name in names])


@pytest.mark.long
def test_the_runs_are_averaged_and_the_learner_comes_back(coloured: LabelledImages, tmp_path: Path) -> None:
    rows: list[tuple[int, Progress]] = []
    updates: list[tuple[int, int]] = []
    learner = meta_train(
        CONFIG, coloured, tmp_path,
        on_progress=lambda run, row: rows.append((run, row)), on_update=lambda *each: updates.append(each),
    )  # fmt: skip
    assert updates == [(run, row.update) for run, row in rows] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    runs = [load_file(tmp_path / f"run{number}" / "weights.safetensors") for number in (0, 1)]
    for name, tensor in learner.state_dict().items():
        wanted = (runs[0][name] + runs[1][name]) / 2 if tensor.is_floating_point() else runs[0][name]
        torch.testing.assert_close(tensor, wanted)
    config, again = load_learner(tmp_path)
    assert config == CONFIG
    torch.testing.assert_close(again.state_dict(), learner.state_dict(), rtol=0, atol=0)
    # Batch norm keeps the statistics that it came with, also while it trains.
    start = build_learner(CONFIG).state_dict()
    statistics = [name for name in start if name.endswith(("running_mean", "running_var"))]
    assert statistics
    assert all(torch.equal(start[name], learner.state_dict()[name]) for name in statistics)


def test_a_finished_call_is_read_and_not_repeated(toy_images: LabelledImages, tmp_path: Path) -> None:
    first = meta_train(TOY, toy_images, tmp_path)
    updates: list[int] = []
    again = meta_train(TOY, toy_images, tmp_path, on_update=lambda _, update: updates.append(update))
    assert updates == []
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)


def test_other_settings_leave_a_run_as_it_was(toy_images: LabelledImages, tmp_path: Path) -> None:
    meta_train(TOY, toy_images, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(ValueError, match="other settings"):
        meta_train(replace(TOY, learning_rate=0.1), toy_images, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_learner(tmp_path)


@pytest.mark.long
def test_what_is_written_is_what_was_trained(coloured: LabelledImages, tmp_path: Path) -> None:
    learner = meta_train(replace(CONFIG, runs=1), coloured, tmp_path / "run")
    manifest = tmp_path / "made" / "mine.json"
    trained = learner.backbone(stack_photos(coloured.images[:8])).detach()
    write_checkpoint(manifest, learner, coloured)
    weights = tmp_path / "made" / "mine.safetensors"
    assert read_manifest(manifest).weights.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()  # type: ignore[union-attr]
    assert weights.stat().st_size < 8_000_000
    served = load_backbone(str(manifest), engine="torch", precision="f32")
    similarity = (served.embed(np.stack(coloured.images[:8])) * trained.numpy()).sum(axis=1)
    assert similarity.min() > 0.9999
    for reading in served.manifest.readings.values():
        assert reading.temperature_at(np.array([1, 1])) > 0
        assert reading.temperature_at(np.array([9, 9])) > 0
    assert 0 < served.manifest.typical_similarity < 1
    on_cpu = load_backbone(str(manifest), engine="openvino", precision="f32")
    assert on_cpu.backbone_id == served.backbone_id
    np.testing.assert_allclose(on_cpu.embed(photos := np.stack(coloured.images[:8])), served.embed(photos), atol=5e-6)
    assert sorted(path.name for path in manifest.parent.iterdir()) == ["mine.json", "mine.onnx", "mine.safetensors"]


def test_the_backbone_must_have_come_from_a_checkpoint(coloured: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="started from a checkpoint"):
        write_checkpoint(tmp_path / "mine.json", build_learner(TOY), coloured)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_checked_when_training_starts_from_it(tmp_path: Path) -> None:
    fields = json.loads((CHECKPOINTS / f"{START}.json").read_text("utf-8"))
    shutil.copy(CHECKPOINTS / fields["weights"]["file"], tmp_path)
    damaged = tmp_path / "mine.json"
    damaged.write_text(json.dumps(fields | {"architecture": "resnet18"}))
    with pytest.raises(CheckpointError, match="does not fit this architecture"):
        build_learner(replace(CONFIG, backbone=str(damaged)))
    damaged.write_text(json.dumps(fields | {"weights": fields["weights"] | {"sha256": "0" * 64}}))
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        build_learner(replace(CONFIG, backbone=str(damaged)))
    with pytest.raises(ValueError, match="backbone conv4 only"):
        build_learner(replace(CONFIG, method="maml", options={"inner_rate": 0.1, "inner_steps": 1}))


def test_the_validation_score_is_perfect_on_colours(coloured: LabelledImages) -> None:
    learner = build_learner(CONFIG)
    assert isinstance(learner.backbone, PretrainedBackbone)
    assert validation_score(learner, coloured, stack_photos) > 0.9


def test_too_few_photos_to_calibrate_leave_nothing_behind(coloured: LabelledImages, tmp_path: Path) -> None:
    few = replace(coloured, labels=coloured.labels[:95], images=coloured.images[:95])
    with pytest.raises(ValueError, match="'b/2' has 15 photos; an episode needs 19"):
        write_checkpoint(tmp_path / "mine.json", build_learner(CONFIG), few)
    assert not list(tmp_path.iterdir())
