"""Prototypes: promises that hold for any set of embeddings, checked on many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.prototypes import (
    embedding_sum,
    expected_similarity,
    l2_normalise,
    probabilities,
    prototype,
    similarities,
)

Vectors = NDArray[np.float32]


@st.composite
def embeddings(draw: st.DrawFn, least: int = 1) -> Vectors:
    """Unit vectors as a backbone gives them, often several of them nearly alike."""
    count, size = draw(st.integers(least, 40)), draw(st.sampled_from([1, 2, 17, 1280]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    centre = random.normal(size=size) * draw(st.sampled_from([0, 1, 30]))
    return l2_normalise(centre + random.normal(size=(count, size)))


@given(embeddings(), st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter_to_the_bit(vectors: Vectors, random: object) -> None:
    order = list(range(len(vectors)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert embedding_sum(vectors).tobytes() == embedding_sum(vectors[order]).tobytes()


@given(embeddings(least=2), st.data())
def test_what_is_added_and_removed_leaves_no_trace(vectors: Vectors, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(vectors) - 1))
    kept, passing = vectors[:cut], vectors[cut:]
    total = embedding_sum(kept)
    for vector in passing:
        total = total + embedding_sum(vector[np.newaxis])
    assert total.tobytes() == embedding_sum(vectors).tobytes()
    for vector in passing[::-1]:
        total = total - embedding_sum(vector[np.newaxis])
    # 0.0 and -0.0 are the same number and the same prototype.
    assert (total + 0.0).tobytes() == (embedding_sum(kept) + 0.0).tobytes()
    assert prototype(total + 0.0).tobytes() == prototype(embedding_sum(kept) + 0.0).tobytes()


@given(embeddings())
def test_a_prototype_is_the_direction_of_the_mean(vectors: Vectors) -> None:
    mean = vectors.astype(np.float64).mean(axis=0)
    made = prototype(embedding_sum(vectors))
    assert made.dtype == np.float32
    if np.linalg.norm(mean) < 1e-3:
        return  # vectors that cancel each other have no direction
    assert np.linalg.norm(made) == pytest.approx(1, abs=1e-5)
    assert float(made @ (mean / np.linalg.norm(mean))) == pytest.approx(1, abs=1e-5)


@given(embeddings(), st.integers(2, 30))
def test_every_photo_the_same_number_of_times_is_the_same_prototype(vectors: Vectors, times: int) -> None:
    once, often = prototype(embedding_sum(vectors)), prototype(embedding_sum(np.tile(vectors, (times, 1))))
    np.testing.assert_allclose(once, often, atol=1e-6)


def test_four_million_photos_are_summed_exactly() -> None:
    """The promise of `embedding_sum`, at its limit: a sum that cannot grow by one more bit."""
    one = np.array([[1.0, np.float32(1) - np.float32(2) ** -24]], np.float32)
    total = embedding_sum(one) * 2**22
    assert (total + embedding_sum(one) - total == embedding_sum(one)).all()


def test_normalising_gives_length_one_and_leaves_zero_alone() -> None:
    vectors = np.array([[3, 4], [0, 0], [1e-15, 0], [-1e15, 1e15]], np.float32)
    unit = l2_normalise(vectors)
    assert np.linalg.norm(unit, axis=1) == pytest.approx([1, 0, 1, 1], abs=1e-6)
    np.testing.assert_allclose(unit[0], [0.6, 0.8], atol=1e-7)


@given(embeddings(), embeddings())
def test_similarities_are_cosines(queries: Vectors, classes: Vectors) -> None:
    size = min(queries.shape[1], classes.shape[1])
    queries, classes = l2_normalise(queries[:, :size]), l2_normalise(classes[:, :size])
    given_ = similarities(queries, classes)
    assert given_.shape == (len(queries), len(classes))
    for row, query in enumerate(queries):
        for column, known in enumerate(classes):
            assert given_[row, column] == pytest.approx(float(query.astype(np.float64) @ known), abs=1e-5)


_COSINES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50).map(lambda row: np.array(row, np.float32))
_TEMPERATURES = st.floats(0.01, 10)


@given(_COSINES, _TEMPERATURES)
def test_probabilities_sum_to_one_and_keep_the_order(cosines: Vectors, temperature: float) -> None:
    chances = probabilities(cosines, temperature)
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    assert (chances >= 0).all()
    order = np.argsort(cosines)
    assert (np.diff(chances[order]) >= 0).all()


@given(_COSINES, _TEMPERATURES, _TEMPERATURES)
def test_a_lower_temperature_is_surer_of_its_best(cosines: Vectors, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert probabilities(cosines, low).max() >= probabilities(cosines, high).max() - 1e-6


def test_a_softmax_worked_out_by_hand() -> None:
    chances = probabilities(np.array([[1.0, 0.5], [0.2, 0.2]], np.float32), 0.5)
    np.testing.assert_allclose(chances, [[np.e / (np.e + 1), 1 / (np.e + 1)], [0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("temperature", [0, -1, -1e-9])
def test_a_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        probabilities(np.zeros(3, np.float32), temperature)


def test_what_is_expected_of_a_new_photo_follows_from_the_sum() -> None:
    random = np.random.default_rng(0)
    vectors = l2_normalise(random.standard_normal(64) + random.standard_normal((3000, 64)))
    support, new = vectors[:1000], vectors[1000:]
    for shots in (2, 5, 40):
        groups = [embedding_sum(support[start : start + shots]) for start in range(0, 1000 - shots, shots)]
        lengths = np.linalg.norm(groups, axis=1)
        expected = expected_similarity(lengths, np.full(len(groups), shots), typical=0.1)
        assert expected.mean() == pytest.approx(float((new @ prototype(np.stack(groups)).T).mean()), abs=0.02)


def test_a_class_of_one_photo_is_expected_to_be_like_its_catalog() -> None:
    typical = expected_similarity(np.array([1.0]), np.array([1]), typical=0.6)
    assert typical == pytest.approx([0.6])
    alike = np.array([1.0, 39.0])
    assert expected_similarity(alike, np.array([1, 40]), typical=0.6)[0] > 0.8
    strange = expected_similarity(np.array([1.0, 40**0.5]), np.array([1, 40]), typical=0.6)
    assert 0 <= strange[0] < 0.2
