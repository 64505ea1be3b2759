"""Random draws of supports inside one source, and what follows from them, by the functions that the service uses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.sources import Source
from models.prototypes import embedding_sum, prototype, similarities
from models.ridge_head import fit_head

SEED = 2026


@dataclass(frozen=True)
class Draw:
    """One choice of supports: `supports` int64 [C, K] and `queries` int64 [Q] are places of photos in the source."""

    classes: tuple[int, ...]
    supports: NDArray[np.int64]
    queries: NDArray[np.int64]

    def fewer(self, shots: int) -> "Draw":
        """The first `shots` supports of each class, with the same queries."""
        return Draw(self.classes, self.supports[:, :shots], self.queries)


def draw(source: Source, number: int, shots: int, classes: Sequence[int] | None = None) -> Draw:
    """The draw of this number: `shots` random supports of every class; all other photos of the classes are queries."""
    generator = np.random.default_rng([SEED, number])
    chosen, rest = [], []
    for label in range(len(source.classes)):
        places = generator.permutation(source.of_class(label))
        if classes is None or label in classes:
            chosen.append(places[:shots])
            rest.append(places[shots:])
    return Draw(
        tuple(range(len(source.classes)) if classes is None else classes), np.stack(chosen), np.concatenate(rest)
    )


def cosines(source: Source, chosen: Draw, queries: NDArray[np.int64]) -> NDArray[np.float32]:
    """Similarities float32 [Q, C] of photos to the prototypes of a draw."""
    sums = np.stack([embedding_sum(source.embeddings[places]) for places in chosen.supports])
    return similarities(source.embeddings[queries], prototype(sums))


def predictions(source: Source, chosen: Draw) -> NDArray[np.int64]:
    """The class that the service gives every query, by embedding."""
    supports = source.embeddings[np.concatenate(chosen.supports)]
    head = fit_head(supports, np.repeat(np.arange(len(chosen.supports)), chosen.supports.shape[1]))
    scores = cosines(source, chosen, chosen.queries) if head.outdone else head.scores(source.embeddings[chosen.queries])
    places = scores.argmax(axis=1)
    found: NDArray[np.int64] = np.asarray(chosen.classes)[places]
    return found


def aspect_predictions(source: Source, chosen: Draw) -> NDArray[np.int64]:
    """The nearest class of every query, by the shape of the photo alone: nothing of its content."""
    means = source.log_aspects[chosen.supports].mean(axis=1)
    distances = np.abs(source.log_aspects[chosen.queries][:, np.newaxis] - means)
    found: NDArray[np.int64] = np.asarray(chosen.classes)[distances.argmin(axis=1)]
    return found


def confusion(source: Source, chosen: Draw, predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts int64 [C, C]: rows are the truth."""
    counts = np.zeros((len(source.classes),) * 2, np.int64)
    np.add.at(counts, (source.labels[chosen.queries], predicted), 1)
    return counts


@dataclass(frozen=True)
class Interval:
    """A mean over draws with its 95 % interval, and the standard deviation of a single draw."""

    mean: float
    half: float
    deviation: float

    def __str__(self) -> str:
        """In per cent."""
        return f"{100 * self.mean:.1f} ± {100 * self.half:.1f}"


def interval(values: Iterable[float]) -> Interval:
    """The mean of independent draws."""
    figures = np.fromiter(values, float)
    deviation = float(figures.std(ddof=1)) if len(figures) > 1 else float("nan")
    return Interval(float(figures.mean()), 1.96 * deviation / len(figures) ** 0.5, deviation)
