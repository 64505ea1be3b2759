"""Matching networks, metric-based."""

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss, normalize, one_hot
from typing_extensions import override

from models.learning.learners import Learner, Scorer


class MatchingNetwork(Learner):
    """A query takes the labels of the support photos, each weighted by a softmax over cosine similarities.

    Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching networks for one shot learning, 2016,
    https://arxiv.org/abs/1606.04080, equation 1. The scores are log-probabilities.

    Without the paper's full context embeddings: its Omniglot figures are the ones without them, and the bidirectional
    LSTM that they run over the support set makes an answer depend on the order in which photos were registered.
    temperature: divides the similarities; the paper has none, which is 1.
    """

    inductive = True
    any_ways = True

    def __init__(self, backbone: nn.Module, temperature: float = 1.0) -> None:
        super().__init__(backbone)
        self.temperature = temperature

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        memory, values = normalize(support, dim=1), one_hot(labels).to(support.dtype)

        def score(queries: Tensor) -> Tensor:
            attention = torch.softmax(normalize(queries, dim=1) @ memory.T / self.temperature, dim=1)
            return torch.log(attention @ values)

        return score

    @override
    def loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        return nll_loss(scores, targets)
