"""Weights from a safetensors file whose hash the manifest knows."""

import hashlib

import safetensors.torch
import torch
from safetensors import SafetensorError

from models.manifest import CheckpointError, Manifest
from models.networks.tensors import fill


def load_weights(network: torch.nn.Module, manifest: Manifest) -> None:
    """Fill `network` with the weights that `manifest` names.

    Raises:
        CheckpointError: the file is missing, has another hash, or does not fit the network.
    """
    if manifest.weights is None:
        raise CheckpointError(f"The manifest {manifest.name} names no weights.")
    path = manifest.folder / manifest.weights.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"The weights {path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != manifest.weights.sha256:
        raise CheckpointError(f"The weights {path} are not those of the manifest: their SHA-256 differs.")
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise CheckpointError(f"The weights {path} are damaged: {error}.") from error
    fill(path, network, {name: tensor.float() for name, tensor in tensors.items()})
