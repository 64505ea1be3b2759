"""Files of named tensors (safetensors): read whole, written so that a reader never sees half of one."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.manifest import CheckpointError


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file and its metadata. Raises CheckpointError where it is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error}.") from error


@dataclass(frozen=True)
class Place:
    """Where in its file a tensor lies, in bytes."""

    offset: int
    length: int
    is_half: bool


def places(path: Path) -> dict[str, Place]:
    """Where the tensors of a good file lie, by their names.

    The layout: eight bytes, little endian, say how long the header is; the header, JSON; the tensors' bytes.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: Place(8 + length + tensor["data_offsets"][0], tensor["data_offsets"][1] - tensor["data_offsets"][0],
                    tensor["dtype"] == "F16")
        for name, tensor in header.items()
    }  # fmt: skip


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes a file and puts it in the place of an older one at once."""
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    partial.chmod(0o644)  # safetensors makes files that only their owner can read
    replace_file(path, partial)


def replace_file(path: Path, partial: Path) -> None:
    """Puts the finished file `partial` in place of `path`: a reader sees the old one or the new one, never half."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def fill(path: Path, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Gives a network the tensors that came from `path`. Raises CheckpointError where they do not fit it."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"The checkpoint {path} does not fit this architecture: {error}") from error
