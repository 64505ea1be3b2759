"""SNAIL, model-based."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad, scaled_dot_product_attention
from typing_extensions import override

from models.learning.learners import Learner, Scorer


class Snail(Learner):
    """The support set and one query form a sequence; temporal convolutions and causal attention end in its label.

    Mishra, Rohaninejad, Chen, Abbeel: A simple neural attentive meta-learner, 2018, https://arxiv.org/abs/1707.03141,
    with the layer sizes of its few-shot experiments.

    length: photos in the longest support set; it decides how many dilated convolutions are needed to see them all.
    filters: of a temporal convolution, 128 in the paper; the attention blocks keep the paper's proportions to it.
    """

    inductive = True
    any_ways = False

    def __init__(self, backbone: nn.Module, features: int, ways: int, length: int, filters: int = 128) -> None:
        super().__init__(backbone)
        self.ways = ways
        temporal = filters * math.ceil(math.log2(length + 1))
        sizes = [features + ways]
        for added in (filters // 4, temporal, filters, temporal, 2 * filters):
            sizes.append(sizes[-1] + added)
        self.layers = nn.ModuleList(
            [
                AttentionBlock(sizes[0], keys=filters // 2, values=filters // 4),
                *temporal_blocks(sizes[1], length + 1, filters),
                AttentionBlock(sizes[2], keys=2 * filters, values=filters),
                *temporal_blocks(sizes[3], length + 1, filters),
                AttentionBlock(sizes[4], keys=4 * filters, values=2 * filters),
            ]
        )
        self.output = nn.Linear(sizes[5], ways)

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        shown = torch.cat([support, one_hot(labels, self.ways).to(support.dtype)], dim=1)

        def score(queries: Tensor) -> Tensor:
            steps, last = shown, pad(queries, (0, self.ways))
            for layer in self.layers:
                steps, last = layer(steps, last)
            scores: Tensor = self.output(last)
            return scores

        return score


def temporal_blocks(inputs: int, length: int, filters: int) -> list["DenseBlock"]:
    """Dilated convolutions that together see `length` steps; each appends `filters` features."""
    return [DenseBlock(inputs + i * filters, 2**i, filters) for i in range(math.ceil(math.log2(length)))]


class DenseBlock(nn.Module):
    """One gated causal convolution over two steps, its output appended to its input.

    Every block takes and gives the T steps of the support set [T, C] and, for each of Q sequences that go on from
    there, the last step [Q, C]. No step sees a later one, so the support set is worked through once for all queries.
    """

    def __init__(self, inputs: int, dilation: int, filters: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.convolution = nn.Linear(2 * inputs, 2 * filters)

    @override
    def forward(self, steps: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        earlier = pad(steps, (0, 0, self.dilation, 0))[: len(steps) + 1]
        return self._extend(earlier[:-1], steps), self._extend(earlier[-1:].expand(len(last), -1), last)

    def _extend(self, earlier: Tensor, now: Tensor) -> Tensor:
        values, gates = self.convolution(torch.cat([earlier, now], dim=1)).chunk(2, dim=1)
        return torch.cat([now, torch.tanh(values) * torch.sigmoid(gates)], dim=1)


class AttentionBlock(nn.Module):
    """Causal attention, what it reads appended to its input: [T, C] and [Q, C] as for DenseBlock."""

    def __init__(self, inputs: int, keys: int, values: int) -> None:
        super().__init__()
        self.queries = nn.Linear(inputs, keys)
        self.keys = nn.Linear(inputs, keys)
        self.values = nn.Linear(inputs, values)

    @override
    def forward(self, steps: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        keys, values, asked = self.keys(steps), self.values(steps), self.queries(last)
        read = scaled_dot_product_attention(self.queries(steps), keys, values, is_causal=True)
        own = (asked * self.keys(last)).sum(dim=1, keepdim=True)
        weights = torch.softmax(torch.cat([asked @ keys.T, own], dim=1) / math.sqrt(keys.shape[1]), dim=1)
        read_last = weights[:, :-1] @ values + weights[:, -1:] * self.values(last)
        return torch.cat([steps, read], dim=1), torch.cat([last, read_last], dim=1)
