"""Few-shot learners: each adapts to a support set, then scores queries.

Metric-based, model-based and optimization-based methods differ in what `adapt` does and in nothing else that the
trainer or the evaluation can see.
"""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Scorer = Callable[[Tensor], Tensor]
"""Encoded queries [Q, ...] -> scores [Q, N]; the best class has the highest score."""


class Learner(nn.Module):
    """What all methods have in common.

    inductive: whether the scores of a query depend on the support set alone. A transductive learner (False) also
               looks at the other queries of the batch, so its figures do not carry over to one photo at a time.
    any_ways:  whether a trained learner accepts episodes with any number of classes. Otherwise its output layer has
               as many units as the training episodes had classes.
    base_labels: whether training episodes carry the labels of the whole data set instead of the episode's 0..N-1.
    backbone:  what each image passes through on its own, whatever the episode is; nn.Identity where the whole network
               adapts.
    """

    inductive: ClassVar[bool]
    any_ways: ClassVar[bool]
    base_labels: ClassVar[bool] = False

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, C, H, W] -> what `adapt` and its scorer take, [B, ...]."""
        encoded: Tensor = self.backbone(images)
        return encoded

    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        """Encoded support photos [S, ...] with labels 0..N-1 [S] -> scorer of encoded queries."""
        raise NotImplementedError

    def loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Scores [Q, N] and true labels [Q] -> scalar."""
        return cross_entropy(scores, targets)

    def episode_loss(self, support: Tensor, labels: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """One encoded training episode -> (scalar whose gradient is the meta-gradient, scores [Q, N])."""
        scores = self.adapt(support, labels)(queries)
        return self.loss(scores, targets), scores


def class_means(features: Tensor, labels: Tensor) -> Tensor:
    """Features [S, ...] with labels 0..N-1 [S] -> mean of each class [N, ...]; shots may differ."""
    ways = int(labels.max()) + 1
    totals = features.new_zeros((ways, *features.shape[1:])).index_add(0, labels, features)
    return totals / labels.bincount(minlength=ways).view(-1, *[1] * (features.ndim - 1))
