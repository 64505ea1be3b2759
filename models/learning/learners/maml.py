"""Model-agnostic meta-learning (MAML), optimization-based."""

from typing import ClassVar

from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn.functional import cross_entropy
from typing_extensions import override

from models.learning.learners import Learner, Scorer


class Maml(Learner):
    """Learns weights from which a few gradient steps on a support set make a good classifier.

    Finn, Abbeel, Levine: Model-agnostic meta-learning for fast adaptation of deep networks, 2017,
    https://arxiv.org/abs/1703.03400. The meta-gradient goes through the inner steps: second order.

    Transductive, as the published figures are: batch norm takes its statistics from the queries of the episode.

    network: images -> scores [B, N], its batch norm without running statistics
    inner_rate, inner_steps: of gradient descent in training; inner_steps_test: when it is put to use
    """

    inductive = False
    any_ways = False
    first_order: ClassVar[bool] = False

    def __init__(self, network: nn.Module, inner_rate: float, inner_steps: int, inner_steps_test: int) -> None:
        super().__init__(nn.Identity())
        self.network = network
        self.inner_rate, self.inner_steps, self.inner_steps_test = inner_rate, inner_steps, inner_steps_test

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        def support_loss(weights: dict[str, Tensor]) -> Tensor:
            return cross_entropy(functional_call(self.network, weights, support), labels)

        weights: dict[str, Tensor] = dict(self.network.named_parameters())
        for _ in range(self.inner_steps if self.training else self.inner_steps_test):
            gradients = grad(support_loss)(weights)
            if self.first_order:
                gradients = {name: gradient.detach() for name, gradient in gradients.items()}
            weights = {name: weight - self.inner_rate * gradients[name] for name, weight in weights.items()}

        def score(queries: Tensor) -> Tensor:
            scores: Tensor = functional_call(self.network, weights, queries)
            return scores

        return score
