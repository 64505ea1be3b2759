from collections.abc import Callable

import pytest
import torch

from models.learning.learners.matching import MatchingNetwork
from models.learning.training import TrainingConfig


def test_scores_are_log_probabilities_of_the_attended_labels() -> None:
    learner = MatchingNetwork(torch.nn.Identity())
    support = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    scores = learner.adapt(support, torch.tensor([0, 0, 1]))(torch.tensor([[3.0, 0.0]]))
    weights = torch.tensor([2 * torch.e, 1.0])
    torch.testing.assert_close(scores.exp(), (weights / weights.sum())[None])


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    config = TrainingConfig("matching", 5, 1, 5, updates=400, learning_rate=3e-3, options={"channels": 16})
    assert learned_accuracy(config) > 0.5
