"""Method name -> learner on Conv-4, with the sizes that a training configuration gives."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from models.learners import Learner
from models.learners.conv4 import Conv4
from models.learners.fomaml import FirstOrderMaml
from models.learners.lstm_meta_learner import LstmMetaLearner
from models.learners.maml import Maml
from models.learners.mann import Mann
from models.learners.matching import MatchingNetwork
from models.learners.prototypical import PrototypicalNetwork
from models.learners.relation import RelationNetwork
from models.learners.reptile import Reptile
from models.learners.siamese import SiameseNetwork
from models.learners.snail import Snail
from models.training import TrainingConfig


@dataclass(frozen=True)
class Sizes:
    """What a learner's layers have to fit: `length` is the number of support photos."""

    channels: int
    ways: int
    length: int

    def conv4(self) -> Conv4:
        """Embeds each photo on its own: [B, channels]."""
        return Conv4(channels=self.channels)

    def maps(self) -> Conv4:
        """Keeps the place of features: [B, channels, 7, 7] of 28 x 28 images."""
        return Conv4(channels=self.channels, pools=(True, True, False, False), flatten=False)

    def classifier(self) -> nn.Module:
        """A whole network that adapts: [B, ways]."""
        return nn.Sequential(
            Conv4(channels=self.channels, running_statistics=False), nn.Linear(self.channels, self.ways)
        )


METHODS: dict[str, Callable[..., Learner]] = {
    "siamese": lambda size, **options: SiameseNetwork(size.conv4(), size.channels, **options),
    "matching": lambda size, **options: MatchingNetwork(size.conv4(), **options),
    "prototypical": lambda size, **options: PrototypicalNetwork(size.conv4(), **options),
    "relation": lambda size, **options: RelationNetwork(size.maps(), size.channels, side=7, **options),
    "mann": lambda size, **options: Mann(size.conv4(), size.channels, size.ways, **options),
    "snail": lambda size, **options: Snail(size.conv4(), size.channels, size.ways, size.length, **options),
    "lstm_meta_learner": lambda size, **options: LstmMetaLearner(size.classifier(), **options),
    "maml": lambda size, **options: Maml(size.classifier(), **options),
    "fomaml": lambda size, **options: FirstOrderMaml(size.classifier(), **options),
    "reptile": lambda size, **options: Reptile(size.classifier(), **options),
}


def build_learner(config: TrainingConfig) -> Learner:
    """A new learner for 28 x 28 Omniglot, its weights drawn from `config.seed`.

    config.options: `channels` of the Conv-4 (64 where not given); the rest goes to the method's constructor.
    Raises ValueError for a method or an option that does not exist.
    """
    if config.method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not '{config.method}'.")
    options = dict(config.options)
    size = Sizes(options.pop("channels", 64), config.ways, config.ways * config.shots)
    torch.manual_seed(config.seed)
    try:
        return METHODS[config.method](size, **options)
    except TypeError as error:
        raise ValueError(f"The options of {config.method} do not fit: {error}.") from error
