"""`models.views` in torch."""

import torch
from torch import Tensor, nn

from models.manifest import Transform
from models.networks.network import EmbeddingNetwork
from models.views import ends


class SixViews(EmbeddingNetwork):
    """An embedding network over six views of each photo.

    Forward: uint8 [N, H, W, 3] (RGB), at the size of `widened` -> float32 [N, D], each row of length 1.
    """

    def __init__(self, features: nn.Module, transform: Transform) -> None:
        super().__init__(features, transform)
        self._size = (transform.height, transform.width)

    def forward(self, photos: Tensor) -> Tensor:
        """Embed a batch of photos."""
        large = self.prepare(photos)
        whole = nn.functional.interpolate(large, self._size, mode="bicubic", antialias=True, align_corners=False)
        rows, columns = map(ends, self._size)
        crops = [large[:, :, high, wide] for high in rows for wide in columns]
        views = [whole, whole.flip(3), *crops]
        embeddings = self.embed_views(torch.cat(views))
        return nn.functional.normalize(embeddings.reshape(len(views), -1, embeddings.shape[1]).mean(dim=0), dim=1)
