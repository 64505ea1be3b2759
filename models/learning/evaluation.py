"""How well a learner tells apart classes that it has never seen, with intervals, and two learners side by side."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.learning.data import Image, LabelledImages, stack_images
from models.learning.episodes import EpisodeSampler
from models.learning.learners import Learner
from models.learning.training import Prepare

BATCH = 64


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95 % interval (normal approximation: use it on 30 values or more)."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.half_width:.1f}"


def interval(values: NDArray[np.float64]) -> Interval:
    """Independent values [E] -> their mean and 95 % interval."""
    return Interval(float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values))))


@dataclass(frozen=True)
class Evaluation:
    """accuracies: [E], the share of right answers in each episode, 0..1
    confusion:  [C, C] counts of queries, row the true class and column the answer, in the order of `classes`
    """

    accuracies: NDArray[np.float64]
    confusion: NDArray[np.int64]
    classes: list[str]

    @property
    def accuracy(self) -> Interval:
        """Mean accuracy of an episode."""
        return interval(self.accuracies)

    @property
    def recall(self) -> dict[str, float]:
        """Class -> share of its queries that were recognised; nan for a class that no episode drew."""
        shown = self.confusion.sum(axis=1)
        right = np.divide(self.confusion.diagonal(), shown, out=np.full(len(shown), np.nan), where=shown > 0)
        return dict(zip(self.classes, right.tolist(), strict=True))


def evaluate(
    learner: Learner,
    data: LabelledImages,
    ways: int | None,
    shots: int | Sequence[int],
    queries: int = 10,
    episodes: int = 1000,
    seed: int = 0,
    source: str | None = None,
    encoded: Tensor | None = None,
) -> Evaluation:
    """Scores `learner` on `episodes` episodes of `data`: `ways` classes, `shots` support, `queries` query photos each.

    The same seed gives the same episodes, whatever the learner.
    ways: None for all classes. source: all classes are of this one; None mixes sources.
    encoded: what `encode` answered for this learner and data, where several evaluations share it.
    Raises ValueError where the data cannot fill the episodes.
    """
    indices = {name: each for name, each in data.indices().items() if source in {None, data.source_of()[name]}}
    sampler = EpisodeSampler(indices, ways or len(indices), shots, queries, seed)
    position = {name: label for label, name in enumerate(indices)}
    accuracies = np.zeros(episodes)
    confusion = np.zeros((len(position), len(position)), dtype=np.int64)
    learner.eval()
    encoded = encode(learner, data.images) if encoded is None else encoded
    with torch.no_grad(), _one_thread():
        for number in range(episodes):
            episode = sampler.draw(number)
            labels = torch.from_numpy(episode.support_labels).to(encoded.device)
            scores = learner.adapt(encoded[episode.support], labels)(encoded[episode.queries])
            answers = scores.argmax(dim=1).cpu().numpy()
            accuracies[number] = (answers == episode.query_labels).mean()
            names = np.array([position[name] for name in episode.classes])
            np.add.at(confusion, (names[episode.query_labels], names[answers]), 1)
    return Evaluation(accuracies, confusion, list(indices))


def paired_difference(first: Evaluation, second: Evaluation) -> Interval:
    """How much more often `first` is right than `second`, on identical episodes.

    The episodes' own difficulty cancels, so the interval is narrower than the two intervals suggest.
    Raises ValueError where the evaluations have different numbers of episodes or classes.
    """
    if first.classes != second.classes or len(first.accuracies) != len(second.accuracies):
        raise ValueError("Only evaluations on the same episodes of the same classes can be compared in pairs.")
    return interval(first.accuracies - second.accuracies)


@contextmanager
def _one_thread() -> Iterator[None]:
    """An episode is so small that several threads spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def encode(learner: Learner, images: Sequence[Image], prepare: Prepare = stack_images) -> Tensor:
    """Images -> what the learner's episodes are made of, [n, ...]. `prepare` must not be random."""
    device = next(learner.parameters()).device
    learner.eval()
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    return torch.cat([learner.encode(prepare(batch).to(device)) for batch in batches])


def validation_score(learner: Learner, data: LabelledImages, prepare: Prepare = stack_images) -> float:
    """One number to choose weights by: accuracy, 0..1, of 100 episodes of all classes of each source at 1 and 5 shots.

    Raises ValueError where a class has fewer than 15 photos, or a source one class only.
    """
    encoded = encode(learner, data.images, prepare)
    found = [
        evaluate(learner, data, None, shots, episodes=100, source=source, encoded=encoded).accuracy.mean
        for source in dict.fromkeys(data.sources)
        for shots in (1, 5)
    ]
    return float(np.mean(found))
