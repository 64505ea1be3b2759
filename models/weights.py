"""Weights from a file whose hash the manifest knows, under the names of the network that they are for."""

import hashlib
import importlib.util
from pathlib import Path

import torch

from models.manifest import CheckpointError, Manifest, Weights
from models.tensors import fill, read_tensors


def load_weights(network: torch.nn.Module, manifest: Manifest) -> None:
    """Fill `network` with the weights that `manifest` names.

    Raises:
        CheckpointError: the file is missing, has another hash, or does not fit the network.
    """
    if manifest.weights is None:
        raise CheckpointError(f"The manifest {manifest.name} names no weights.")
    path = _locate(manifest.weights, manifest.folder)
    state = _read(path, manifest.weights)
    fill(path, network, state if path.suffix == ".safetensors" else _renamed(state, network))


def _locate(weights: Weights, folder: Path) -> Path:
    if weights.package is None:
        return folder / weights.file
    found = importlib.util.find_spec(weights.package)
    if found is None or found.origin is None:
        raise CheckpointError(f"The weights come with the Python package {weights.package}, which is not installed.")
    return Path(found.origin).parent / weights.file


def _read(path: Path, weights: Weights) -> dict[str, torch.Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"The weights {path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise CheckpointError(f"The weights {path} are not those of the manifest: their SHA-256 differs.")
    if path.suffix == ".safetensors":
        return {name: tensor.float() for name, tensor in read_tensors(path)[0].items()}
    try:
        # weights_only keeps torch from running anything that the file may hold.
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(f"The weights {path} are damaged: {error}") from error
    return state


def _renamed(state: dict[str, torch.Tensor], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Give the tensors of the published EfficientNet-Lite file timm's names.

    Both list the layers from input to output and in a layer the parameters in the same order, so the n-th name of one
    is the n-th name of the other; the classifier, which comes last in the file, has no place in an embedding network.
    """
    names = list(network.state_dict())
    tensors = [tensor for name, tensor in state.items() if not name.startswith("_fc.")]
    if len(names) != len(tensors):
        raise CheckpointError(f"The weights hold {len(tensors)} tensors where the network has {len(names)}.")
    return dict(zip(names, tensors, strict=True))
