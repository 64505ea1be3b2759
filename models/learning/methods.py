"""Method name -> learner, on the backbone and with the sizes that a training configuration gives."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from models.learning.learners import Learner
from models.learning.learners.base_classifier import BaseClassifier
from models.learning.learners.conv4 import Conv4
from models.learning.learners.cosine_prototypical import CosinePrototypicalNetwork
from models.learning.learners.fomaml import FirstOrderMaml
from models.learning.learners.lstm_meta_learner import LstmMetaLearner
from models.learning.learners.maml import Maml
from models.learning.learners.mann import Mann
from models.learning.learners.matching import MatchingNetwork
from models.learning.learners.pretrained import PretrainedBackbone
from models.learning.learners.prototypical import PrototypicalNetwork
from models.learning.learners.relation import RelationNetwork
from models.learning.learners.reptile import Reptile
from models.learning.learners.ridge import RidgeRegression
from models.learning.learners.siamese import SiameseNetwork
from models.learning.learners.snail import Snail
from models.learning.training import TrainingConfig

CONV4 = "conv4"


@dataclass(frozen=True)
class Sizes:
    """What a learner's layers have to fit: `length` is the number of support photos."""

    backbone: str
    channels: int
    ways: int
    length: int

    @cached_property
    def embedding(self) -> nn.Module:
        """Embeds each photo on its own: [B, features]."""
        return Conv4(channels=self.channels) if self.backbone == CONV4 else PretrainedBackbone(self.backbone)

    @property
    def features(self) -> int:
        """Length of an embedding."""
        return self.embedding.dimension if isinstance(self.embedding, PretrainedBackbone) else self.channels

    def maps(self) -> Conv4:
        """Keeps the place of features: [B, channels, 7, 7] of 28 x 28 images."""
        self._need_conv4()
        return Conv4(channels=self.channels, pools=(True, True, False, False), flatten=False)

    def classifier(self) -> nn.Module:
        """A whole network that adapts: [B, ways]."""
        self._need_conv4()
        return nn.Sequential(
            Conv4(channels=self.channels, running_statistics=False), nn.Linear(self.channels, self.ways)
        )

    def _need_conv4(self) -> None:
        if self.backbone != CONV4:
            raise ValueError(f"This method works on the backbone {CONV4} only, not on '{self.backbone}'.")


METHODS: dict[str, Callable[..., Learner]] = {
    "base_classifier": lambda size, **options: BaseClassifier(size.embedding, size.features, **options),
    "siamese": lambda size, **options: SiameseNetwork(size.embedding, size.features, **options),
    "matching": lambda size, **options: MatchingNetwork(size.embedding, **options),
    "prototypical": lambda size, **options: PrototypicalNetwork(size.embedding, **options),
    "cosine_prototypical": lambda size, **options: CosinePrototypicalNetwork(size.embedding, **options),
    "relation": lambda size, **options: RelationNetwork(size.maps(), size.channels, side=7, **options),
    "mann": lambda size, **options: Mann(size.embedding, size.features, size.ways, **options),
    "snail": lambda size, **options: Snail(size.embedding, size.features, size.ways, size.length, **options),
    "ridge": lambda size, **options: RidgeRegression(size.embedding, **options),
    "lstm_meta_learner": lambda size, **options: LstmMetaLearner(size.classifier(), **options),
    "maml": lambda size, **options: Maml(size.classifier(), **options),
    "fomaml": lambda size, **options: FirstOrderMaml(size.classifier(), **options),
    "reptile": lambda size, **options: Reptile(size.classifier(), **options),
}


def build_learner(config: TrainingConfig) -> Learner:
    """A new learner, its new weights drawn from `config.seed`: for 28 x 28 Omniglot on Conv-4, or for photos.

    config.options: `channels` of the Conv-4 (64 where not given); the rest goes to the method's constructor.
    Raises ValueError for a method or an option that does not exist, CheckpointError for a backbone that does not.
    """
    if config.method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not '{config.method}'.")
    options = dict(config.options)
    size = Sizes(config.backbone, options.pop("channels", 64), config.ways, config.ways * config.shots)
    torch.manual_seed(config.seed)
    try:
        return METHODS[config.method](size, **options)
    except TypeError as error:
        raise ValueError(f"The options of {config.method} do not fit: {error}.") from error
