from collections.abc import Callable

import pytest
import torch

from models.learning.learners.maml import Maml
from models.learning.training import TrainingConfig


def test_the_meta_gradient_goes_through_the_inner_steps() -> None:
    torch.manual_seed(0)
    learner = Maml(torch.nn.Linear(3, 2), inner_rate=0.5, inner_steps=2, inner_steps_test=2).double()
    support, queries = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    labels = torch.tensor([0, 1, 0, 1])

    def loss() -> torch.Tensor:
        return learner.episode_loss(support, labels, queries, labels)[0]

    loss().backward()  # type: ignore[no-untyped-call]
    weight = learner.network.weight
    assert isinstance(weight, torch.nn.Parameter)
    assert weight.grad is not None
    with torch.no_grad():
        before, step = loss(), 1e-6
        weight[0, 0] += step
        numeric = (loss() - before) / step
    torch.testing.assert_close(weight.grad[0, 0], numeric, rtol=1e-4, atol=1e-6)


def test_adapting_leaves_the_learner_as_it_was() -> None:
    learner = Maml(torch.nn.Linear(3, 2), inner_rate=0.5, inner_steps=1, inner_steps_test=3)
    before = [parameter.clone() for parameter in learner.parameters()]
    with torch.no_grad():
        learner.eval().adapt(torch.randn(2, 3), torch.tensor([0, 1]))(torch.randn(5, 3))
    assert all(torch.equal(a, b) for a, b in zip(before, learner.parameters(), strict=True))


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "inner_rate": 0.4, "inner_steps": 1, "inner_steps_test": 3}
    config = TrainingConfig("maml", 5, 1, 5, updates=400, learning_rate=3e-3, options=options)
    assert learned_accuracy(config) > 0.5
