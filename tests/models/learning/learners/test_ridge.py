from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.learning.learners.ridge import RidgeRegression
from models.learning.training import TrainingConfig


def test_the_head_is_the_ridge_regression_of_the_labels() -> None:
    random = torch.Generator().manual_seed(0)
    support, queries = torch.rand(7, 3, generator=random), torch.rand(4, 3, generator=random)
    labels = torch.tensor([0, 1, 1, 0, 2, 2, 1])
    found = RidgeRegression(torch.nn.Identity(), regularisation=0.3, scale=2.0).adapt(support, labels)(queries)
    x, y = support.double().numpy(), np.eye(3)[labels]
    weights = np.linalg.solve(x.T @ x + 0.3 * np.eye(3), x.T @ y)
    np.testing.assert_allclose(found.detach().numpy(), 2.0 * queries.numpy() @ weights, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    config = TrainingConfig("ridge", 5, 1, 5, updates=300, learning_rate=3e-3, options={"channels": 16})
    assert learned_accuracy(config) > 0.6
