"""What every embedder says when it cannot answer, and how many of those who look closer it takes."""

import numpy as np
from numpy.typing import NDArray

from app.errors import EmbedderUnavailable, HeatmapUnavailable
from models.manifest import Transform

MAPS = 8
"""Feature maps in work or waiting: those who look closer leave places to those who classify."""


def closing() -> EmbedderUnavailable:
    """The embedder was closed."""
    return EmbedderUnavailable("The service is shutting down: send this request again in a few seconds.")


def failed() -> EmbedderUnavailable:
    """The forward pass failed on this photo."""
    return EmbedderUnavailable(
        "The network failed on this photo; nothing was stored. Try again, or send another photo."
    )


def require_size(pixels: NDArray[np.uint8], transform: Transform) -> None:
    """Raise what `failed` makes of a photo that the network does not take, before it gets among others."""
    if pixels.dtype != np.uint8 or pixels.shape != (transform.height, transform.width, 3):
        raise failed()


def outcome(embedding: NDArray[np.float32]) -> NDArray[np.float32] | EmbedderUnavailable:
    """An embedding of `embed_each`, float32 [D], or what its caller is told where it is none."""
    return failed() if np.isnan(embedding).any() else embedding


def no_features() -> HeatmapUnavailable:
    """The network's embeddings are no means over places."""
    return HeatmapUnavailable(
        "There are no heat maps with this service's network: its embeddings are not made place by place. "
        "Its operator may choose a convolutional one by HAJA_BACKBONE."
    )
