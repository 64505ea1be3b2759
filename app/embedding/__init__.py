"""Turning decoded photos into embeddings, however many callers there are."""

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest


class Embedder(Protocol):
    """Embeds photos one by one for many callers at once."""

    backbone_id: str
    manifest: Manifest

    def expecting(self) -> AbstractContextManager[object]:
        """Say that a photo is on its way while the block lasts: those who wait may be kept for it, to go together."""
        ...

    async def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [H, W, 3] at the transform's size -> float32 [D] of length 1.

        Raises:
            QueueFull: too many photos wait already.
            EmbedderUnavailable: the forward pass failed on this photo, or the embedder was closed.
        """
        ...

    async def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [H, W, 3] of any size -> float32 [h, w, D], the features whose mean over places is the embedding.

        For the few who look closer: it must not hold up those who embed.

        Raises:
            HeatmapUnavailable: the network has no such features.
            QueueFull: enough callers wait already.
            EmbedderUnavailable: the forward pass failed on this photo, or the embedder was closed.
        """
        ...

    async def close(self) -> None:
        """Fail those who wait and free what is held."""
        ...
