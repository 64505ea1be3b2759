"""Where in a photo a class is recognised: class-activation maps by prototypes, as pure functions on arrays.

Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features for Discriminative Localization (CVPR 2016),
https://arxiv.org/abs/1512.04150, with a prototype in the place of a classifier's weights.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.manifest import Transform
from models.prototypes import l2_normalise, probabilities, similarities

ENLARGED = 2
"""A photo goes into the network at so many times the transform's size: see benchmarks/HEATMAP.md.

The map is finer and points better; its mean is no longer the very similarity of the answer, but of the larger photo.
"""


def enlarged(transform: Transform) -> Transform:
    """How a photo is prepared for its map: larger, but squeezed as for the embedding that the map explains."""
    return replace(transform, height=ENLARGED * transform.height, width=ENLARGED * transform.width)


def evidence(
    features: NDArray[np.float32], prototypes: NDArray[np.float32], place: int, temperature: float
) -> NDArray[np.float32]:
    """How much each place of a photo speaks for one class and against the others, float32 [h, w].

    The cosine of a photo and a prototype p is the mean over places of f · p / |mean f|. Here p is the class's
    prototype less the mean of the others, so the map's mean is by how much the photo is more similar to the class than
    to the others. Each of the others counts by its probability among them: what has to be told apart are the classes
    that the photo could be taken for. Without others, the map is of the similarity to the class alone.

    Args:
        features: [h, w, D], what the network pools.
        prototypes: [C, D], of length 1.
        place: the class's row in `prototypes`.
        temperature: of the softmax over the others.
    """
    pooled = features.mean(axis=(0, 1))
    weights = np.ones(len(prototypes), np.float32)
    others = np.arange(len(prototypes)) != place
    if others.any():
        similarity = similarities(l2_normalise(pooled)[np.newaxis], prototypes)[0]
        weights[others] = -probabilities(similarity[others], temperature)
    length = max(float(np.linalg.norm(pooled)), np.finfo(np.float32).tiny)
    values: NDArray[np.float32] = features @ (weights @ prototypes) / length
    return values


def positive_share(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map [h, w] as it is shown: 0 where nothing speaks for the class, 1 at the place that speaks for it most."""
    positive = np.maximum(values, 0)
    shown: NDArray[np.float32] = positive / max(float(positive.max()), np.finfo(np.float32).tiny)
    return shown
