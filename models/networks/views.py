"""Several views of one photo, whose embeddings are averaged: a little more accuracy for six times the work."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from models.manifest import Transform
from models.networks.network import EmbeddingNetwork

Views = Literal["quick", "accurate"]
"""`quick`: the whole photo. `accurate`: the whole photo, its mirror image and four overlapping crops of it."""

MARGIN = 1.2
"""So much longer than a crop's are the sides of the photo that it is cut from."""


def widened(transform: Transform) -> Transform:
    """The transform of the photos that `SixViews` takes."""
    return replace(transform, height=round(MARGIN * transform.height), width=round(MARGIN * transform.width))


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
        rows, columns = map(_ends, self._size)
        crops = [large[:, :, high, wide] for high in rows for wide in columns]
        views = [whole, whole.flip(3), *crops]
        embeddings = self.embed_views(torch.cat(views))
        return nn.functional.normalize(embeddings.reshape(len(views), -1, embeddings.shape[1]).mean(dim=0), dim=1)


def _ends(length: int) -> tuple[slice, slice]:
    return slice(None, length), slice(-length, None)
