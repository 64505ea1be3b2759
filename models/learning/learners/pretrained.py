"""A checkpoint's network as the backbone of a learner, to be trained further."""

from typing import Self

from typing_extensions import override

from models.networks.loading import load_network
from models.networks.network import EmbeddingNetwork


class PretrainedBackbone(EmbeddingNetwork):
    """Photos uint8 or float [B, H, W, 3] in 0..255 -> unit vectors [B, D].

    Batch norm keeps the statistics of its checkpoint: an episode's few photos, all of one site, are a poor sample.
    """

    def __init__(self, checkpoint: str) -> None:
        manifest, features = load_network(checkpoint)
        super().__init__(features, manifest.transform)
        self.manifest = manifest
        self.dimension = int(features.num_features)  # type: ignore[arg-type]
        self.eval()

    @override
    def train(self, mode: bool = True) -> Self:
        return super().train(mode=False)
