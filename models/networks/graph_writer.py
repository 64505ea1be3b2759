"""Writing the graph of a checkpoint, an ONNX file: see `models.manifest.Graph`."""

import json
from dataclasses import asdict
from pathlib import Path

import onnx
import openvino
import torch
from onnx.external_data_helper import set_external_data

from models.engines import OpenVinoEngine, stays_same
from models.graph import FORMAT, only_embedding
from models.manifest import Graph, Transform, checked_weights, file_sha256, load_manifest, manifest_path
from models.networks.conversion import Outputs, example, tracing
from models.networks.network import EmbeddingNetwork, create_features
from models.networks.tensors import places, replace_file
from models.networks.weights import load_weights

OPSET = 17


def convert_checkpoint(name: str) -> Path:
    """Write a checkpoint's graph beside its weights and into its manifest, in place of an older one; gives its path.

    Raises:
        CheckpointError: no such checkpoint, or files that do not fit each other.
        OSError: the files cannot be written.
    """
    manifest = load_manifest(name)
    features = create_features(manifest.architecture)
    load_weights(features, manifest)
    graph = write_graph(EmbeddingNetwork(features, manifest.transform).eval(), checked_weights(manifest))
    path = manifest_path(name)
    fields = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, fields | {"graph": asdict(graph)})
    return manifest.folder / graph.file


def write_graph(network: EmbeddingNetwork, weights: Path) -> Graph:
    """Write a network as an ONNX file beside its weights, a safetensors file, which it refers to."""
    outputs = Outputs(network.cpu())
    path = weights.with_suffix(".onnx")
    partial = path.with_suffix(".partial")
    names = ["embedding", "features"] if outputs.has_features else ["embedding"]
    free = {0: "photos", 1: "height", 2: "width"} if outputs.has_features else {0: "photos"}
    with tracing():
        torch.onnx.export(
            outputs,
            (example(network),),
            partial,
            input_names=["photos"],
            output_names=names,
            dynamic_axes={"photos": free},
            opset_version=OPSET,
            # The newer exporter needs another package, onnxscript.
            dynamo=False,
            # Else weights are changed, and are not those of the file any more.
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    model = onnx.load_model(partial)
    _refer(model, weights)
    onnx.save_model(model, partial)
    replace_file(path, partial)
    return Graph(path.name, file_sha256(path), FORMAT, _bears_bf16(path, network.transform))


def write_json(path: Path, fields: dict[str, object]) -> None:
    """Write a manifest in place of an older one, at once."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    replace_file(path, partial)


def _bears_bf16(path: Path, size: Transform) -> bool | None:
    """See `models.manifest.Graph`."""
    if not OpenVinoEngine.has_bf16():
        return None
    whole = openvino.Core().read_model(path)
    embedding = only_embedding(whole, size.height, size.width)
    exact, fast = (OpenVinoEngine(embedding, whole, precision, 0, pinned=False) for precision in ("f32", "bf16"))
    return stays_same(exact, fast, size.height, size.width)


def _refer(model: onnx.ModelProto, weights: Path) -> None:
    """Have every tensor of the weights' file read from there; those in half precision become numbers of full size."""
    stored = places(weights)
    widening = []
    for tensor in model.graph.initializer:
        found = stored.get(tensor.name.removeprefix("network.features."))
        if found is None:
            continue
        if found.is_half:
            tensor.data_type = onnx.TensorProto.FLOAT16
            name, tensor.name = tensor.name, f"{tensor.name}.half"
            widening.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
        set_external_data(tensor, weights.name, offset=found.offset, length=found.length)
        tensor.ClearField("raw_data")
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(widening + nodes)
