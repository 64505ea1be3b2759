from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.learning.learners.mann import Look, Mann
from models.learning.training import TrainingConfig


def test_writes_go_to_the_slot_least_used_and_erase_it() -> None:
    learner = Mann(torch.nn.Identity(), features=4, ways=2, slots=3, width=2, heads=1)
    empty = learner._empty(torch.zeros(1))
    state = replace(empty, memory=torch.ones(1, 3, 2), usage=torch.tensor([[5.0, 0.1, 5.0]]))
    key = torch.tensor([[[2.0, 3.0]]])
    look = Look(state.hidden, state.cell, key, torch.zeros(1, 1, 3), torch.zeros(1, 2))
    memory = learner._write(state, look).memory[0]
    share = torch.sigmoid(-learner.gate)
    torch.testing.assert_close(memory, torch.stack([torch.ones(2), (share * key[0, 0]).flatten(), torch.ones(2)]))


def test_what_was_read_or_written_lately_counts_as_used() -> None:
    learner = Mann(torch.nn.Identity(), features=4, ways=2, slots=6, width=2, heads=2)
    state = learner._empty(torch.zeros(1))
    slots = set()
    for _ in range(3):
        slots |= set(state.usage.topk(2, largest=False).indices.flatten().tolist())
        state = learner._write(state, learner._read(state, torch.randn(1, 6)))
    assert slots == set(range(6))


@pytest.mark.long
def test_it_learns(learned_accuracy: Callable[[TrainingConfig], float]) -> None:
    options = {"channels": 16, "hidden": 64, "slots": 40}
    config = TrainingConfig(
        "mann", 5, 1, 5, updates=220, learning_rate=3e-3, episodes_per_update=4, clip_norm=10, options=options
    )
    assert learned_accuracy(config) > 0.4
