"""Saving a training run so that it survives kill -9: weights, optimizer and position, in one file replaced at once."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.manifest import CheckpointError
from models.networks.tensors import fill, read_tensors, write_tensors


def save_run(path: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, facts: dict[str, Any]) -> None:
    """Writes learner, optimizer state and `facts` (JSON values) as one safetensors file.

    One file, because two could be of different moments after a kill between their writes.
    """
    tensors = {f"learner.{name}": tensor for name, tensor in learner.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    write_tensors(path, tensors, {"facts": json.dumps(facts)})


def load_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a saved run, or None where there is none. Raises CheckpointError for a damaged file."""
    return _facts(path, read_tensors(path)[1]) if path.exists() else None


def load_run(path: Path, learner: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Fills learner and optimizer from what `save_run` wrote and answers its facts.

    Raises CheckpointError where the file is damaged or of another architecture.
    """
    tensors, metadata = read_tensors(path)
    facts = _facts(path, metadata)
    fill(path, learner, {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("learner.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts


def _facts(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    if "facts" not in metadata:
        raise CheckpointError(f"The checkpoint {path} holds weights only, not a training run.")
    facts: dict[str, Any] = json.loads(metadata["facts"])
    return facts
