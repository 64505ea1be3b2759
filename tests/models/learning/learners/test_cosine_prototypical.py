from collections.abc import Callable

import pytest
import torch

from models.learning.learners.cosine_prototypical import CosinePrototypicalNetwork
from models.learning.training import TrainingConfig


def test_the_score_is_the_cosine_to_the_mean_direction_over_the_temperature() -> None:
    learner = CosinePrototypicalNetwork(torch.nn.Identity(), temperature=0.5)
    support = torch.tensor([[3.0, 0.0], [0.0, 5.0], [0.0, -2.0]])
    score = learner.adapt(support, torch.tensor([0, 0, 1]))
    root = 2**-0.5
    torch.testing.assert_close(score(torch.tensor([[0.0, 4.0]])), torch.tensor([[2 * root, -2.0]]))


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "temperature": 0.1}
    config = TrainingConfig("cosine_prototypical", 5, 1, 5, updates=300, learning_rate=3e-3, options=options)
    assert learned_accuracy(config) > 0.6
