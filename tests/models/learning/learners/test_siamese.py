from collections.abc import Callable

import pytest
import torch

from models.learning.learners.siamese import SiameseNetwork
from models.learning.training import TrainingConfig


def test_a_class_scores_the_mean_of_its_pairs() -> None:
    torch.manual_seed(0)
    learner, support, query = SiameseNetwork(torch.nn.Identity(), 4), torch.randn(3, 4), torch.randn(1, 4)
    alone = [learner.adapt(photo[None], torch.tensor([0]))(query) for photo in support]
    together = learner.adapt(support, torch.tensor([0, 1, 1]))(query)
    torch.testing.assert_close(together, torch.cat([alone[0], (alone[1] + alone[2]) / 2], dim=1))


def test_same_and_different_pairs_weigh_alike() -> None:
    learner = SiameseNetwork(torch.nn.Identity(), 4)
    wrong_on_all, targets = torch.tensor([[-50.0, 50.0, 50.0, 50.0, 50.0]]), torch.tensor([0])
    # The one same pair and the four different pairs each lose 50 x their weight: 50 + 4 x 50 / 4, over five pairs.
    assert learner.loss(wrong_on_all, targets).item() == pytest.approx(100 / 5)


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    config = TrainingConfig("siamese", 5, 1, 5, updates=600, learning_rate=1e-2, options={"channels": 16})
    assert learned_accuracy(config) > 0.45
