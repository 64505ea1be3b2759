"""Prototypical networks, metric-based."""

from torch import Tensor
from typing_extensions import override

from models.learning.learners import Learner, Scorer, class_means


class PrototypicalNetwork(Learner):
    """A class is the mean of its support embeddings; a query goes to the nearest one.

    Snell, Swersky, Zemel: Prototypical networks for few-shot learning, 2017, https://arxiv.org/abs/1703.05175.
    The score is the negative squared Euclidean distance, so a softmax over it is the paper's equation 2.
    """

    inductive = True
    any_ways = True

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        prototypes = class_means(support, labels)

        def score(queries: Tensor) -> Tensor:
            return -(queries[:, None] - prototypes).square().sum(dim=2)

        return score
