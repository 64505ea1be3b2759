"""Omniglot's two small sets and a short training run for the tests of the learners; toy images for the rest."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.learning.data import LabelledImages, small_omniglot
from models.learning.evaluation import evaluate
from models.learning.methods import build_learner
from models.learning.training import TrainingConfig, train

OMNIGLOT = Path(__file__).parents[3] / "shared" / "data" / "omniglot"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums in another order would make the short runs differ from machine to machine more than they must."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def omniglot(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelledImages, LabelledImages]:
    if not OMNIGLOT.is_dir():
        pytest.skip(f"needs Omniglot's small background sets in {OMNIGLOT}")
    return small_omniglot(OMNIGLOT, tmp_path_factory.mktemp("omniglot"))


@pytest.fixture
def learned_accuracy(
    omniglot: tuple[LabelledImages, LabelledImages], tmp_path: Path
) -> Callable[[TrainingConfig], float]:
    """Trains as the settings say and answers the mean accuracy on 60 episodes of held-out characters."""

    def accuracy(config: TrainingConfig) -> float:
        training, test = omniglot
        learner = train(config, build_learner(config), training, tmp_path)
        return evaluate(learner, test, config.ways, config.shots, queries=5, episodes=60).accuracy.mean

    return accuracy


@pytest.fixture(scope="session")
def toy_images() -> LabelledImages:
    """Two sources of four classes, each class a random pattern seen ten times through noise."""
    random = np.random.default_rng(0)
    patterns = random.random((8, 16, 16), dtype=np.float32)
    return LabelledImages(
        images=[pattern + 0.3 * random.random((16, 16), dtype=np.float32) for pattern in patterns for _ in range(10)],
        labels=np.repeat(np.arange(8), 10),
        classes=[f"source{number // 4}/class{number}" for number in range(8)],
        sources=[f"source{number // 4}" for number in range(8)],
    )
