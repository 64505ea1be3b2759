"""Prototypical networks on the unit sphere, metric-based: what the service does with its backbone."""

from torch import Tensor, nn
from torch.nn.functional import normalize
from typing_extensions import override

from models.learning.learners import Learner, Scorer, class_means


class CosinePrototypicalNetwork(Learner):
    """A class is the direction of its mean embedding; a query goes to the class with the smallest angle.

    Snell, Swersky, Zemel: Prototypical networks for few-shot learning, 2017, https://arxiv.org/abs/1703.05175, with the
    cosine similarity over a temperature of Gidaris, Komodakis: Dynamic few-shot visual learning without forgetting,
    2018, https://arxiv.org/abs/1804.09458. The score is the similarity divided by `temperature`.
    """

    inductive = True
    any_ways = True

    def __init__(self, backbone: nn.Module, temperature: float = 0.05) -> None:
        super().__init__(backbone)
        self.temperature = temperature

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        prototypes = normalize(class_means(normalize(support, dim=1), labels), dim=1)

        def score(queries: Tensor) -> Tensor:
            return normalize(queries, dim=1) @ prototypes.T / self.temperature

        return score
