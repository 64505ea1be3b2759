from collections.abc import Callable

import torch

from models.learners.reptile import Reptile
from models.training import TrainingConfig


def test_a_step_of_rate_one_lands_on_the_adapted_weights() -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    learner = Reptile(network, inner_rate=0.1, inner_steps=3, inner_batch=2, inner_steps_test=3)
    support, queries, labels = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0, 1])
    adapted = learner._descend(torch.cat([support, queries]), torch.cat([labels, labels]), 3)
    loss, scores = learner.episode_loss(support, labels, queries, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(learner.parameters(), lr=1.0).step()
    torch.testing.assert_close(dict(network.named_parameters()), dict(adapted.named_parameters()))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, labels))


def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "inner_rate": 5e-3, "inner_steps": 5, "inner_batch": 10, "inner_steps_test": 15}
    config = TrainingConfig(
        "reptile", 5, 1, 9, updates=300, learning_rate=1.0, optimizer="sgd", schedule="linear", options=options
    )
    assert learned_accuracy(config) > 0.4
