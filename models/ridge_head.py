"""A linear head fitted to the support photos of one catalog, in closed form.

Ridge regression on embeddings is the head of Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with Differentiable
Closed-form Solvers (ICLR 2019), https://arxiv.org/abs/1805.08136. Three things are added, because people register
classes and not a benchmark: classes of unequal size count the same, a support photo that the others contradict counts
less, and scores are scaled so that one temperature reads them in easy and hard, small and large catalogs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.leave_one_out import nearest_without

MAX_PHOTOS = 500
"""Larger catalogs are judged by prototypes alone: fitting takes time that is cubic in the photos."""

PENALTY = 0.5
"""Ridge penalty where embeddings have length 1 and each class counts as its classes' harmonic mean of photos."""

PHOTOS_A_SUSPECT = 5
"""One of so many photos of a class may be held to be wrong: of fewer nobody can say which."""

SLOPE, CENTRE = 10.0, 0.27
"""How the margins of a suspect become log-odds that it is wrong. Like the penalty chosen on the validation sources, so
that a wrong example of five costs half as much as it costs plain prototypes: see benchmarks/HEADS.md."""

PRIOR_WRONG, PRIOR_RIGHT = 0.1, 1.0
"""Suspects that are known beforehand: the share of wrong ones is learnt from the catalog itself."""

TEMPERATURE, CATALOGUED = 0.1, 100
"""What temperature scores are scaled towards, and how many support photos weigh as much as needing no scaling."""

TEMPERATURES = np.geomspace(0.01, 1.0, 28)

SURE = 1.645
"""Standard deviations, one-sided 95 %, by which prototypes must beat the head to be used in its place."""


@dataclass(frozen=True)
class RidgeHead:
    """weights float32 [C, D]: the score of class c for an embedding is its product with row c.
    trust float64 [S], 0..1: how much each support photo counted in its class.
    nearest int64 [S]: the class that each support photo is given by a head that was fitted without it; -1 where its
    class has no other, as `leave_one_out.nearest_without` says it of prototypes.
    outdone: leave-one-out says that prototypes tell these photos apart better.
    """

    weights: NDArray[np.float32]
    trust: NDArray[np.float64]
    nearest: NDArray[np.int64]
    outdone: bool

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings [N, D] -> scores [N, C], in no unit: the highest is the class."""
        return queries @ self.weights.T


def can_have_head(ways: int, photos: int) -> bool:
    """Whether there are classes to tell apart, and not too many photos to fit a head to."""
    return ways > 1 and photos <= MAX_PHOTOS


def even_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each example weighs, [S], for a class to count as the classes' harmonic mean of examples."""
    shots = np.bincount(labels)
    weights: NDArray[np.float64] = (1 / np.mean(1 / shots) / shots)[labels]
    return weights


