"""Pre-training on the base classes, the baseline that meta-learning has to beat."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from typing_extensions import override

from models.learning.learners.cosine_prototypical import CosinePrototypicalNetwork


class BaseClassifier(CosinePrototypicalNetwork):
    """An ordinary classifier of all training classes, whose features then serve a nearest-prototype rule.

    Chen, Liu, Kira, Wang, Huang: A closer look at few-shot classification, 2019, https://arxiv.org/abs/1904.04232, the
    cosine classifier of its Baseline++; new classes get prototypes instead of the head that the paper fits to them.

    features: length of an embedding. classes: how many classes the training data have.
    """

    base_labels = True

    def __init__(self, backbone: nn.Module, features: int, classes: int, temperature: float = 0.05) -> None:
        super().__init__(backbone, temperature)
        # Only directions count. They begin short, so that the small steps that suit the backbone turn them quickly.
        self.classes = nn.Parameter(1e-3 * torch.randn(classes, features))

    @override
    def episode_loss(self, support: Tensor, labels: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        photos = normalize(torch.cat([support, queries]), dim=1)
        scores = photos @ normalize(self.classes, dim=1).T / self.temperature
        return cross_entropy(scores, torch.cat([labels, targets])), scores[len(support) :]
