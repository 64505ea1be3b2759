from collections.abc import Callable

import pytest
import torch

from models.learning.learners.snail import AttentionBlock, DenseBlock, temporal_blocks
from models.learning.training import TrainingConfig


def test_no_step_sees_a_later_one_and_the_last_sees_all() -> None:
    torch.manual_seed(0)
    steps, last = torch.randn(7, 3, requires_grad=True), torch.randn(1, 3)
    for blocks in (temporal_blocks(3, 8, 5), [AttentionBlock(3, 4, 5)]):
        seen, end = steps, last
        for block in blocks:
            seen, end = block(seen, end)
        (middle,) = torch.autograd.grad(seen[3].sum(), steps, retain_graph=True)
        (final,) = torch.autograd.grad(end.sum(), steps)
        assert middle[4:].abs().max() == 0
        assert (final.abs().sum(dim=1) > 0).all()


def test_the_last_step_is_computed_like_any_other() -> None:
    torch.manual_seed(0)
    steps = torch.randn(6, 3)
    for block in (DenseBlock(3, 2, 5), AttentionBlock(3, 4, 5)):
        whole, _ = block(steps, steps[:1])
        _, end = block(steps[:5], steps[5:])
        torch.testing.assert_close(end[0], whole[5])


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    # Three ways: SNAIL stays at chance for its first hundreds of updates, and these are cheaper.
    options = {"channels": 16, "filters": 64}
    config = TrainingConfig("snail", 3, 1, 3, updates=320, learning_rate=1e-3, episodes_per_update=4, options=options)
    assert learned_accuracy(config) > 0.45
