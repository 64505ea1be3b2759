"""The smallest set of classes that holds the truth in a wanted share of photos."""

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 0.5, 0.99


def prediction_set(
    probability: NDArray[np.floating], coverage: float, truth_quantiles: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Places of the classes, most probable first, that hold the truth in a share `coverage` of photos.

    Sadinle, Lei, Wasserman: Least ambiguous set-valued classifiers with bounded error levels, 2019,
    https://arxiv.org/abs/1609.00451: all classes whose probability is not below the quantile that true classes stayed
    below in a share 1 - coverage of the calibration photos. The best class is always in the set.

    The guarantee is marginal and holds for photos like those of calibration: over many sites and classes together, not
    for each class, and only for photos that show one of the classes.

    Args:
        probability: float [C].
        coverage: 0.5 to 0.99.
        truth_quantiles: float64 [51], `Reading.truth_quantiles_at`.
    """
    threshold = np.interp(100 * (1 - coverage), np.arange(len(truth_quantiles)), truth_quantiles)
    order = np.argsort(-probability, kind="stable")
    return order[: max(1, int((probability >= threshold).sum()))]
