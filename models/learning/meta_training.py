"""A configuration carried out: all its runs, and the one learner that comes of them."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from models.learning.augmentation import Augmentation
from models.learning.data import LabelledImages, stack_images
from models.learning.distributed import join_workers
from models.learning.learners import Learner
from models.learning.methods import build_learner
from models.learning.soup import average_weights
from models.learning.training import Progress, TrainingConfig, train
from models.manifest import CheckpointError
from models.networks.tensors import fill, read_tensors, write_tensors

WEIGHTS = "weights.safetensors"


def meta_train(
    config: TrainingConfig,
    data: LabelledImages,
    folder: Path,
    validate: Callable[[Learner], float] | None = None,
    on_progress: Callable[[int, Progress], None] = lambda _run, _progress: None,
    on_update: Callable[[int, int], None] = lambda _run, _update: None,
) -> Learner:
    """Trains every run of `config` in a folder of its own below `folder`, and averages their weights.

    An interrupted call is repeated as it was: finished runs are read, the interrupted one goes on. The answered learner
    can be had again by `load_learner`. on_progress and on_update: as in `train`, with the run's number before.
    Raises what `train` raises.
    """
    prepare = Augmentation(config.view_side) if config.view_side else stack_images
    finished = []
    for number in range(config.runs):
        one = replace(config, seed=config.seed + number, runs=1)
        learner = train(
            one,
            build_learner(one),
            data,
            folder / f"run{number}",
            prepare,
            validate,
            lambda progress, number=number: on_progress(number, progress),  # type: ignore[misc]
            lambda update, number=number: on_update(number, update),  # type: ignore[misc]
        )
        finished.append(learner.state_dict())
    learner.load_state_dict(average_weights(finished))
    if join_workers().is_first:
        write_tensors(folder / WEIGHTS, learner.state_dict(), {"config": json.dumps(asdict(config))})
    return learner


def load_learner(folder: Path) -> tuple[TrainingConfig, Learner]:
    """What `meta_train` left in `folder`. Raises CheckpointError where it did not finish, or the file is damaged."""
    tensors, metadata = read_tensors(folder / WEIGHTS)
    if "config" not in metadata:
        raise CheckpointError(f"The file {folder / WEIGHTS} does not say how it was trained.")
    config = TrainingConfig(**json.loads(metadata["config"]))
    learner = build_learner(config)
    fill(folder / WEIGHTS, learner, tensors)
    return config, learner.eval()
