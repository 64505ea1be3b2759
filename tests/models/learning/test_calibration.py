import numpy as np
import pytest
from numpy.typing import NDArray

from models.learning.calibration import calibrate, fit_margin, fit_temperature, judge, negative_log_likelihood
from models.manifest import CHECKPOINTS, HeadName, read_manifest
from models.prototypes import l2_normalise, probabilities

HEADS: tuple[HeadName, ...] = ("prototypes", "ridge")


def site(seed: int, classes: int = 4, photos: int = 25, noise: float = 1.0) -> list[NDArray[np.float32]]:
    """Unit embeddings of classes around directions of their own."""
    random = np.random.default_rng(seed)
    return [
        l2_normalise(random.standard_normal(64) + noise * random.standard_normal((photos, 64))) for _ in range(classes)
    ]


def test_the_temperature_that_made_the_labels_is_found() -> None:
    random = np.random.default_rng(0)
    similarity = random.uniform(0, 1, (4000, 4)).astype(np.float32)
    drawn = probabilities(similarity, 0.1).cumsum(axis=1)
    labels = (random.random((4000, 1)) > drawn).sum(axis=1)
    assert fit_temperature([(similarity, labels)]) == pytest.approx(0.1, rel=0.1)


def test_every_source_weighs_the_same() -> None:
    sure = np.array([[1.0, 0.0]] * 1000, np.float32), np.zeros(1000, np.int64)
    wrong = np.array([[0.1, 0.0], [0.1, 0.0]], np.float32), np.array([0, 1])
    both = fit_temperature([sure, wrong])

    def cost(temperature: float) -> float:
        return sum(negative_log_likelihood(scores, labels, temperature) for scores, labels in (sure, wrong))

    assert cost(both) < min(cost(both / 2), cost(both * 2))


def test_a_twentieth_of_the_true_photos_is_refused() -> None:
    shortfall = np.random.default_rng(0).permutation(np.linspace(0, 1, 1000))
    margin = fit_margin([shortfall])
    assert (shortfall > margin).mean() == pytest.approx(0.05, abs=0.002)
    few, many = np.full(10, 0.8), np.linspace(0, 0.5, 1000)
    assert fit_margin([few, many]) == pytest.approx(0.8)


def test_an_episode_is_judged_as_the_service_would() -> None:
    found = judge(site(0), shots=5, queries=3, episodes=7)
    assert found.similarity.shape == found.ridge.shape == found.lengths.shape == (7 * 4 * 3, 4)
    for head in HEADS:
        assert (found.scores(head).argmax(axis=1) == found.labels).mean() > 0.9
    # Sums of five unit vectors with a common direction are longer than those of five strangers, sqrt(5).
    assert (found.lengths > 2.5).all()
    # What is expected of a photo of the class is what the photos show, on average.
    assert abs(found.shortfall(0.5).mean()) < 0.05


def test_all_numbers_of_a_manifest_are_fitted() -> None:
    found = calibrate([site(1), site(2, noise=1.5)])
    assert 0.2 < found.typical_similarity < 0.6
    # The same site twice says nothing new.
    alone, shared = calibrate([site(1)]), calibrate([site(1), site(1)])
    assert alone.unknown_margin == shared.unknown_margin
    for head in HEADS:
        assert sorted(found.readings[head].truth_quantiles) == [1, 2, 5, 10]
        for quantiles in found.readings[head].truth_quantiles.values():
            assert len(quantiles) == 51
            assert list(quantiles) == sorted(quantiles)
        one, two = alone.readings[head], shared.readings[head]
        assert one.temperature == two.temperature
        assert one.truth_quantiles[5] == pytest.approx(two.truth_quantiles[5], abs=0.02)


@pytest.mark.parametrize("name", sorted(path.stem for path in CHECKPOINTS.glob("*.json")))
def test_few_photos_make_the_prototypes_of_a_shipped_checkpoint_less_sure(name: str) -> None:
    reading = read_manifest(CHECKPOINTS / f"{name}.json").readings["prototypes"]
    at = [reading.temperature_at(np.array([shots] * 3)) for shots in (1, 2, 5, 100)]
    assert at == sorted(at, reverse=True)
    assert at[-1] > 0
