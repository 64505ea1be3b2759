"""What the support photos themselves say of a catalog: each judged by prototypes that were made without it."""

import numpy as np
from numpy.typing import NDArray

from models.prototypes import embedding_sum, prototype, similarities

ROWS = 1024
"""Photos compared at once: a catalog's photos times its classes may not fit into memory."""


def own_similarity(embeddings: NDArray[np.float32], sums: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cosine of each photo to the prototype of its class without that photo, float32 [S].

    embeddings: float32 [S, D]; sums: embedding sums of the photos' classes, float64 [S, D], or [D] for one class.
    """
    cosine: NDArray[np.float32] = np.einsum("sd,sd->s", embeddings, prototype(sums - embeddings))
    return cosine


def nearest_without(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest class of every photo, by prototypes without that photo: int64 [S], -1 where its class has no other.

    Args:
        embeddings: float32 [S, D], each row of length 1.
        labels: int64 [S], 0..C-1.
    """
    ways = int(labels.max(initial=-1)) + 1
    shots = np.bincount(labels, minlength=ways)
    if not ways:
        return np.empty(0, np.int64)
    by_class = np.split(embeddings[labels.argsort(kind="stable")], shots.cumsum()[:-1])
    sums = np.stack([embedding_sum(photos) for photos in by_class])
    prototypes = prototype(sums)
    nearest = np.full(len(labels), -1, np.int64)
    for start in range(0, len(labels), ROWS):
        photos, own = embeddings[start : start + ROWS], labels[start : start + ROWS]
        cosine = similarities(photos, prototypes)
        cosine[np.arange(len(own)), own] = own_similarity(photos, sums[own])
        nearest[start : start + ROWS] = np.where(shots[own] > 1, cosine.argmax(axis=1), -1)
    return nearest


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, 0..1; it stays sensible where few photos were all right or all wrong.

    Wilson: Probable inference, the law of succession, and statistical inference, 1927.
    Raises ZeroDivisionError where `total` is 0.
    """
    z = 1.959964
    share = right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, round(float(centre - half), 12)), min(1.0, round(float(centre + half), 12))
