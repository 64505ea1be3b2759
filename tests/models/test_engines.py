"""Choosing an engine: what is asked for is what runs, and bf16 only where it changes nothing."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import backbones, extras
from models.backbones import load_backbone
from models.engines import Float, OpenVinoEngine, in_precision
from models.graph import only_embedding
from models.manifest import CheckpointError, Transform
from models.networks.conversion import to_openvino
from models.networks.engine import TorchEngine
from models.networks.network import EmbeddingNetwork
from models.probes import probes

ROOT = Path(__file__).parents[2]
SIDE = 32


@pytest.fixture
def network() -> EmbeddingNetwork:
    """Small, so that compiling it takes no time."""
    torch.manual_seed(3)
    features = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Flatten())
    return EmbeddingNetwork(features, Transform(SIDE, SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))).eval()


def _on_openvino(network: EmbeddingNetwork, precision: Float = "f32", threads: int = 0) -> OpenVinoEngine:
    converted = to_openvino(network)
    return OpenVinoEngine(only_embedding(converted, SIDE, SIDE), converted, precision, threads, pinned=True)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_an_engine_can_be_forced(name: Any) -> None:
    made = load_backbone(engine=name, precision="f32").engine
    assert (made.name, made.precision) == (name, "f32")
    assert isinstance(made, {"torch": TorchEngine, "openvino": OpenVinoEngine}[name])


CONVERT = """
import torch
from models.manifest import Transform
from models.networks.conversion import to_openvino
from models.networks.network import EmbeddingNetwork
to_openvino(EmbeddingNetwork(torch.nn.Flatten(), Transform(8, 8, (0.5,) * 3, (0.25,) * 3)))
"""


@pytest.mark.long
def test_openvino_tells_nobody_of_what_it_converts(tmp_path: Path) -> None:
    # It keeps still by itself where it takes itself to be in a CI job.
    told = {name: value for name, value in os.environ.items() if name not in {"CI", "TF_BUILD", "JENKINS_URL"}}
    subprocess.run([sys.executable, "-c", CONVERT], cwd=ROOT, env=told | {"HOME": str(tmp_path)}, check=True)
    assert not (tmp_path / "intel").exists()


def test_auto_takes_torch_with_a_gpu_and_openvino_without() -> None:
    assert load_backbone().engine.name == ("torch" if torch.cuda.is_available() else "openvino")


@pytest.mark.parametrize("found", [True, False])
def test_auto_goes_by_whether_torch_finds_a_gpu(monkeypatch: pytest.MonkeyPatch, found: bool) -> None:
    monkeypatch.setattr(backbones, "has_gpu", lambda: found)
    assert load_backbone(precision="f32").engine.name == ("torch" if found else "openvino")


def test_torch_is_asked_for_a_gpu_only_where_a_driver_has_made_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(extras, "_GPU_DEVICES", [tmp_path / "nvidiactl", tmp_path / "kfd"])
    assert not extras.has_gpu()
    (tmp_path / "kfd").touch()
    assert extras.has_gpu()
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    assert not extras.has_gpu()


@pytest.mark.parametrize(("engine", "name"), [("torch", "efficientnet-lite0-haja"), ("auto", "timm/resnet18")])
def test_without_torch_what_needs_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, engine: Any, name: str
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    with pytest.raises(CheckpointError, match=r"needs torch and timm.* pip install 'haja\[gpu\]'") as refused:
        load_backbone(name, engine)
    assert "\n" not in str(refused.value)


def test_both_engines_compute_the_same(network: EmbeddingNetwork) -> None:
    photos = probes(SIDE, SIDE)
    # OpenVINO first: it converts the network on the CPU, and torch then moves it.
    on_openvino = _on_openvino(network).run(photos)
    np.testing.assert_allclose(on_openvino, TorchEngine(network, "f32").run(photos), atol=2e-3)


@pytest.mark.parametrize(("cosine", "chosen"), [(1.0, "bf16"), (0.9991, "bf16"), (0.9989, "f32"), (0.5, "f32")])
def test_bf16_is_used_only_where_every_probe_agrees(cosine: float, chosen: str) -> None:
    """A processor whose bf16 is off by a known angle on one probe stands for one of every machine."""
    off = probes(SIDE, SIDE)[4]

    def build(precision: Float) -> Any:
        def run(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
            rows = np.tile(np.array([1.0, 0.0], np.float32), (len(photos), 1))
            if precision == "bf16":
                rows[[np.array_equal(photo, off) for photo in photos]] = cosine, np.sqrt(1 - cosine**2)
            return rows

        return SimpleNamespace(precision=precision, run=run)

    chosen_by = partial(in_precision, build, height=SIDE, width=SIDE, has_bf16=lambda: True)
    assert chosen_by("auto").precision == chosen
    assert chosen_by("f32").precision == "f32"
    assert chosen_by("bf16").precision == "bf16"


def test_without_bf16_in_the_processor_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoEngine, "has_bf16", staticmethod(lambda: False))
    assert load_backbone(engine="openvino", precision="auto").engine.precision == "f32"


def test_openvino_takes_any_batch_size_after_it_was_compiled(network: EmbeddingNetwork) -> None:
    engine = _on_openvino(network)
    photos = probes(SIDE, SIDE, 8)
    whole = engine.run(photos)
    assert whole.shape == (8, 15 * 15 * 8)
    for count in (1, 3, 8, 2):
        np.testing.assert_allclose(engine.run(photos[:count]), whole[:count], atol=1e-5)
    assert whole is not engine.run(photos)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_photos_at_a_time_follow_the_threads(network: EmbeddingNetwork, threads: int) -> None:
    assert _on_openvino(network, threads=threads).batch_size == 2 * threads
