"""Choosing an engine: what is asked for is what runs, and bf16 only where it changes nothing."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import engines
from models.engines import OpenVinoEngine, TorchEngine, create_engine, probes
from models.manifest import Transform
from models.networks.network import EmbeddingNetwork

ROOT = Path(__file__).parents[2]
SIDE = 32


@pytest.fixture
def network() -> EmbeddingNetwork:
    """Small, so that compiling it takes no time."""
    torch.manual_seed(3)
    features = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Flatten())
    return EmbeddingNetwork(features, Transform(SIDE, SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))).eval()


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_an_engine_can_be_forced(network: EmbeddingNetwork, name: Any) -> None:
    made = create_engine(network, SIDE, SIDE, name, "f32")
    assert (made.name, made.precision) == (name, "f32")
    assert isinstance(made, {"torch": TorchEngine, "openvino": OpenVinoEngine}[name])
    assert made.run(probes(SIDE, SIDE, 3)).shape == (3, 15 * 15 * 8)


CONVERT = """
import torch
from models.engines import create_engine
from models.manifest import Transform
from models.network import EmbeddingNetwork
create_engine(EmbeddingNetwork(torch.nn.Flatten(), Transform(8, 8, (0.5,) * 3, (0.25,) * 3)), 8, 8, "openvino", "f32")
"""


def test_openvino_tells_nobody_of_what_it_converts(tmp_path: Path) -> None:
    # It keeps still by itself where it takes itself to be in a CI job.
    told = {name: value for name, value in os.environ.items() if name not in {"CI", "TF_BUILD", "JENKINS_URL"}}
    subprocess.run([sys.executable, "-c", CONVERT], cwd=ROOT, env=told | {"HOME": str(tmp_path)}, check=True)
    assert not (tmp_path / "intel").exists()


def test_auto_takes_torch_with_a_gpu_and_openvino_without(network: EmbeddingNetwork) -> None:
    assert create_engine(network, SIDE, SIDE).name == ("torch" if torch.cuda.is_available() else "openvino")


def test_both_engines_compute_the_same(network: EmbeddingNetwork) -> None:
    photos = probes(SIDE, SIDE)
    # OpenVINO first: it converts the network on the CPU, and torch then moves it.
    on_openvino = create_engine(network, SIDE, SIDE, "openvino", "f32").run(photos)
    on_torch = create_engine(network, SIDE, SIDE, "torch", "f32").run(photos)
    np.testing.assert_allclose(on_openvino, on_torch, atol=2e-3)


@pytest.mark.parametrize("name", ["torch", "openvino"])
@pytest.mark.parametrize(("cosine", "chosen"), [(1.0, "bf16"), (0.9991, "bf16"), (0.9989, "f32"), (0.5, "f32")])
def test_bf16_is_used_only_where_every_probe_agrees(
    network: EmbeddingNetwork, monkeypatch: pytest.MonkeyPatch, name: Any, cosine: float, chosen: str
) -> None:
    """A processor whose bf16 is off by a known angle on one probe stands for one of every machine."""

    def build(*arguments: Any, **_: Any) -> Any:
        precision = next(given for given in arguments if given in ("f32", "bf16"))

        def run(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
            rows = np.tile(np.array([1.0, 0.0], np.float32), (len(photos), 1))
            if precision == "bf16":
                rows[len(photos) // 2] = cosine, np.sqrt(1 - cosine**2)
            return rows

        return SimpleNamespace(name=name, precision=precision, run=run)

    build.has_bf16 = lambda: True  # type: ignore[attr-defined]
    monkeypatch.setattr(engines, "TorchEngine" if name == "torch" else "OpenVinoEngine", build)
    assert create_engine(network, SIDE, SIDE, name, "auto").precision == chosen
    assert create_engine(network, SIDE, SIDE, name, "f32").precision == "f32"
    assert create_engine(network, SIDE, SIDE, name, "bf16").precision == "bf16"


def test_without_bf16_in_the_processor_it_is_not_tried(
    network: EmbeddingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoEngine, "has_bf16", staticmethod(lambda: False))
    assert create_engine(network, SIDE, SIDE, "openvino", "auto").precision == "f32"


def test_openvino_takes_any_batch_size_after_it_was_compiled(network: EmbeddingNetwork) -> None:
    engine = create_engine(network, SIDE, SIDE, "openvino", "f32")
    photos = probes(SIDE, SIDE, 8)
    whole = engine.run(photos)
    for count in (1, 3, 8, 2):
        np.testing.assert_allclose(engine.run(photos[:count]), whole[:count], atol=1e-5)
    assert whole is not engine.run(photos)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_photos_at_a_time_follow_the_threads(network: EmbeddingNetwork, threads: int) -> None:
    assert create_engine(network, SIDE, SIDE, "openvino", "f32", threads).batch_size == 2 * threads
