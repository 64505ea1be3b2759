"""The embedding network as one torch module, from uint8 photos to unit vectors, so that both engines run the same."""

import timm
import torch
from torch import Tensor, nn

from models.manifest import CheckpointError, Transform


class EmbeddingNetwork(nn.Module):
    """A timm feature extractor between the transform's normalisation and an L2 normalisation.

    Forward: uint8 [N, H, W, 3] (RGB) -> float32 [N, D], each row of length 1.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, features: nn.Module, transform: Transform) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("scale", 1.0 / (255.0 * torch.tensor(transform.std)).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "offset", (torch.tensor(transform.mean) / torch.tensor(transform.std)).reshape(1, 3, 1, 1), persistent=False
        )

    def forward(self, photos: Tensor) -> Tensor:
        """Embed a batch of photos."""
        inputs = photos.permute(0, 3, 1, 2).float() * self.scale - self.offset
        return nn.functional.normalize(self.features(inputs).float(), dim=1)


def create_features(architecture: str, *, pretrained: bool = False) -> nn.Module:
    """Create timm's network of that name without its classifier: float32 [N, 3, H, W] -> float32 [N, D].

    Raises:
        CheckpointError: timm has no such network, or its pretrained weights could not be fetched.
    """
    if not timm.is_model(architecture):
        raise CheckpointError(f"timm {timm.__version__} has no network named {architecture!r}.")
    try:
        features: nn.Module = timm.create_model(architecture, pretrained=pretrained, num_classes=0)
    except Exception as error:  # timm, the hub client and the network beneath raise anything
        raise CheckpointError(f"The pretrained weights of {architecture} could not be fetched: {error}") from error
    return features.eval()
