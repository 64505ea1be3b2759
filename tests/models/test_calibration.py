import numpy as np
import pytest

from models.calibration import fit_temperature, fit_unknown_similarity, negative_log_likelihood
from models.prototypes import probabilities


def test_the_temperature_that_made_the_labels_is_found() -> None:
    random = np.random.default_rng(0)
    similarity = random.uniform(0, 1, (4000, 4)).astype(np.float32)
    drawn = probabilities(similarity, 0.1).cumsum(axis=1)
    labels = (random.random((4000, 1)) > drawn).sum(axis=1)
    assert fit_temperature([(similarity, labels)]) == pytest.approx(0.1, rel=0.1)


def test_every_source_weighs_the_same() -> None:
    sure = (np.array([[1.0, 0.0]] * 1000, np.float32), np.zeros(1000, np.int64))
    wrong = (np.array([[0.1, 0.0], [0.1, 0.0]], np.float32), np.array([0, 1]))
    both = fit_temperature([sure, wrong])

    def cost(temperature: float) -> float:
        return sum(negative_log_likelihood(similarity, labels, temperature) for similarity, labels in (sure, wrong))

    assert cost(both) < min(cost(both / 2), cost(both * 2))


def test_a_twentieth_of_the_true_photos_is_refused() -> None:
    best = np.random.default_rng(0).permutation(np.linspace(0, 1, 1000)).astype(np.float32)
    threshold = fit_unknown_similarity([best])
    assert (best < threshold).mean() == pytest.approx(0.05, abs=0.002)
    few, many = np.full(10, 0.2, np.float32), np.linspace(0.5, 1, 1000).astype(np.float32)
    assert fit_unknown_similarity([few, many]) == pytest.approx(0.2)