def fit_head(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> RidgeHead:
    """Fit a head to the support photos of all classes.

    Args:
        embeddings: float32 [S, D], each row of length 1.
        labels: int64 [S], every class 0..C-1 at least once, C at least 2.
    """
    rows = embeddings.astype(np.float64)
    gram = rows @ rows.T
    shots = np.bincount(labels)
    evenly = even_weights(labels)
    targets = np.eye(len(shots))[labels]
    _, doubted = _solve(gram, targets, evenly)
    trust = _trust(_margins(doubted, labels), labels)
    # What a doubted photo loses goes to the others of its class.
    trusted = trust * (shots / np.bincount(labels, trust))[labels]
    dual, without = _solve(gram, targets, evenly * trusted)
    by_prototypes = nearest_without(embeddings, labels)
    nearest = np.where(by_prototypes < 0, -1, without.argmax(axis=1))
    outdone = prototypes_are_better(by_prototypes, nearest, labels, trust)
    weights = dual.T @ rows / _scale(without, labels, trust * (shots[labels] > 1))
    return RidgeHead(weights.astype(np.float32), trust, nearest, outdone)


def _solve(
    gram: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted ridge regression in its dual form: coefficients [S, C], and the scores [S, C] that each photo gets from
    a head that was fitted without it, which need no second fit.
    """
    root = np.sqrt(weights)[:, np.newaxis]
    inverse = np.linalg.inv(root * gram * root.T + PENALTY * np.eye(len(gram)))
    solution = inverse @ (root * targets)
    without = targets - solution / np.diagonal(inverse)[:, np.newaxis] / root
    return root * solution, without


def _margins(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far the own class's score is above the best other one, [S]."""
    places = np.arange(len(labels))
    others = scores.copy()
    others[places, labels] = -np.inf
    margins: NDArray[np.float64] = scores[places, labels] - others.max(axis=1)
    return margins


def _trust(margins: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How likely each photo is a right example of its class, [S]; 1 for all but the few least fitting of each class.

    A suspect is wrong more likely the lower its own margin is, and the further below that of the first photo of its
    class which is no suspect. How frequent wrong ones are in this catalog is estimated by expectation maximisation.
    """
    suspects, odds = list[int](), list[float]()
    for label in range(int(labels.max()) + 1):
        photos = np.flatnonzero(labels == label)
        ranked = photos[margins[photos].argsort(kind="stable")]
        doubtful = len(ranked) // PHOTOS_A_SUSPECT
        for place in ranked[:doubtful].tolist():
            gap = margins[ranked[doubtful]] - margins[place]
            suspects.append(place)
            odds.append(SLOPE * float(gap - margins[place] - CENTRE))
    trust = np.ones(len(labels))
    if suspects:
        trust[suspects] = np.maximum(1 - _wrong(np.array(odds)), 1e-3)
    return trust


def _wrong(odds: NDArray[np.float64], rounds: int = 50) -> NDArray[np.float64]:
    """Probabilities from log-odds at even prior, with the prior that they imply themselves."""
    rate, probability = 0.2, np.zeros(len(odds))
    for _ in range(rounds):
        probability = 1 / (1 + np.exp(-np.clip(odds + np.log(rate / (1 - rate)), -40, 40)))
        rate = (probability.sum() + PRIOR_WRONG) / (len(odds) + PRIOR_WRONG + PRIOR_RIGHT)
    return probability


def _scale(without: NDArray[np.float64], labels: NDArray[np.int64], counts: NDArray[np.float64]) -> float:
    """What to divide scores by: where leave-one-out scores show that this catalog's are too sure, or not enough.

    without: float64 [S, C]; labels: int64 [S]; counts: float64 [S], how much each photo says of it.
    """
    losses = [
        counts @ (np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels])
        for temperature in TEMPERATURES
        for scores in [(without - without.max(axis=1, keepdims=True)) / temperature]
    ]
    least = int(np.clip(np.argmin(losses), 1, len(losses) - 2))
    before, lowest, after = losses[least - 1 : least + 2]
    # Between the steps, so that the last digits of a score do not decide over a whole step.
    bend = before - 2 * lowest + after
    step = np.clip((before - after) / (2 * bend), -1, 1) if bend > 0 else 0.0
    found = TEMPERATURES[least] * (TEMPERATURES[1] / TEMPERATURES[0]) ** step
    return float((found / TEMPERATURE) ** (counts.sum() / (counts.sum() + CATALOGUED)))


def prototypes_are_better(
    by_prototypes: NDArray[np.int64], by_head: NDArray[np.int64], labels: NDArray[np.int64], trust: NDArray[np.float64]
) -> bool:
    """Whether prototypes recognise more of the support photos, by more than chance (a sign test on those that differ).

    Both are right on most photos, and where a few photos differ by chance that shall not decide: benchmarks/HEADS.md
    compares it with a plain count.

    Args:
        by_prototypes: the class that each photo is given without itself, int64 [S]; -1 where its class has no other.
        by_head: the same of the head, int64 [S].
        labels: int64 [S].
        trust: float64 [S].
    """
    judged = by_prototypes >= 0  # the only photo of a class says nothing
    lead = (by_prototypes == labels).astype(float) - (by_head == labels)
    return bool((trust * lead)[judged].sum() > SURE * np.sqrt((trust * np.abs(lead))[judged].sum()))
