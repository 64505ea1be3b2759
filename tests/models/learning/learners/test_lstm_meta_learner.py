from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import cross_entropy

from models.learning.learners.lstm_meta_learner import LstmMetaLearner, _scaled
from models.learning.training import TrainingConfig


def test_with_constant_gates_it_is_gradient_descent() -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    learner = LstmMetaLearner(network, inner_steps=1, inner_rate=0.1)
    for gate, value in ((learner.input_gate, 0.1), (learner.forget_gate, 0.9)):
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, torch.logit(torch.tensor(value)).item())
    support, labels = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
    weight, bias = torch.autograd.grad(cross_entropy(network(support), labels), list(network.parameters()))
    expected = support @ (0.9 * network.weight - 0.1 * weight).T + 0.9 * network.bias - 0.1 * bias
    torch.testing.assert_close(learner.adapt(support, labels)(support), expected)


def test_gradients_of_any_size_are_scaled_to_about_one() -> None:
    values = torch.tensor([0.0, 1e-30, -1e-6, 1e-3, -1.0, 50.0])
    scaled = _scaled(values)
    assert scaled.shape == (6, 2)
    assert scaled.abs().max() <= 1
    assert torch.equal(scaled[2:, 1].sign(), values[2:].sign())


def test_the_update_rule_gets_gradients() -> None:
    torch.manual_seed(0)
    learner = LstmMetaLearner(torch.nn.Linear(3, 2), inner_steps=2, inner_rate=0.1)
    labels = torch.tensor([0, 1])
    learner.episode_loss(torch.randn(2, 3), labels, torch.randn(2, 3), labels)[0].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 8, "inner_steps": 3, "inner_rate": 0.1}
    config = TrainingConfig("lstm_meta_learner", 5, 1, 5, updates=250, learning_rate=3e-3, options=options)
    assert learned_accuracy(config) > 0.4
