"""LSTM meta-learner, optimization-based."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.nn.functional import cross_entropy
from typing_extensions import override

from models.learning.learners import Learner, Scorer


class LstmMetaLearner(Learner):
    """An LSTM learns the rule by which a classifier is updated, and the weights where it starts.

    Ravi, Larochelle: Optimization as a model for few-shot learning, 2017, https://openreview.net/forum?id=rJY0-Kcll.
    The weights are the LSTM's cell state: a learned forget gate shrinks them, a learned input gate is their learning
    rate, each weight on its own but all by the same rule. As in the paper, gradients are taken as given (first order).

    Transductive: batch norm takes its statistics from the queries of the episode, where the paper uses those that it
    collected on the support set.

    network: images -> scores [B, N], its batch norm without running statistics
    inner_steps: updates of the classifier on one support set, in training and in use
    inner_rate: what the input gate starts from, as a learning rate
    """

    inductive = False
    any_ways = False

    def __init__(self, network: nn.Module, inner_steps: int, inner_rate: float, hidden: int = 20) -> None:
        super().__init__(nn.Identity())
        self.network = network
        self.inner_steps = inner_steps
        self.optimizer = nn.LSTMCell(4, hidden)
        self.input_gate = nn.Linear(hidden + 2, 1)
        self.forget_gate = nn.Linear(hidden + 2, 1)
        for gate, start in ((self.input_gate, inner_rate), (self.forget_gate, 0.9999)):
            # Starts as gradient descent with a constant rate: almost nothing forgotten, and small influence of inputs.
            nn.init.uniform_(gate.weight, -0.01, 0.01)
            nn.init.constant_(gate.bias, float(torch.logit(torch.tensor(start))))

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        def support_loss(weights: dict[str, Tensor]) -> Tensor:
            return cross_entropy(functional_call(self.network, weights, support), labels)

        start = dict(self.network.named_parameters())
        cell = _flat(start)
        state: tuple[Tensor, Tensor] | None = None
        rate, keep = torch.zeros_like(cell), torch.ones_like(cell)
        for _ in range(self.inner_steps):
            gradients, loss = grad_and_value(support_loss)(_unflat(cell.detach(), start))
            gradient = _flat(gradients).detach()
            inputs = torch.cat([_scaled(gradient), _scaled(loss.detach()).expand(len(cell), -1)], dim=1)
            state = self.optimizer(inputs, state)
            seen = state[0]
            rate = torch.sigmoid(self.input_gate(torch.cat([seen, cell, rate], dim=1)))
            keep = torch.sigmoid(self.forget_gate(torch.cat([seen, cell, keep], dim=1)))
            cell = keep * cell - rate * gradient
        weights = _unflat(cell, start)

        def score(queries: Tensor) -> Tensor:
            scores: Tensor = functional_call(self.network, weights, queries)
            return scores

        return score


def _flat(weights: Mapping[str, Tensor]) -> Tensor:
    """Named weights -> [P, 1], one row for each number."""
    return torch.cat([weight.reshape(-1, 1) for weight in weights.values()])


def _unflat(cell: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts = torch.split(cell, [weight.numel() for weight in like.values()])
    return {name: part.view_as(weight) for part, (name, weight) in zip(parts, like.items(), strict=True)}


def _scaled(values: Tensor, span: float = 10.0) -> Tensor:
    """[..., 1] or a scalar -> [..., 2]: logarithm of the size, and sign; tiny values keep their sign (appendix A)."""
    column = values.reshape(-1, 1)
    size = column.abs()
    large = size >= math.exp(-span)
    logarithm = torch.where(large, size.clamp_min(1e-30).log() / span, -torch.ones_like(size))
    sign = torch.where(large, column.sign(), column * math.exp(span))
    return torch.cat([logarithm, sign], dim=1)
