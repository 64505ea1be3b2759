"""Averaging the weights of several runs."""

from collections.abc import Sequence

import torch
from torch import Tensor


def average_weights(runs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the state dictionaries of runs that began with the same weights.

    Wortsman et al.: Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
    inference time, 2022, https://arxiv.org/abs/2203.05482. Whole numbers, such as batch norm's counts, are the first's.
    """
    return {
        name: torch.stack([run[name] for run in runs]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in runs[0].items()
    }
