"""What is installed only where it is asked for: torch and what stands on it."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from models.manifest import CheckpointError

_GPU_DEVICES = [Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd")]
"""What the drivers of NVIDIA (WSL's is the second) and AMD make, also inside a container that may use a GPU."""


def require_torch(purpose: str, extra: Literal["gpu", "learn"]) -> None:
    """Raises CheckpointError, with what to install, where torch or timm is missing; imports neither."""
    if any(find_spec(package) is None for package in ("torch", "timm")):
        raise CheckpointError(f"{purpose} needs torch and timm, which are not here: pip install 'haja[{extra}]'.")


def has_gpu() -> bool:
    """Whether torch is installed and finds a GPU.

    Importing torch takes seconds and 200 MB, so it is asked only where a driver has made its device file.
    """
    if find_spec("torch") is None or (sys.platform == "linux" and not any(path.exists() for path in _GPU_DEVICES)):
        return False
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()
