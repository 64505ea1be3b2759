"""The two numbers by which a checkpoint's similarities are read."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.prototypes import probabilities

REFUSED = 0.05
"""Share of true photos that `unknown` may refuse."""


def negative_log_likelihood(similarity: NDArray[np.float32], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean over queries, in nats. similarity: [Q, C], labels: [Q]."""
    truth = probabilities(similarity, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(truth, 1e-12)).mean())


def fit_temperature(sources: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> float:
    """The temperature of the least negative log likelihood, every source with the same weight.

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, 2017, https://arxiv.org/abs/1706.04599.
    sources: similarities [Q, C] and labels [Q] of each.
    """

    def cost(temperature: float) -> float:
        return float(np.mean([negative_log_likelihood(*each, temperature) for each in sources]))

    return _least(cost, 0.001, 1.0)


def fit_unknown_similarity(best: Sequence[NDArray[np.float32]]) -> float:
    """The highest similarity below which at most 5 % of the true photos are, every source with the same weight.

    best: for each source the highest similarity of each true photo, [Q].
    """
    values = np.concatenate(best)
    weights = np.concatenate([np.full(len(each), 1 / len(each) / len(best)) for each in best])
    order = values.argsort()
    return float(values[order][np.searchsorted(weights[order].cumsum(), REFUSED)])


def _least(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a cost is least, by ever finer grids on a logarithmic scale."""
    for _ in range(4):
        grid = np.geomspace(low, high, 15)
        place = int(np.argmin([cost(float(value)) for value in grid]))
        low, high = float(grid[max(place - 1, 0)]), float(grid[min(place + 1, len(grid) - 1)])
    return float(np.sqrt(low * high))
