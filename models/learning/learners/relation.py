"""Relation networks, metric-based."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, one_hot
from typing_extensions import override

from models.learning.learners import Learner, Scorer
from models.learning.learners.conv4 import conv_block


class RelationNetwork(Learner):
    """A second network learns to say how well a query and a class fit; nothing fixes the metric beforehand.

    Sung, Yang, Zhang, Xiang, Torr, Hospedales: Learning to compare: relation network for few-shot learning, 2018,
    https://arxiv.org/abs/1711.06025. A class is the sum of its support feature maps, the relation is a number in 0..1
    trained by squared error.

    backbone: images -> feature maps [B, channels, side, side]; side is 4 or more, because the relation halves it twice.
    """

    inductive = True
    any_ways = True

    def __init__(self, backbone: nn.Module, channels: int, side: int) -> None:
        super().__init__(backbone)
        self.relation = nn.Sequential(
            conv_block(2 * channels, channels),
            conv_block(channels, channels),
            nn.Flatten(),
            nn.Linear(channels * (side // 4) ** 2, 8),
            nn.ReLU(),
            nn.Linear(8, 1),
            nn.Sigmoid(),
        )

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        ways = int(labels.max()) + 1
        classes = support.new_zeros((ways, *support.shape[1:])).index_add(0, labels, support)

        def score(queries: Tensor) -> Tensor:
            pairs = torch.cat(
                [classes.expand(len(queries), *classes.shape), queries[:, None].expand(-1, ways, *queries.shape[1:])],
                dim=2,
            )
            relations: Tensor = self.relation(pairs.flatten(0, 1))
            return relations.view(len(queries), ways)

        return score

    @override
    def loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        return mse_loss(scores, one_hot(targets, scores.shape[1]).to(scores.dtype))
