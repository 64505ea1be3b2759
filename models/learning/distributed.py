"""Several processes training one learner, started by torchrun.

Gradients are averaged by hand and not by DistributedDataParallel: that hooks into one forward call, while a learner
calls its network many times, through torch.func or through copies.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Workers:
    """This process among `count`, numbered from 0. Only the first one writes files."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def share_weights(self, learner: nn.Module) -> None:
        """Gives every process the weights of the first."""
        if self.count > 1:
            for tensor in learner.state_dict().values():
                dist.broadcast(tensor, src=0)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replaces each gradient by its mean over the processes."""
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.count

    def wait(self) -> None:
        """Returns once every process has come this far."""
        if self.count > 1:
            dist.barrier()


def join_workers() -> Workers:
    """Reads torchrun's environment variables; one process alone where there are none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Workers()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Workers(dist.get_rank(), count)


def local_device() -> torch.device:
    """This process's own GPU where there is one, otherwise the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
