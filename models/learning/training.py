"""Episodic meta-training: draw a few episodes, take the mean of their losses, step, and again.

`train` is the whole story; what is around it reads its settings and keeps its record. It stops and goes on at any
point: each update draws its episodes from (seed, process, update), so nothing but the position has to be remembered.
"""

import csv
import json
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from models.learning.allocator import keep_freed_memory
from models.learning.data import Image, LabelledImages, stack_images
from models.learning.distributed import Workers, join_workers, local_device
from models.learning.episodes import Episode, EpisodeSampler
from models.learning.learners import Learner
from models.learning.resume import load_facts, load_run, save_run
from models.networks.tensors import fill, read_tensors, replace_file, write_tensors

Prepare = Callable[[Sequence[Image]], Tensor]
"""n images of the data set -> what the learner's backbone takes: float32 [n, C, H, W] for Conv-4, uint8 [n, H, W, 3]
for a checkpoint's network. The place for resizing and augmentation."""

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
SCHEDULES: dict[str, Callable[[float], float]] = {"constant": lambda _: 1.0, "linear": lambda done: 1.0 - done}


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; `options` are the keyword arguments of the method (see methods.py).

    An update is one step of the optimizer, on `episodes_per_update` episodes of `ways` classes, `shots` support and
    `queries` query photos each. Every `save_every` updates a row is logged, and the run saved.
    backbone: what the method trains: 'conv4', new, or the name of a checkpoint to start from.
    schedule: 'constant', or 'linear' from learning_rate to 0, after `warm_up` updates in which it rises from 0.
    clip_norm: largest gradient norm, 0 for no limit. inside, fewest_ways: see EpisodeSampler.
    view_side: pixels a side of the random views that photos are trained on; 0 where images are taken as they are.
    runs: so many runs, with `seed` and the numbers after it, whose weights are averaged in the end.
    """

    method: str
    ways: int
    shots: int
    queries: int
    updates: int
    learning_rate: float
    backbone: str = "conv4"
    episodes_per_update: int = 1
    optimizer: str = "adam"
    schedule: str = "constant"
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    warm_up: int = 0
    inside: float = 0.0
    fewest_ways: int = 0
    fewest_shots: int = 0
    save_every: int = 100
    seed: int = 0
    runs: int = 1
    view_side: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is one of {', '.join(OPTIMIZERS)}, not '{self.optimizer}'.")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is one of {', '.join(SCHEDULES)}, not '{self.schedule}'.")
        for name in ("updates", "episodes_per_update", "save_every", "runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}.")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is above 0, not {self.learning_rate}.")


def read_config(path: Path) -> TrainingConfig:
    """A .toml or .json file -> TrainingConfig. Raises ValueError naming what is wrong with it."""
    text = path.read_text(encoding="utf-8")
    try:
        values: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return TrainingConfig(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"The settings file {path} cannot be used: {error}") from error


@dataclass(frozen=True)
class Progress:
    """One row of the log: means over the updates since the last row, and seconds of training so far."""

    update: int
    loss: float
    accuracy: float
    validation: float | None
    seconds: float


def train(
    config: TrainingConfig,
    learner: Learner,
    data: LabelledImages,
    folder: Path,
    prepare: Prepare = stack_images,
    validate: Callable[[Learner], float] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_update: Callable[[int], None] = lambda _: None,
) -> Learner:
    """Trains `learner` and answers it in evaluation mode; goes on where an interrupted run in `folder` stopped.

    on_update hears of every update done, on_progress of every row of the log.
    Writes to `folder`: log.csv, run.safetensors (to resume) and weights.safetensors: the weights with the highest
    validate(learner) where that is given (0 or more), which are the ones answered, and otherwise the last.
    Uses the GPU where there is one (bfloat16 autocast, compiled backbone), and every process that torchrun started;
    these must see the same `folder`.

    Raises ValueError where `folder` holds a run with other settings, or the data cannot fill the episodes, and
    CheckpointError where the run in it is damaged.
    """
    keep_freed_memory()
    workers, device = join_workers(), local_device()
    run_file, weights_file = folder / "run.safetensors", folder / "weights.safetensors"
    _refuse_other_run(run_file, config)
    sampler = _sampler(config, data, workers)
    folder.mkdir(parents=True, exist_ok=True)

    learner.to(device).train()
    parameters = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    settings: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    optimizer = OPTIMIZERS[config.optimizer](parameters, **settings)
    done, best, seconds = 0, -1.0, 0.0
    if run_file.exists():
        facts = load_run(run_file, learner, optimizer)
        done, best, seconds = facts["update"], facts["best"], facts["seconds"]
    log = _Log(folder / "log.csv", done) if workers.is_first else None
    workers.share_weights(learner)
    if device.type == "cuda":
        learner.backbone.compile()

    losses, accuracies, started = [], [], time.perf_counter() - seconds
    for update in range(done, config.updates):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(config, update)
        torch.manual_seed((sampler.seed << 32) + update)
        first = update * config.episodes_per_update
        episodes = [sampler.draw(first + number) for number in range(config.episodes_per_update)]
        loss, accuracy = meta_loss(learner, episodes, data, prepare, device)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        workers.average_gradients(parameters)
        if config.clip_norm:
            clip_grad_norm_(parameters, config.clip_norm)
        optimizer.step()
        losses.append(loss.detach())
        accuracies.append(accuracy)

        on_update(update + 1)
        finished = update + 1 == config.updates
        if (update + 1) % config.save_every == 0 or finished:
            score = _validated(learner, validate)
            progress = Progress(update + 1, _mean(losses), _mean(accuracies), score, time.perf_counter() - started)
            losses, accuracies = [], []
            if log is not None:
                log.add(progress)
                if (finished and score is None) or (score is not None and score > best):
                    write_tensors(weights_file, learner.state_dict())
                    best = best if score is None else score
                facts = {"config": asdict(config), "update": update + 1, "best": best, "seconds": progress.seconds}
                save_run(run_file, learner, optimizer, facts)
                on_progress(progress)
    workers.wait()
    fill(weights_file, learner, read_tensors(weights_file)[0])
    return learner.eval()


def meta_loss(
    learner: Learner, episodes: Sequence[Episode], data: LabelledImages, prepare: Prepare, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Mean loss of several episodes, a scalar, and their mean query accuracy.

    All images go through the backbone at once; only then are the episodes told apart.
    """
    sizes = [len(part) for episode in episodes for part in (episode.support, episode.queries)]
    wanted = [data.images[i] for episode in episodes for part in (episode.support, episode.queries) for i in part]
    # The backbone alone runs in half precision: distances and inner gradient steps need all their digits.
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        encoded = torch.split(learner.encode(prepare(wanted).to(device)).float(), sizes)
    total, correct = torch.zeros((), device=device), torch.zeros((), device=device)
    for number, episode in enumerate(episodes):
        both = (episode.support_labels, episode.query_labels)
        if learner.base_labels:
            both = (data.labels[episode.support], data.labels[episode.queries])
        labels, targets = (torch.from_numpy(each).to(device) for each in both)
        loss, scores = learner.episode_loss(encoded[2 * number], labels, encoded[2 * number + 1], targets)
        total = total + loss
        correct += (scores.argmax(dim=1) == targets).float().mean()
    return total / len(episodes), correct / len(episodes)


