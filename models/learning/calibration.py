"""The numbers by which a checkpoint's similarities are read, fitted on classes that it was not trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.manifest import HeadName, Reading
from models.prototypes import embedding_sum, expected_similarity, probabilities, prototype, similarities
from models.ridge_head import fit_head

SHOTS, UNKNOWN_SHOTS = (1, 2, 5, 10), 5
QUERIES, EPISODES = 9, 100
EVENLY = np.linspace(0, 1, 1001)
REFUSED = 0.05
"""Share of true photos that `unknown` may refuse."""


@dataclass(frozen=True)
class Judged:
    """Queries of many episodes of one source, at `shots` photos a class: labels int64 [Q], similarities to prototypes
    and scores of ridge heads, float32 [Q, C], and for each query what `expected_similarity` needs of its prototypes:
    lengths float64 [Q, C].
    """

    shots: int
    labels: NDArray[np.int64]
    similarity: NDArray[np.float32]
    ridge: NDArray[np.float32]
    lengths: NDArray[np.float64]

    def scores(self, head: HeadName) -> NDArray[np.float32]:
        """What a head gives, [Q, C]."""
        return self.ridge if head == "ridge" else self.similarity

    def shortfall(self, typical: float) -> NDArray[np.float64]:
        """How far each query's similarity to its best class stays below what is expected of a photo of it, [Q]."""
        shots = np.full(self.similarity.shape[1], self.shots)
        expected = np.stack([expected_similarity(lengths, shots, typical) for lengths in self.lengths])
        best = self.ridge.argmax(axis=1)[:, np.newaxis]
        return np.take_along_axis(expected - self.similarity, best, axis=1)[:, 0]


@dataclass(frozen=True)
class Calibration:
    """The fields of the same names of a manifest."""

    typical_similarity: float
    unknown_margin: float
    readings: dict[HeadName, Reading]


def judge(
    classes: Sequence[NDArray[np.float32]], shots: int, queries: int = QUERIES, episodes: int = EPISODES, seed: int = 0
) -> Judged:
    """Episodes of all classes of one source, by the functions that the service uses.

    classes: embeddings [n, D] of the photos of each class, n at least `shots` + `queries`.
    """
    similarity, ridge, lengths = [], [], []
    for number in range(episodes):
        random = np.random.default_rng([seed, number])
        drawn = [embeddings[random.permutation(len(embeddings))[: shots + queries]] for embeddings in classes]
        sums = np.stack([embedding_sum(each[:shots]) for each in drawn])
        photos = np.concatenate([each[shots:] for each in drawn])
        similarity.append(similarities(photos, prototype(sums)))
        supports = np.concatenate([each[:shots] for each in drawn])
        ridge.append(fit_head(supports, np.repeat(np.arange(len(classes)), shots)).scores(photos))
        lengths.append(np.broadcast_to(np.linalg.norm(sums, axis=1), similarity[-1].shape))
    labels = np.tile(np.repeat(np.arange(len(classes)), queries), episodes)
    return Judged(shots, labels, *(np.concatenate(parts) for parts in (similarity, ridge, lengths)))


def calibrate(sources: Sequence[Sequence[NDArray[np.float32]]]) -> Calibration:
    """Fit all numbers; every source has the same weight.

    sources: for each source the embeddings [n, D] of each class, n at least 19 where the class shall take part in all.

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, 2017, https://arxiv.org/abs/1706.04599, with
    a temperature that falls with the shots: the mean of few photos is a noisier prototype.
    """
    judged = {shots: [judge(classes, shots) for classes in sources] for shots in SHOTS}
    typical = float(np.mean([_pairwise(embeddings) for classes in sources for embeddings in classes]))
    margin = fit_margin([each.shortfall(typical) for each in judged[UNKNOWN_SHOTS]])
    return Calibration(
        typical_similarity=round(typical, 4),
        unknown_margin=round(margin, 4),
        readings={"prototypes": _reading(judged, "prototypes"), "ridge": _reading(judged, "ridge")},
    )


def _reading(judged: dict[int, list[Judged]], head: HeadName) -> Reading:
    fitted = [fit_temperature([(each.scores(head), each.labels) for each in judged[shots]]) for shots in SHOTS]
    per_shot, limit = np.polyfit(1.0 / np.array(SHOTS), fitted, 1)
    return Reading(
        temperature=round(float(limit), 4),
        temperature_per_shot=round(float(per_shot), 4),
        truth_quantiles={shots: _truth_quantiles(judged[shots], head, limit + per_shot / shots) for shots in SHOTS},
    )


def _truth_quantiles(judged: Sequence[Judged], head: HeadName, temperature: float) -> tuple[float, ...]:
    """Pooled over the sources: five photos a class cannot carry a guarantee for each class."""
    # The same number of values of each source, for the same weight.
    truth = [np.quantile(truth_probabilities(each.scores(head), each.labels, temperature), EVENLY) for each in judged]
    return tuple(np.quantile(np.concatenate(truth), np.arange(51) / 100).round(5).tolist())


def truth_probabilities(
    scores: NDArray[np.float32], labels: NDArray[np.int64], temperature: float
) -> NDArray[np.float32]:
    """The probability that each query's true class was given, [Q]. scores: [Q, C], labels: [Q]."""
    truth: NDArray[np.float32] = probabilities(scores, temperature)[np.arange(len(labels)), labels]
    return truth


def negative_log_likelihood(scores: NDArray[np.float32], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean over queries, in nats. scores: [Q, C], labels: [Q]."""
    truth = truth_probabilities(scores, labels, temperature)
    return float(-np.log(np.maximum(truth, 1e-12)).mean())


def fit_temperature(sources: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> float:
    """The temperature of the least negative log likelihood, from scores [Q, C] and labels [Q] of each source, which
    all have the same weight.
    """

    def cost(temperature: float) -> float:
        return float(np.mean([negative_log_likelihood(scores, labels, temperature) for scores, labels in sources]))

    return _least(cost, 0.001, 1.0)


def fit_margin(shortfalls: Sequence[NDArray[np.float64]]) -> float:
    """The least margin that refuses at most 5 % of true photos, each source with the same weight.

    shortfalls: [Q] of each source.
    """
    values = np.concatenate(shortfalls)
    weights = np.concatenate([np.full(len(each), 1 / len(each) / len(shortfalls)) for each in shortfalls])
    order = values.argsort()[::-1]
    return float(values[order][np.searchsorted(weights[order].cumsum(), REFUSED)])


def _pairwise(embeddings: NDArray[np.float32]) -> float:
    """Mean cosine of two different photos among unit vectors [n, D]."""
    count = len(embeddings)
    return float((np.square(embedding_sum(embeddings)).sum() - count) / (count * (count - 1)))


def _least(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a cost is least, by ever finer grids on a logarithmic scale."""
    for _ in range(4):
        grid = np.geomspace(low, high, 15)
        place = int(np.argmin([cost(float(value)) for value in grid]))
        low, high = float(grid[max(place - 1, 0)]), float(grid[min(place + 1, len(grid) - 1)])
    return float(np.sqrt(low * high))
