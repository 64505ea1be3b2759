from collections.abc import Callable

import pytest
import torch

from models.learning.learners.relation import RelationNetwork
from models.learning.training import TrainingConfig


def test_a_class_is_the_sum_of_its_feature_maps() -> None:
    torch.manual_seed(0)
    learner = RelationNetwork(torch.nn.Identity(), channels=2, side=4).eval()
    support, queries = torch.randn(3, 2, 4, 4), torch.randn(5, 2, 4, 4)
    summed = torch.stack([support[0] + support[2], support[1]])
    scores = learner.adapt(support, torch.tensor([0, 1, 0]))(queries)
    assert scores.shape == (5, 2)
    assert scores.min() >= 0
    assert scores.max() <= 1
    torch.testing.assert_close(scores, learner.adapt(summed, torch.tensor([0, 1]))(queries))


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    config = TrainingConfig("relation", 5, 1, 5, updates=350, learning_rate=3e-3, options={"channels": 16})
    assert learned_accuracy(config) > 0.6
