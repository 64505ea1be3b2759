"""Prototypes and what follows from them: pure functions on arrays.

Snell, Swersky, Zemel: Prototypical Networks for Few-shot Learning (NeurIPS 2017), with the cosine similarity of
Chen et al.: A Closer Look at Few-shot Classification (ICLR 2019).
"""

import numpy as np
from numpy.typing import NDArray

GRID = 2.0**-30
"""Embeddings are summed on this grid, where float64 addition is exact, so the order of photos never matters."""

CLASS_WEIGHT, CATALOG_WEIGHT = 5, 10
"""How many support photos the next wider circle's similarity counts as, where a class or a catalog has few."""


def l2_normalise(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale each vector [..., D] to Euclidean length 1; a zero vector stays zero."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = (exact / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    return unit


def embedding_sum(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum L2-normalised embeddings [n, D] into float64 [D], exactly.

    Sums of disjoint sets can be added and subtracted without a trace of the way there: a class from which a photo
    was removed equals, to the bit, the class that never had it. Exact up to 2**22 photos.
    """
    total: NDArray[np.float64] = (np.rint(embeddings.astype(np.float64) / GRID) * GRID).sum(axis=0)
    return total


def prototype(total: NDArray[np.float64]) -> NDArray[np.float32]:
    """The direction of the mean embedding, float32 [..., D], from sums [..., D]; the count does not change it."""
    return l2_normalise(total)


def similarities(queries: NDArray[np.float32], prototypes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine similarities [N, C] of L2-normalised queries [N, D] to L2-normalised prototypes [C, D]."""
    return queries @ prototypes.T


def expected_similarity(
    lengths: NDArray[np.floating], shots: NDArray[np.integer], typical: float
) -> NDArray[np.float64]:
    """How similar a new photo of each class will be to its prototype, float64 [C], from sums alone.

    The length of a sum of unit vectors says how similar they are to each other: the mean over all pairs is
    (length² - shots) / (shots² - shots), and from it follows the expected cosine to the prototype. A few pairs say
    little, so each class is drawn towards the mean of its catalog, and the catalog towards `typical`.

    Args:
        lengths: Euclidean lengths [C] of the classes' embedding sums.
        shots: how many photos each sum has, [C], 1 or more.
        typical: mean similarity of two photos of one class where nothing else is known.
    """
    seen = np.maximum(shots - 1, 0)
    pairs = np.where(seen > 0, (lengths**2 - shots) / np.maximum(shots * seen, 1), 0.0)
    catalog = (np.sum(seen * pairs) + CATALOG_WEIGHT * typical) / (seen.sum() + CATALOG_WEIGHT)
    alike = np.clip((seen * pairs + CLASS_WEIGHT * catalog) / (seen + CLASS_WEIGHT), 0.0, 1.0)
    expected: NDArray[np.float64] = alike / np.sqrt(alike + (1.0 - alike) / shots)
    return expected


def probabilities(similarity: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Softmax of similarities [..., C] over the classes; a lower temperature is surer of itself.

    Raises:
        ValueError: a temperature that is not above zero.
    """
    if temperature <= 0:
        raise ValueError(f"The temperature must be above zero, not {temperature}.")
    logits = similarity / np.float32(temperature)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scaled: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return scaled