def _sampler(config: TrainingConfig, data: LabelledImages, workers: Workers) -> EpisodeSampler:
    sources = data.source_of() if config.inside else None
    # Processes must not draw the same episodes: each has a seed of its own.
    seed = config.seed * workers.count + workers.rank
    size = (config.ways, config.shots, config.queries, seed)
    return EpisodeSampler(data.indices(), *size, sources, config.inside, config.fewest_ways, config.fewest_shots)


def _learning_rate(config: TrainingConfig, update: int) -> float:
    warmth = min(1.0, (update + 1) / config.warm_up) if config.warm_up else 1.0
    return config.learning_rate * warmth * SCHEDULES[config.schedule](update / config.updates)


def _refuse_other_run(run_file: Path, config: TrainingConfig) -> None:
    facts = load_facts(run_file)
    if facts is None:
        return
    wanted = json.loads(json.dumps(asdict(config)))
    changed = [name for name in wanted if facts["config"].get(name) != wanted[name]]
    if changed:
        raise ValueError(
            f"The folder {run_file.parent} holds a run with other settings ({', '.join(changed)}); "
            "choose another folder, or the settings of that run."
        )


def _validated(learner: Learner, validate: Callable[[Learner], float] | None) -> float | None:
    if validate is None:
        return None
    score = validate(learner.eval())
    learner.train()
    return score


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())


class _Log:
    """log.csv, one row for each Progress; rows after the saved position are of an interrupted stretch and go."""

    def __init__(self, path: Path, done: int) -> None:
        self._path = path
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        kept = [row for row in csv.reader(rows) if int(row[0]) <= done]
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            csv.writer(file).writerows([[column.name for column in fields(Progress)], *kept])
        replace_file(path, partial)

    def add(self, progress: Progress) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow(asdict(progress).values())
