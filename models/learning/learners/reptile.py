"""Reptile, optimization-based."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from typing_extensions import override

from models.learning.learners import Learner, Scorer


class Reptile(Learner):
    """Trains on one task for a few steps, then moves the weights towards where that ended.

    Nichol, Achiam, Schulman: On first-order meta-learning algorithms, 2018, https://arxiv.org/abs/1803.02999.
    The inner optimizer is Adam without momentum, as in the paper. What it knows of the gradients' size is kept from
    task to task: the first steps of a fresh Adam are as long for weights that hardly matter as for all others, and the
    longer one trains by these, the worse it gets. In training the query photos of an episode are further examples of
    the task. Train with plain SGD: at learning rate 1 an update replaces the weights by the adapted ones, and several
    episodes in an update are the paper's batched version.

    Transductive, as the published figures: batch norm takes its statistics from the queries of the episode.

    network: images -> scores [B, N], its batch norm without running statistics
    inner_rate, inner_steps, inner_batch: in training; inner_steps_test: when it is put to use
    """

    inductive = False
    any_ways = False
    inner_updates: Tensor

    def __init__(
        self, network: nn.Module, inner_rate: float, inner_steps: int, inner_batch: int, inner_steps_test: int
    ) -> None:
        super().__init__(nn.Identity())
        self.network = network
        self.inner_rate, self.inner_steps, self.inner_batch = inner_rate, inner_steps, inner_batch
        self.inner_steps_test = inner_steps_test
        self.register_buffer("inner_updates", torch.zeros(()))
        for place, weight in enumerate(network.parameters()):
            self.register_buffer(f"squared_gradient_{place}", torch.zeros_like(weight, requires_grad=False))

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        adapted, _ = self._descend(support, labels, self.inner_steps_test)

        def score(queries: Tensor) -> Tensor:
            scores: Tensor = adapted(queries)
            return scores

        return score

    @override
    def episode_loss(self, support: Tensor, labels: Tensor, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        adapted, optimizer = self._descend(
            torch.cat([support, queries]), torch.cat([labels, targets]), self.inner_steps
        )
        with torch.no_grad():
            scores = adapted(queries)
            value = self.loss(scores, targets)
            for place, weight in enumerate(adapted.parameters()):
                self.get_buffer(f"squared_gradient_{place}").copy_(optimizer.state[weight]["exp_avg_sq"])
            self.inner_updates += self.inner_steps
        # Not a loss of any data: its gradient is (weights - adapted weights), the direction that Reptile steps against.
        pairs = zip(self.network.parameters(), adapted.parameters(), strict=True)
        towards = sum((weight * (weight - goal).detach()).sum() for weight, goal in pairs)
        return value + towards - torch.as_tensor(towards).detach(), scores

    def _descend(self, images: Tensor, labels: Tensor, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        adapted = copy.deepcopy(self.network)
        optimizer = torch.optim.Adam(adapted.parameters(), lr=self.inner_rate, betas=(0.0, 0.999))
        for place, weight in enumerate(adapted.parameters()):
            optimizer.state[weight] = {
                "step": self.inner_updates.cpu().clone(),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": self.get_buffer(f"squared_gradient_{place}").clone(),
            }
        with torch.enable_grad():
            for step in range(steps):
                batch = torch.arange(step * self.inner_batch, (step + 1) * self.inner_batch) % len(images)
                optimizer.zero_grad()
                cross_entropy(adapted(images[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return adapted, optimizer
