"""Ridge regression on the support set, optimization-based with a solver in closed form."""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from typing_extensions import override

from models.learning.learners import Learner, Scorer


class RidgeRegression(Learner):
    """A linear head is fitted to each support set, exactly; the backbone learns through the solution.

    Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with differentiable closed-form solvers, 2019,
    https://arxiv.org/abs/1805.08136 (R2-D2). Regularisation, scale and bias of the head are learned with the backbone.

    regularisation: its first value; scale: the first factor between the regression's output and the softmax.
    """

    inductive = True
    any_ways = True

    def __init__(self, backbone: nn.Module, regularisation: float = 1.0, scale: float = 10.0) -> None:
        super().__init__(backbone)
        self.log_regularisation = nn.Parameter(torch.tensor(regularisation).log())
        self.scale = nn.Parameter(torch.tensor(scale))
        self.bias = nn.Parameter(torch.zeros(()))

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        targets = one_hot(labels).to(support.dtype)
        # Woodbury: a system of as many unknowns as photos, not as features.
        gram = support @ support.T
        eye = torch.eye(len(support), dtype=support.dtype, device=support.device)
        weights = support.T @ torch.linalg.solve(gram + self.log_regularisation.exp() * eye, targets)

        def score(queries: Tensor) -> Tensor:
            scores: Tensor = self.scale * (queries @ weights) + self.bias
            return scores

        return score
