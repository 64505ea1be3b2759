from collections.abc import Callable

import pytest
import torch

from models.learning.learners.base_classifier import BaseClassifier
from models.learning.training import TrainingConfig


def test_training_compares_with_the_classes_of_the_data_set() -> None:
    learner = BaseClassifier(torch.nn.Identity(), features=2, classes=3, temperature=1.0)
    with torch.no_grad():
        learner.classes.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))
    photos = torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    loss, scores = learner.episode_loss(photos[:1], torch.tensor([0]), photos[1:], torch.tensor([1]))
    torch.testing.assert_close(scores, torch.tensor([[0.0, 1.0, 0.0]]))
    wanted = [-torch.log_softmax(torch.tensor(row), 0)[right] for row, right in (([1.0, 0, -1], 0), ([0.0, 1, 0], 1))]
    torch.testing.assert_close(loss, torch.stack(wanted).mean())


@pytest.mark.long
def test_it_learns_classes_that_it_never_saw(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "classes": 544, "temperature": 0.1}
    config = TrainingConfig("base_classifier", 5, 1, 9, updates=800, learning_rate=3e-3, options=options)
    assert learned_accuracy(config) > 0.4
