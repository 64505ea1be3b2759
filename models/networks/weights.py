"""Weights from a safetensors file whose hash the manifest knows."""

import torch

from models.manifest import Manifest, checked_weights
from models.networks.tensors import fill, read_tensors


def load_weights(network: torch.nn.Module, manifest: Manifest) -> None:
    """Fill `network` with the weights that `manifest` names.

    Raises:
        CheckpointError: the file is missing, has another hash, or does not fit the network.
    """
    path = checked_weights(manifest)
    tensors, _ = read_tensors(path)
    fill(path, network, {name: tensor.float() for name, tensor in tensors.items()})
