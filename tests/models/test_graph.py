"""The graph of a checkpoint: what is missing, damaged or of another format is refused, and what mends it is named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.backbones import load_backbone
from models.engines import OpenVinoEngine, stays_same
from models.graph import FORMAT
from models.manifest import CHECKPOINTS, CheckpointError, read_manifest
from models.networks.graph_writer import convert_checkpoint
from models.options import DEFAULT
from models.probes import probes


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The manifest of a copy of the shipped checkpoint."""
    for file in CHECKPOINTS.glob(f"{DEFAULT}.*"):
        shutil.copy(file, tmp_path)
    return tmp_path / f"{DEFAULT}.json"


def _state(checkpoint: Path, **graph: Any) -> None:
    """Change what the manifest says of the graph; nothing given takes it away."""
    fields = json.loads(checkpoint.read_text("utf-8"))
    fields["graph"] |= graph
    if not graph:
        del fields["graph"]
    checkpoint.write_text(json.dumps(fields), encoding="utf-8")


def _missing(checkpoint: Path) -> None:
    checkpoint.with_suffix(".onnx").unlink()


def _damaged(checkpoint: Path) -> None:
    graph = checkpoint.with_suffix(".onnx")
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)


def _cut_off(checkpoint: Path) -> None:
    graph = checkpoint.with_suffix(".onnx")
    graph.write_bytes(graph.read_bytes()[:1000])


def _no_graph(checkpoint: Path) -> None:
    """The hash is right and the file is not: somebody wrote a manifest for the wrong file."""
    checkpoint.with_suffix(".onnx").write_bytes(b"no graph")
    _state(checkpoint, sha256=hashlib.sha256(b"no graph").hexdigest())


def _of_an_older_format(checkpoint: Path) -> None:
    _state(checkpoint, format=FORMAT - 1)


def _of_a_newer_format(checkpoint: Path) -> None:
    _state(checkpoint, format=FORMAT + 1)


BAD = [_missing, _damaged, _cut_off, _no_graph, _of_an_older_format, _of_a_newer_format, _state]


@pytest.mark.parametrize("spoil", BAD)
def test_a_graph_that_cannot_be_used_is_refused_by_one_sentence(checkpoint: Path, spoil: Any) -> None:
    spoil(checkpoint)
    with pytest.raises(CheckpointError) as refused:
        load_backbone(str(checkpoint), engine="openvino")
    assert "\n" not in str(refused.value)
    assert f"`haja convert {checkpoint}` writes it from the weights" in str(refused.value)


@pytest.mark.parametrize("spoil", [_damaged, pytest.param(_state, marks=pytest.mark.long)])
def test_what_is_said_mends_it_and_torch_needs_it_not(
    checkpoint: Path, haja: Callable[..., tuple[int, str, str]], spoil: Any
) -> None:
    expected = load_backbone(engine="openvino", precision="f32", threads=1)
    spoil(checkpoint)
    assert load_backbone(str(checkpoint), engine="torch", precision="f32").backbone_id == expected.backbone_id
    code, out, _ = haja("convert", checkpoint)
    assert (code, checkpoint.with_suffix(".onnx").name in out) == (0, True)
    mended = load_backbone(str(checkpoint), engine="openvino", precision="f32", threads=1)
    assert mended.backbone_id == expected.backbone_id
    photos = probes(224, 224)
    np.testing.assert_allclose(mended.embed(photos), expected.embed(photos), atol=1e-6)
    np.testing.assert_allclose(mended.feature_map(photos), expected.feature_map(photos), atol=1e-4)


def test_damaged_weights_are_refused_though_the_graph_is_good(checkpoint: Path) -> None:
    weights = checkpoint.with_suffix(".safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"weights .*their SHA-256 differs"):
        load_backbone(str(checkpoint), engine="openvino")
    weights.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_backbone(str(checkpoint), engine="openvino")


def test_a_conversion_changes_nothing_else_in_the_manifest(checkpoint: Path) -> None:
    before, weights = read_manifest(checkpoint), checkpoint.with_suffix(".safetensors").read_bytes()
    convert_checkpoint(str(checkpoint))
    after = read_manifest(checkpoint)
    assert (after.readings, after.weights, after.transform, after.name) == (
        before.readings, before.weights, before.transform, before.name,
    )  # fmt: skip
    assert checkpoint.with_suffix(".safetensors").read_bytes() == weights
    assert sorted(path.suffix for path in checkpoint.parent.iterdir()) == [".f16", ".json", ".onnx", ".safetensors"]


@pytest.mark.skipif(not OpenVinoEngine.has_bf16(), reason="this processor has no bf16")
@pytest.mark.parametrize("name", sorted(path.stem for path in CHECKPOINTS.glob("*.json")))
def test_what_a_shipped_manifest_says_of_bf16_is_so(name: str) -> None:
    exact, fast = (load_backbone(name, "openvino", precision) for precision in ("f32", "bf16"))
    graph = exact.manifest.graph
    assert graph is not None
    assert graph.bf16 is stays_same(exact.engine, fast.engine, 224, 224)
    assert load_backbone(name, "openvino").engine.precision == ("bf16" if graph.bf16 else "f32")


def test_a_graph_repeats_no_weights() -> None:
    for graph in CHECKPOINTS.glob("*.onnx"):
        assert graph.stat().st_size < graph.with_suffix(".safetensors").stat().st_size / 20
