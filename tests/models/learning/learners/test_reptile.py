import copy
from collections.abc import Callable

import pytest
import torch

from models.learning.learners.reptile import Reptile
from models.learning.training import TrainingConfig


def test_a_step_of_rate_one_lands_on_the_adapted_weights() -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    learner = Reptile(network, inner_rate=0.1, inner_steps=3, inner_batch=2, inner_steps_test=3)
    support, queries, labels = torch.randn(2, 3), torch.randn(2, 3), torch.tensor([0, 1])
    adapted, _ = learner._descend(torch.cat([support, queries]), torch.cat([labels, labels]), 3)
    loss, scores = learner.episode_loss(support, labels, queries, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(learner.parameters(), lr=1.0).step()
    torch.testing.assert_close(dict(network.named_parameters()), dict(adapted.named_parameters()))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores, labels))


def test_the_size_of_gradients_is_remembered_from_task_to_task() -> None:
    torch.manual_seed(0)
    support, labels = torch.randn(2, 3), torch.tensor([0, 1])
    learner = Reptile(torch.nn.Linear(3, 2), inner_rate=0.1, inner_steps=2, inner_batch=2, inner_steps_test=2)
    for _ in range(50):  # tasks with gradients that are a hundred times as large
        learner.episode_loss(100 * support, labels, 100 * support, labels.flip(0))
    assert learner.inner_updates == 100
    fresh = Reptile(copy.deepcopy(learner.network), inner_rate=0.1, inner_steps=2, inner_batch=2, inner_steps_test=2)
    (start,) = (weight.clone() for name, weight in learner.network.named_parameters() if name == "weight")
    steps = []
    for each in (learner, fresh):
        adapted, _ = each._descend(support, labels, 1)
        steps.append(float((adapted.weight.detach() - start.detach()).abs().mean()))  # type: ignore[operator]
    assert steps[1] == pytest.approx(0.1, rel=0.01)
    assert steps[0] < 0.01
    # It is part of what is saved.
    copied = Reptile(torch.nn.Linear(3, 2), inner_rate=0.1, inner_steps=2, inner_batch=2, inner_steps_test=2)
    copied.load_state_dict(learner.state_dict())
    again, _ = copied._descend(support, labels, 1)
    torch.testing.assert_close(again.weight, learner._descend(support, labels, 1)[0].weight)


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "inner_rate": 5e-3, "inner_steps": 5, "inner_batch": 10, "inner_steps_test": 15}
    config = TrainingConfig(
        "reptile", 5, 1, 9, updates=300, learning_rate=1.0, optimizer="sgd", schedule="linear", options=options
    )
    assert learned_accuracy(config) > 0.4
