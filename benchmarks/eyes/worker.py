"""One process of several that share the GPU: takes jobs, trains, scores, and says what came of it."""

import os
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.eyes.jobs import Job
from benchmarks.eyes.scoring import Validation, means
from benchmarks.eyes.start import Start
from models.learning.batch_views import BatchViews
from models.learning.data import LabelledImages
from models.learning.distributed import local_device
from models.learning.learners.ridge import RidgeRegression
from models.learning.training import train
from models.networks.tensors import write_tensors

CHOOSING = 300
"""Episodes of each source and number of shots that weights are chosen by; the last evaluation draws others."""

EVERY = 5
"""Updates between two sets of weights that a run's mean is of."""


@dataclass(frozen=True)
class Pool:
    """Photos of all sources in one file, uint8 [N, side, side, 3], with their classes."""

    file: Path
    labels: NDArray[np.int64]
    classes: list[str]
    sources: list[str]

    def load(self, device: torch.device) -> Tensor:
        """The photos, on the device."""
        return torch.from_numpy(np.load(self.file)).to(device)

    def all(self) -> LabelledImages:
        """Every photo, by its row."""
        return self.some(set(self.sources))

    def some(self, wanted: set[str]) -> LabelledImages:
        """The classes of these sources; images are rows of the file, for a `prepare` that finds them there."""
        kept = [label for label, source in enumerate(self.sources) if source in wanted]
        rows = np.flatnonzero(np.isin(self.labels, kept))
        images: Any = rows.tolist()
        return LabelledImages(
            images,
            np.searchsorted(kept, self.labels[rows]),
            [self.classes[label] for label in kept],
            [self.sources[label] for label in kept],
        )


@dataclass(frozen=True)
class Task:
    """What every worker needs to know. narrow: the sources of `train`; deadline: of `time.monotonic`."""

    train: Pool
    validation: Pool
    narrow: frozenset[str]
    runs: Path
    deadline: float


class OutOfTimeError(Exception):
    """The deadline passed in the middle of a run."""


class Tail:
    """The weights of a run's second half, every fifth update and the last: their mean, and the last ones."""

    def __init__(self, network: Start, updates: int) -> None:
        self._features = network.features
        self._updates = updates
        self._count = 0
        self.last: dict[str, Tensor] = {}
        self._total: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, update: int) -> None:
        """Looks at the network after an update."""
        is_last = update == self._updates
        if not is_last and (2 * update < self._updates or update % EVERY):
            return
        self._count += 1
        now = {name: tensor.clone() for name, tensor in self._features.state_dict().items()}
        for name, tensor in now.items():
            if tensor.is_floating_point():
                self._total[name] = self._total[name] + tensor if name in self._total else tensor.clone()
        if is_last:
            self.last = now

    def mean(self) -> dict[str, Tensor]:
        """The mean of what was looked at; whole numbers are the last ones."""
        return {
            name: self._total[name] / self._count if name in self._total else each for name, each in self.last.items()
        }


def work(tasks: Any, jobs: Any, results: Any) -> None:
    """Takes its task from one queue and jobs from another, until None comes; puts a dictionary of JSON values for each
    on the third.
    """
    # Short runs: compiling would take longer than they do.
    os.environ |= {"TORCHDYNAMO_DISABLE": "1", "TORCH_COMPILE_DISABLE": "1"}
    torch.set_num_threads(1)
    device = local_device()
    torch.zeros(1, device=device)  # what CUDA needs to start, while photos are drawn
    task: Task = tasks.get()
    photos, validation = task.train.load(device), _validation(task, device)
    while (job := jobs.get()) is not None:
        started = time.monotonic()
        result: dict[str, Any] = {"name": job.name, "seed": job.config.seed, "job": job.described()}
        try:
            if started > task.deadline:
                raise OutOfTimeError  # noqa: TRY301
            result |= run(job, task, photos, validation)
        except OutOfTimeError:
            result["error"] = "out of time"
        except Exception:  # noqa: BLE001 - the other runs go on
            result["error"] = traceback.format_exc()
        result["seconds"] = round(time.monotonic() - started, 1)
        results.put(result)
        if "CUDA error" in result.get("error", ""):
            return  # nothing works in this process after that


def _validation(task: Task, device: torch.device) -> Validation:
    return Validation(task.validation.all(), task.validation.load(device), CHOOSING, seed=1)


def run(job: Job, task: Task, photos: Tensor, validation: Validation) -> dict[str, Any]:
    """Trains, and scores three sets of weights: the best ones of the validation, the last, and the mean of the second
    half of the updates. Each is left in a file.
    """
    torch.manual_seed(job.config.seed)
    network = Start(job.config.backbone)
    learner = RidgeRegression(network, **job.config.options).to(memory_format=torch.channels_last)
    curve: list[dict[str, float]] = []
    tail = Tail(network, job.config.updates)

    def score() -> dict[str, float]:
        return means(validation.accuracies(validation.embeddings(network)))

    def on_update(update: int) -> None:
        if time.monotonic() > task.deadline:
            raise OutOfTimeError
        tail.add(update)

    def validate(_: Any) -> float:
        curve.append(score())
        return curve[-1]["mean"]

    folder = task.runs / f"{job.name}-{job.config.seed}".replace(" ", "_").replace(",", "")
    begun = time.monotonic()
    train(
        job.config,
        learner,
        task.train.some(_sources(job, task)),
        folder,
        BatchViews(photos, job.sides, job.zoom),  # type: ignore[arg-type]
        validate,
        on_update=on_update,
    )
    trained = time.monotonic() - begun
    features = network.features
    kinds = {"best": dict(features.state_dict()), "last": tail.last, "mean": tail.mean()}
    scores, files = {}, {}
    for kind, weights in kinds.items():
        files[kind] = str(folder / f"{kind}.safetensors")
        write_tensors(Path(files[kind]), weights)
    for kind in ("last", "mean"):
        features.load_state_dict(kinds[kind])
        scores[kind] = score()
    scores["best"] = max(curve, key=lambda each: each["mean"])
    for heavy in ("run.safetensors", "weights.safetensors"):
        (folder / heavy).unlink(missing_ok=True)
    return {"training_s": round(trained, 1), "curve": curve, "scores": scores, "files": files}


def _sources(job: Job, task: Task) -> set[str]:
    drawn = {f"drawn{number:04d}" for number in range(job.drawn)}
    real = {source for source in task.train.sources if not source.startswith("drawn")}
    return (drawn | (real if job.wide else set(task.narrow))) - set(job.without)
