from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import cross_entropy

from models.learning.learners.fomaml import FirstOrderMaml
from models.learning.training import TrainingConfig


def test_the_meta_gradient_is_that_at_the_adapted_weights() -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2, bias=False)
    learner = FirstOrderMaml(network, inner_rate=0.5, inner_steps=1, inner_steps_test=1)
    support, queries, labels = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0, 1])
    (inner,) = torch.autograd.grad(cross_entropy(network(support), labels), network.weight)
    adapted = (network.weight - 0.5 * inner).detach().requires_grad_()
    (expected,) = torch.autograd.grad(cross_entropy(queries @ adapted.T, labels), adapted)
    learner.episode_loss(support, labels, queries, labels)[0].backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(network.weight.grad, expected)


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "inner_rate": 0.4, "inner_steps": 3, "inner_steps_test": 5}
    config = TrainingConfig("fomaml", 5, 1, 5, updates=350, learning_rate=3e-3, options=options)
    assert learned_accuracy(config) > 0.45
