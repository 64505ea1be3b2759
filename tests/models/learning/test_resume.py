from pathlib import Path

import pytest
import torch

from models.learning.resume import load_facts, load_run, save_run
from models.manifest import CheckpointError
from models.networks.tensors import fill, read_tensors, write_tensors


def stepped(inputs: int = 3) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    learner = torch.nn.Linear(inputs, 2)
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.1)
    learner(torch.rand(4, inputs)).sum().backward()
    optimizer.step()
    return learner, optimizer


def test_a_run_comes_back_whole(tmp_path: Path) -> None:
    learner, optimizer = stepped()
    save_run(tmp_path / "run.safetensors", learner, optimizer, {"update": 7})
    other, its_optimizer = stepped()
    assert load_run(tmp_path / "run.safetensors", other, its_optimizer) == {"update": 7}
    assert load_facts(tmp_path / "run.safetensors") == {"update": 7}
    for network, steps in ((learner, optimizer), (other, its_optimizer)):
        steps.zero_grad()
        network(torch.ones(1, 3)).sum().backward()
        steps.step()
    torch.testing.assert_close(learner.state_dict(), other.state_dict(), rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    learner, optimizer = stepped()
    path = tmp_path / "weights.safetensors"
    assert load_facts(path) is None
    write_tensors(path, learner.state_dict())
    with pytest.raises(CheckpointError, match="weights only"):
        load_run(path, learner, optimizer)
    with pytest.raises(CheckpointError, match="does not fit this architecture"):
        fill(path, stepped(inputs=4)[0], read_tensors(path)[0])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(path)
