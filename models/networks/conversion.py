"""Converting a network in memory, from torch to what the CPU engine runs."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import openvino
import torch
from torch import Tensor, nn

from models.networks.network import EmbeddingNetwork

_TRACING = threading.Lock()
"""Two conversions at a time spoil each other: the tracer changes torch for the whole process."""


class Outputs(nn.Module):
    """What `models.manifest.Graph` describes, of a network."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network
        self.has_features = network.pools_features

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        """Embed photos, uint8 [N, H, W, 3]; the features come along where the embedding is their mean over places."""
        if not self.has_features:
            return (self.network(photos),)
        features = self.network.feature_map(photos)
        pooled: Tensor = self.network.features.forward_head(features)  # type: ignore[operator]
        return nn.functional.normalize(pooled.float(), dim=1), features.permute(0, 2, 3, 1)


def to_openvino(network: EmbeddingNetwork) -> openvino.Model:
    """Convert a network in memory, as `models.manifest.Graph` describes it."""
    outputs, size = Outputs(network.cpu()), network.transform
    sides = [-1, -1] if outputs.has_features else [size.height, size.width]
    with tracing():
        made = openvino.convert_model(
            outputs, example_input=example(network), input=[openvino.PartialShape([-1, *sides, 3])]
        )
    for output, name in zip(made.outputs, ("embedding", "features"), strict=False):
        output.set_names({name})
    return made


def example(network: EmbeddingNetwork) -> Tensor:
    """Photos to trace a network with."""
    return torch.zeros(1, network.transform.height, network.transform.width, 3, dtype=torch.uint8)


@contextmanager
def tracing() -> Iterator[None]:
    """Alone and quietly: the block may trace a network."""
    with _TRACING, warnings.catch_warnings(), torch.inference_mode():
        # torch announces the end of the tracer that both converters still use.
        warnings.simplefilter("ignore")
        yield
