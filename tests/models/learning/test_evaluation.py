import numpy as np
import pytest
import torch
from torch import Tensor

from models.learning.data import LabelledImages
from models.learning.evaluation import Evaluation, evaluate, interval, paired_difference
from models.learning.learners import Learner, Scorer
from models.learning.learners.prototypical import PrototypicalNetwork


class AlwaysFirst(Learner):
    """Answers label 0 whatever it is shown."""

    def __init__(self) -> None:
        super().__init__(torch.nn.BatchNorm2d(1))

    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:  # noqa: ARG002
        return lambda queries: torch.tensor([1.0, 0.0, 0.0]).expand(len(queries), 3)


def flat_prototypes() -> PrototypicalNetwork:
    return PrototypicalNetwork(torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Flatten()))


def test_a_perfect_and_a_constant_learner(toy_images: LabelledImages) -> None:
    perfect = evaluate(flat_prototypes(), toy_images, ways=3, shots=2, queries=4, episodes=200)
    assert perfect.accuracy.mean == 1
    assert perfect.accuracy.half_width == 0
    assert set(perfect.recall.values()) == {1.0}
    constant = evaluate(AlwaysFirst(), toy_images, ways=3, shots=2, queries=4, episodes=200)
    assert constant.accuracy.mean == pytest.approx(1 / 3)
    assert constant.confusion.sum() == 200 * 3 * 4
    assert 0.1 < constant.recall["source0/class0"] < 0.6


def test_inside_one_source_only_its_classes_are_drawn(toy_images: LabelledImages) -> None:
    inside = evaluate(AlwaysFirst(), toy_images, 3, 1, queries=2, episodes=100, source="source1")
    assert inside.classes == toy_images.classes[4:]
    assert inside.confusion.sum() == 100 * 3 * 2
    across = evaluate(AlwaysFirst(), toy_images, 3, 1, queries=2, episodes=100)
    assert across.confusion[:4, 4:].sum() > 0


def test_the_interval_of_known_values() -> None:
    found = interval(np.array([0.0, 1.0] * 50))
    assert found.mean == 0.5
    assert found.half_width == pytest.approx(1.96 * 0.50252 / 10, rel=1e-4)
    assert str(found) == "50.0 ± 9.8"


def test_pairs_cancel_what_is_hard_for_both() -> None:
    hard = np.random.default_rng(0).random(100)
    counts, classes = np.zeros((2, 2), dtype=np.int64), ["a", "b"]
    first, second = Evaluation(hard + 0.1, counts, classes), Evaluation(hard, counts, classes)
    difference = paired_difference(first, second)
    assert difference.mean == pytest.approx(0.1)
    assert difference.half_width < 1e-6 < first.accuracy.half_width
    with pytest.raises(ValueError, match="same episodes"):
        paired_difference(first, Evaluation(hard[:50], counts, classes))


def test_a_class_that_was_never_drawn_has_no_recall() -> None:
    found = Evaluation(np.zeros(1), np.array([[3, 1], [0, 0]]), ["seen", "unseen"])
    assert found.recall["seen"] == 0.75
    assert np.isnan(found.recall["unseen"])
