"""Siamese networks, metric-based."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from typing_extensions import override

from models.learning.learners import Learner, Scorer, class_means


class SiameseNetwork(Learner):
    """One network embeds both photos of a pair and says whether they show the same class.

    Koch, Zemel, Salakhutdinov: Siamese neural networks for one-shot image recognition, 2015,
    https://www.cs.cmu.edu/~rsalakhu/papers/oneshot1.pdf. As there, the L1 distances of sigmoid features are weighted,
    and trained with cross-entropy on pairs, half of which are of one class. The pairs are those of the episode's
    queries with its support photos, and the backbone is the one that all methods share. A class with several support
    photos scores the mean of its pairs; the paper has one photo a class.
    """

    inductive = True
    any_ways = True

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__(backbone)
        self.embedding = nn.Linear(features, features)
        self.similarity = nn.Linear(features, 1)

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        anchors = torch.sigmoid(self.embedding(support))

        def score(queries: Tensor) -> Tensor:
            embedded = torch.sigmoid(self.embedding(queries))
            pairs = self.similarity((embedded[:, None] - anchors).abs()).squeeze(2)
            return class_means(pairs.T, labels).T

        return score

    @override
    def loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        ways = scores.shape[1]
        same = one_hot(targets, ways).to(scores.dtype)
        # Of each query's pairs one is of the same class and the others are not: weigh both kinds alike.
        return binary_cross_entropy_with_logits(scores, same, weight=same + (1 - same) / (ways - 1))
