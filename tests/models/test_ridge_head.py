import numpy as np
import pytest
from numpy.typing import NDArray

from models.prototypes import l2_normalise, probabilities
from models.ridge_head import PENALTY, fit_head, prototypes_are_better


def supports(shots: list[int], noise: float = 0.5, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit embeddings [S, 64] of classes around directions that share a strong common one, as real ones do."""
    random = np.random.default_rng(seed)
    centres = 2 * random.standard_normal(64) + random.standard_normal((len(shots), 64))
    labels = np.repeat(np.arange(len(shots)), shots)
    return l2_normalise(centres[labels] + noise * random.standard_normal((len(labels), 64))), labels


def test_the_head_solves_ridge_regression() -> None:
    embeddings, labels = supports([4, 4, 4])
    exact = embeddings.astype(np.float64)
    expected = np.linalg.solve(exact.T @ exact + PENALTY * np.eye(64), exact.T @ np.eye(3)[labels])
    weights = fit_head(embeddings, labels).weights
    # All scores of a catalog are scaled alike.
    scale = weights[0, 0] / expected[0, 0]
    assert weights == pytest.approx(scale * expected.T, abs=1e-5)


def test_new_photos_are_recognised() -> None:
    embeddings, labels = supports([25, 25, 25, 25], noise=1.0)
    first = np.arange(100) % 25 < 5
    head = fit_head(embeddings[first], labels[first])
    assert (head.scores(embeddings[~first]).argmax(axis=1) == labels[~first]).mean() > 0.9


def test_each_support_photo_is_judged_by_a_head_without_it() -> None:
    embeddings, labels = supports([4, 3, 4], noise=1.5, seed=3)
    head = fit_head(embeddings, labels)
    # Weights of classes follow from their sizes: as if every photo's class kept its size.
    evenly = (1 / np.mean([1 / 4, 1 / 3, 1 / 4]) / np.array([4, 3, 4]))[labels]
    for place in range(len(labels)):
        rest = np.arange(len(labels)) != place
        rows = embeddings[rest].astype(np.float64)
        gram = rows.T @ (evenly[rest, np.newaxis] * rows) + PENALTY * np.eye(64)
        weights = np.linalg.solve(gram, rows.T @ (evenly[rest, np.newaxis] * np.eye(3)[labels[rest]]))
        assert head.nearest[place] == (embeddings[place] @ weights).argmax()


def test_a_class_with_many_photos_does_not_swallow_the_others() -> None:
    embeddings, labels = supports([80, 80, 80], noise=1.2, seed=1)
    place = np.concatenate([np.arange(80)] * 3)
    few = place < np.array([40, 2, 2])[labels]
    answers = fit_head(embeddings[few], labels[few]).scores(embeddings[~few]).argmax(axis=1)
    recall = [(answers[labels[~few] == label] == label).mean() for label in range(3)]
    assert min(recall) > 0.75


def test_a_wrong_example_counts_little_and_the_right_ones_fully() -> None:
    embeddings, labels = supports([6, 5, 5, 5], seed=2)
    moved = labels.copy()
    moved[0] = 1
    head = fit_head(embeddings, moved)
    assert head.trust[0] < 0.05
    assert head.trust[1:].min() > 0.9
    # Hardly anything is left of it: the head is nearly the one that never saw it.
    without = fit_head(embeddings[1:], labels[1:])
    direction, other = (each.weights / np.linalg.norm(each.weights) for each in (head, without))
    assert float((direction * other).sum()) > 0.99


def test_of_four_photos_none_is_doubted() -> None:
    embeddings, labels = supports([4, 4, 4], noise=3.0)
    assert (fit_head(embeddings, labels).trust == 1).all()


def test_the_order_of_photos_does_not_matter() -> None:
    embeddings, labels = supports([5, 7, 5, 11], noise=1.5)
    order = np.random.default_rng(0).permutation(len(labels))
    one, other = fit_head(embeddings, labels), fit_head(embeddings[order], labels[order])
    assert one.weights == pytest.approx(other.weights, abs=1e-6)
    assert one.trust[order] == pytest.approx(other.trust, abs=1e-9)
    assert (one.nearest[order] == other.nearest).all()


def test_one_photo_a_class_is_enough() -> None:
    embeddings, labels = supports([1, 1])
    head = fit_head(embeddings, labels)
    assert (head.scores(embeddings).argmax(axis=1) == labels).all()
    assert not head.outdone


def test_prototypes_must_be_better_by_more_than_chance_to_be_preferred() -> None:
    labels = np.zeros(40, np.int64)
    right, wrong = np.zeros(40, np.int64), np.ones(40, np.int64)
    some_wrong = np.where(np.arange(40) < 3, 1, 0)
    assert prototypes_are_better(right, wrong, labels, np.ones(40))
    assert prototypes_are_better(right, some_wrong, labels, np.ones(40))
    assert not prototypes_are_better(some_wrong, some_wrong, labels, np.ones(40))
    assert not prototypes_are_better(wrong, right, labels, np.ones(40))
    # Two photos more decide nothing, nor do photos that are not trusted or that are the only one of their class.
    assert not prototypes_are_better(right, np.where(np.arange(40) < 2, 1, 0), labels, np.ones(40))
    assert not prototypes_are_better(right, some_wrong, labels, np.where(np.arange(40) < 3, 0.01, 1.0))
    assert not prototypes_are_better(np.where(some_wrong, -1, 0), some_wrong, labels, np.ones(40))


def test_scores_of_easy_and_hard_catalogs_are_read_by_one_temperature() -> None:
    def surety(noise: float, ways: int) -> tuple[float, float]:
        embeddings, labels = supports([40] * ways, noise=noise, seed=ways)
        few = np.arange(len(labels)) % 40 < 10
        chances = probabilities(fit_head(embeddings[few], labels[few]).scores(embeddings[~few]), 0.1)
        return float(chances.max(axis=1).mean()), float((chances.argmax(axis=1) == labels[~few]).mean())

    for noise, ways in [(0.6, 4), (2.0, 4), (1.2, 20)]:
        sure, right = surety(noise, ways)
        assert sure == pytest.approx(right, abs=0.12)
