"""The embedding network as one torch module, from uint8 photos to unit vectors, so that both engines run the same."""

from functools import cached_property

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.manifest import CheckpointError, Transform
from models.probes import probes

SAME = 1e-4
"""By how much the mean over places may stray from the embedding; both are computed in float32."""


class EmbeddingNetwork(nn.Module):
    """A timm feature extractor between the transform's normalisation and an L2 normalisation.

    Forward: uint8 [N, H, W, 3] (RGB) -> float32 [N, D], each row of length 1.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, features: nn.Module, transform: Transform) -> None:
        super().__init__()
        self.features = features
        self.transform = transform
        self.register_buffer("scale", 1.0 / (255.0 * torch.tensor(transform.std)).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "offset", (torch.tensor(transform.mean) / torch.tensor(transform.std)).reshape(1, 3, 1, 1), persistent=False
        )

    def forward(self, photos: Tensor) -> Tensor:
        """Embed a batch of photos."""
        return self.embed_views(self.prepare(photos))

    def embed_views(self, views: Tensor) -> Tensor:
        """Embed what `prepare` has made: [N, 3, H, W] -> float32 [N, D], each row of length 1."""
        return nn.functional.normalize(self.features(views).float(), dim=1)

    def feature_map(self, photos: Tensor) -> Tensor:
        """What timm's network computes before it pools, [N, D, h, w] in a convolutional one, at any size of photo."""
        features: Tensor = self.features.forward_features(self.prepare(photos))  # type: ignore[operator]
        return features

    @cached_property
    def pools_features(self) -> bool:
        """Whether the embedding is the mean of the feature map over places; tried, since no property of timm tells."""
        if not hasattr(self.features, "forward_features"):
            return False
        photo = self.load(probes(self.transform.height, self.transform.width, 1))
        with torch.inference_mode():
            features, embedding = self.feature_map(photo), self.embed_views(self.prepare(photo))
            if features.ndim != 4 or features.shape[1] != embedding.shape[1]:  # noqa: PLR2004
                return False
            pooled = nn.functional.normalize(features.float().mean((2, 3)), dim=1)
            return bool((pooled - embedding).norm() < SAME)

    def load(self, photos: NDArray[np.uint8]) -> Tensor:
        """A batch of photos as a tensor, where the network is."""
        # torch takes no views that run backwards, and warns of arrays that cannot be written to.
        return torch.from_numpy(np.require(photos, requirements=["C", "W"])).to(self.scale.device)

    def prepare(self, photos: Tensor) -> Tensor:
        """Photos uint8 [N, H, W, 3] as the layers take them, float32 [N, 3, H, W]."""
        return photos.permute(0, 3, 1, 2).float() * self.scale - self.offset


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
