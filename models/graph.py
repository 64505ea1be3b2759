"""A checkpoint's network as the CPU engine reads it: read in a tenth of a second, without torch."""

import openvino

from models.manifest import CheckpointError, Manifest, checked_weights, file_sha256

FORMAT = 1
"""Of what `models.manifest.Graph` describes."""


def read_graph(manifest: Manifest, name: str) -> openvino.Model:
    """The network of the checkpoint that was asked for as `name`; `models.manifest.Graph` describes it.

    Raises:
        CheckpointError: the graph or the weights are missing, not the manifest's, or of another format.
    """
    checked_weights(manifest)
    graph = manifest.graph
    if graph is None:
        raise _to_convert(name, "its manifest names no graph (ONNX) of the network")
    if graph.format != FORMAT:
        raise _to_convert(name, f"its graph is of format {graph.format}, and this version of Haja reads {FORMAT}")
    path = manifest.folder / graph.file
    try:
        found = file_sha256(path)
    except OSError as error:
        raise _to_convert(name, f"its graph {path} cannot be read ({error.strerror})") from error
    if found != graph.sha256:
        raise _to_convert(name, f"its graph {path} is not the manifest's, since their SHA-256 differs")
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        raise _to_convert(name, f"OpenVINO cannot read its graph {path}") from error


def only_embedding(network: openvino.Model, height: int, width: int) -> openvino.Model:
    """The network for photos of one size, in batches of any: uint8 [N, height, width, 3] -> float32 [N, D].

    With a fixed size it is a tenth faster. `network` stays as it is.
    """
    made = network.clone()
    made.reshape([-1, height, width, 3])
    return openvino.Model([made.output("embedding")], made.get_parameters(), "embedding")


def _to_convert(name: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {name} cannot run on a CPU: {reason}. `haja convert {name}` writes it from the weights, where "
        "haja[gpu] is installed."
    )
