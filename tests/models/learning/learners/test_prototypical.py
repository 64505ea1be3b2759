from collections.abc import Callable

import pytest
import torch

from models.learning.learners.prototypical import PrototypicalNetwork
from models.learning.training import TrainingConfig


def test_a_query_goes_to_the_nearest_class_mean() -> None:
    learner = PrototypicalNetwork(torch.nn.Identity())
    support = torch.tensor([[0.0, 0.0], [0.0, 2.0], [5.0, 5.0]])
    score = learner.adapt(support, torch.tensor([0, 0, 1]))
    assert torch.equal(score(torch.tensor([[0.0, 1.0], [5.0, 4.0]])), torch.tensor([[0.0, -41.0], [-34.0, -1.0]]))


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    config = TrainingConfig("prototypical", 5, 1, 5, updates=300, learning_rate=3e-3, options={"channels": 16})
    assert learned_accuracy(config) > 0.65
