"""Saving a training run so that it survives kill -9: weights, optimizer and position, in one file replaced at once."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save_weights(path: Path, learner: nn.Module) -> None:
    """Writes the learner's weights alone, as safetensors."""
    _write(path, _detached(learner.state_dict()), {})


def load_weights(path: Path, learner: nn.Module) -> None:
    """Reads what `save_weights` wrote. Raises ValueError where the file is damaged or of another architecture."""
    tensors, _ = _read(path)
    _fill(path, learner, tensors)


def save_run(path: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, facts: dict[str, Any]) -> None:
    """Writes learner, optimizer state and `facts` (JSON values) as one safetensors file.

    One file, because two could be of different moments after a kill between their writes.
    """
    tensors = {f"learner.{name}": tensor for name, tensor in learner.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    _write(path, _detached(tensors), {"facts": json.dumps(facts)})


def load_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a saved run, or None where there is none. Raises ValueError for a damaged file."""
    return _facts(path, _read(path)[1]) if path.exists() else None


def load_run(path: Path, learner: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Fills learner and optimizer from what `save_run` wrote and answers its facts.

    Raises ValueError where the file is damaged or of another architecture.
    """
    tensors, metadata = _read(path)
    facts = _facts(path, metadata)
    _fill(path, learner, {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("learner.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts


def replace_file(path: Path, partial: Path) -> None:
    """Puts the finished file `partial` in place of `path`: a reader sees the old one or the new one, never half."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    replace_file(path, partial)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"The checkpoint {path} cannot be read: {error}.") from error


def _facts(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    if "facts" not in metadata:
        raise ValueError(f"The checkpoint {path} holds weights only, not a training run.")
    facts: dict[str, Any] = json.loads(metadata["facts"])
    return facts


def _fill(path: Path, learner: nn.Module, tensors: dict[str, Tensor]) -> None:
    try:
        learner.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"The checkpoint {path} does not fit this architecture: {error}") from error


def _detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
