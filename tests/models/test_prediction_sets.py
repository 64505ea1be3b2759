import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.learning.calibration import truth_probabilities
from models.prediction_sets import prediction_set
from models.prototypes import probabilities


def test_the_truth_is_held_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    similarity = random.uniform(0, 1, (8000, 6)).astype(np.float32)
    drawn = probabilities(similarity, 0.1).cumsum(axis=1)
    labels = (random.random((8000, 1)) > drawn).sum(axis=1).clip(max=5)
    seen, new = slice(0, 4000), slice(4000, None)
    quantiles = np.quantile(truth_probabilities(similarity[seen], labels[seen], 0.1), np.arange(51) / 100).astype(float)
    best = float((similarity[new].argmax(axis=1) == labels[new]).mean())
    for coverage in (0.6, 0.8, 0.905, 0.99):
        sets = [prediction_set(each, coverage, quantiles) for each in probabilities(similarity[new], 0.1)]
        held = np.mean([label in places for label, places in zip(labels[new], sets, strict=True)])
        # The best class is in the set even where its probability is low, so more may be held than was asked for.
        assert coverage - 0.02 < held < max(coverage, best) + 0.02


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20), st.floats(0.5, 0.98))
def test_more_coverage_never_takes_a_class_away(weights: list[float], coverage: float) -> None:
    probability = np.array(weights) / sum(weights)
    quantiles = np.linspace(0, 0.9, 51)
    small, large = (prediction_set(probability, share, quantiles).tolist() for share in (coverage, coverage + 0.01))
    assert large[: len(small)] == small
    assert small[0] == int(probability.argmax())
    assert probability[small].tolist() == sorted(probability[small], reverse=True)


def test_a_backbone_without_calibration_names_all_classes() -> None:
    assert prediction_set(np.array([0.2, 0.7, 0.1]), 0.9, np.zeros(51)).tolist() == [1, 0, 2]
    assert prediction_set(np.array([1.0]), 0.5, np.ones(51)).tolist() == [0]


def test_the_interpolation_is_by_percent() -> None:
    quantiles = np.arange(51) / 100
    assert prediction_set(np.array([0.5, 0.3, 0.15, 0.05]), 0.9, quantiles).tolist() == [0, 1, 2]
    assert prediction_set(np.array([0.5, 0.3, 0.15, 0.05]), 0.8, quantiles).tolist() == [0, 1]
