"""What every embedder says when it cannot answer, and how many of those who look closer it takes."""

from app.errors import EmbedderUnavailable, HeatmapUnavailable

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


def no_features() -> HeatmapUnavailable:
    """The network's embeddings are no means over places."""
    return HeatmapUnavailable(
        "There are no heat maps with this service's network: its embeddings are not made place by place. "
        "Its operator may choose a convolutional one by HAJA_BACKBONE."
    )
