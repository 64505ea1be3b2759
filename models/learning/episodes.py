"""N-way K-shot episodes: small recognition tasks drawn from a large set of labelled photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Episode:
    """One task. Label n stands for `classes[n]`; photos are named by their index in the data set.

    Shapes: `support` and `support_labels` [S], `queries` and `query_labels` [Q].
    """

    classes: tuple[str, ...]
    support: Indices
    support_labels: Indices
    queries: Indices
    query_labels: Indices


@dataclass(frozen=True)
class EpisodeSampler:
    """Draws the episodes of one seed; episode i is the same whatever was drawn before it.

    labels:  class name -> indices of its photos
    ways:    classes in an episode
    shots:   support photos of a class, or one number for each of the `ways` classes
    queries: query photos of a class, never support photos of the same episode
    sources: class name -> source. When given, the classes of an episode share one source, drawn in proportion to
             its classes among the sources that have enough; when not, an episode mixes sources.
    inside:  share of the episodes, 0..1, whose classes share a source where `sources` is given; the others mix.
    fewest_ways: a source with fewer than `ways` classes, but this many, gives episodes of all its classes;
             0 leaves such sources out.
    fewest_shots: where above 0, each class of each episode has a number of support photos of its own, from this to
             what `shots` says.

    Raises ValueError, naming the class or source, where the photos cannot fill an episode.
    """

    labels: Mapping[str, Sequence[int] | Indices]
    ways: int
    shots: int | Sequence[int]
    queries: int
    seed: int = 0
    sources: Mapping[str, str] | None = None
    inside: float = 1.0
    fewest_ways: int = 0
    fewest_shots: int = 0
    _pools: list[list[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.ways <= 1:
            raise ValueError(f"An episode needs at least 2 classes, not {self.ways}.")
        if len(self._shots) != self.ways:
            raise ValueError(f"{len(self._shots)} shots were given for {self.ways} classes.")
        if self.fewest_shots > min(self._shots):
            raise ValueError(
                f"fewest_shots is at most the {min(self._shots)} shots of a class, not {self.fewest_shots}."
            )
        if min(self._shots) < 1 or self.queries < 1:
            raise ValueError("Every class of an episode needs at least one support photo and one query photo.")
        needed = max(self._shots) + self.queries
        for name, photos in self.labels.items():
            if len(photos) < needed:
                raise ValueError(
                    f"Class '{name}' has {len(photos)} photos; an episode needs {needed} "
                    f"({max(self._shots)} support and {self.queries} query photos)."
                )
        object.__setattr__(self, "_pools", self._class_pools())

    @property
    def _shots(self) -> list[int]:
        return [self.shots] * self.ways if isinstance(self.shots, int) else list(self.shots)

    def _class_pools(self) -> list[list[str]]:
        by_source: dict[str, list[str]] = {}
        for name in self.labels:
            by_source.setdefault(self.sources[name] if self.sources else "all sources", []).append(name)
        needed = self.fewest_ways or self.ways
        pools = [names for names in by_source.values() if len(names) >= needed]
        if not pools:
            counts = ", ".join(f"{source} has {len(names)}" for source, names in by_source.items()) or "there are none"
            raise ValueError(f"An episode needs {needed} classes: {counts}.")
        return pools

    def _pool(self, random: np.random.Generator) -> list[str]:
        if self.sources and random.random() >= self.inside:
            return list(self.labels)
        sizes = np.array([len(names) for names in self._pools])
        return self._pools[random.choice(len(sizes), p=sizes / sizes.sum())]

    def draw(self, number: int) -> Episode:
        """Episode `number` (0, 1, ...) of this seed, its support and query photos shuffled."""
        random = np.random.default_rng([self.seed, number])
        pool = self._pool(random)
        classes = tuple(pool[i] for i in random.choice(len(pool), min(self.ways, len(pool)), replace=False))
        support: list[tuple[int, int]] = []
        queries: list[tuple[int, int]] = []
        for label, (name, most) in enumerate(zip(classes, self._shots[: len(classes)], strict=True)):
            shots = int(random.integers(self.fewest_shots, most + 1)) if self.fewest_shots else most
            photos = random.choice(np.asarray(self.labels[name]), shots + self.queries, replace=False)
            support += [(int(photo), label) for photo in photos[:shots]]
            queries += [(int(photo), label) for photo in photos[shots:]]
        shuffled_support = random.permutation(np.array(support, dtype=np.int64)).T
        shuffled_queries = random.permutation(np.array(queries, dtype=np.int64)).T
        return Episode(classes, shuffled_support[0], shuffled_support[1], shuffled_queries[0], shuffled_queries[1])
