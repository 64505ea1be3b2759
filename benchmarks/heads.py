"""What a head fitted to a catalog is worth beside plain prototypes, and what more views of a photo are worth.

    python -m benchmarks.heads

writes HEADS.md: accuracy by shots, with unequal classes, with a wrong example in each class, and milliseconds.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.config import Settings
from app.photos import reading
from benchmarks import draws, pictures, report, sources, timing
from benchmarks.report import Section
from models.backbones import Backbone, load_backbone
from models.leave_one_out import nearest_without
from models.options import Views
from models.prototypes import embedding_sum, l2_normalise, prototype, similarities
from models.ridge_head import PHOTOS_A_SUSPECT, RidgeHead, fit_head

SHOTS = (1, 2, 5, 10, 20, 40, 50)
QUERIES = 9
VIEWS: tuple[Views, ...] = ("quick", "accurate")
UNEQUAL = ((1, 5, 20), (5, 5, 30), (1, 20, 20), (1, 5, 5))
FITTED = (20, 100, 500)
REPORT = report.HERE / "HEADS.md"

Scores = NDArray[np.float32]

BY_SHOTS = f"""All classes of one source, {QUERIES} queries a class. *Prototypes*: nearest mean. *Head*: what the
service uses, `models.ridge_head`, or prototypes where leave-one-out says that they are better. *Gain*: head minus
prototypes on the same episodes. *Accurate*: the same with `HAJA_VIEWS=accurate`. Accuracy in per cent with the 95 %
interval over episodes; fewer sources have enough photos for many shots."""

UNEQUAL_CLASSES = """The classes of an episode have these numbers of photos in turn, in random order. A head that does
not weigh classes evenly loses here."""

WRONG = """5 photos a class; in *one wrong* one of them is replaced by a photo of another class of the source, in every
class (20 %). *Loss*: how much accuracy that costs, and in brackets its share of the loss of plain prototypes. *Below
plain*: what is missing to plain prototypes without a wrong photo, and its share of the same. *Without it*: prototypes
of the four right photos, which is what somebody who knew the wrong one would have."""

DECIDING = """Whether leave-one-out on the support photos themselves should decide between head and prototypes, and
how, 5 photos a class: *sign test* takes prototypes only where they are better by more than chance, which is what the
service does; *plain count* takes whichever is right more often."""

CHOICES = """Penalty and the numbers behind the trust in support photos were chosen on these same sources, by episodes
drawn otherwise, so the gains are a little high."""


@dataclass(frozen=True)
class Episode:
    """Places of photos in a source: supports and queries of C classes, with their labels 0..C-1."""

    supports: NDArray[np.int64]
    labels: NDArray[np.int64]
    queries: NDArray[np.int64]
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class Photos:
    """One source: for each class its photos, as places in the embeddings of each kind of views, float32 [N, D]."""

    name: str
    classes: list[NDArray[np.int64]]
    embeddings: dict[Views, NDArray[np.float32]]

    def episodes(self, shots: Sequence[int], count: int, *, wrong: bool = False) -> Iterator[Episode]:
        """`shots` of each class, in random order; the same queries with and without a wrong photo."""
        for number in range(count):
            random = np.random.default_rng([4, number])
            drawn = [random.permutation(places) for places in self.classes]
            of_class = random.permutation(shots)
            chosen = [places[:many].copy() for places, many in zip(drawn, of_class, strict=True)]
            for label, supports in enumerate(chosen):
                other = (label + random.integers(1, len(drawn))) % len(drawn)
                if wrong:
                    supports[0] = drawn[other][-1]  # no query, and no support of its own class
            rest = [places[many : many + QUERIES] for places, many in zip(drawn, of_class, strict=True)]
            labels, truth = (np.repeat(np.arange(len(drawn)), [len(each) for each in part]) for part in (chosen, rest))
            yield Episode(np.concatenate(chosen), labels, np.concatenate(rest), truth)

    def enough_for(self, shots: int) -> bool:
        """Whether every class has the photos, one for a wrong example among them."""
        return min(map(len, self.classes)) >= shots + QUERIES + 1

    def accuracies(self, episodes: Iterator[Episode], views: Views, judges: Sequence["Judge"]) -> NDArray[np.float64]:
        """Of each judge in each episode, [J, E]."""
        embeddings = self.embeddings[views]
        found = []
        for each in episodes:
            supports = embeddings[each.supports]
            head = fit_head(supports, each.labels)
            scores = (judge(supports, each.labels, embeddings[each.queries], head) for judge in judges)
            found.append([float((score.argmax(axis=1) == each.truth).mean()) for score in scores])
        return np.array(found).T


Judge = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], RidgeHead], Scores]


def by_prototypes(supports: Scores, labels: NDArray[np.int64], queries: Scores, _: RidgeHead) -> Scores:
    """Cosines to the mean directions."""
    sums = np.stack([embedding_sum(supports[labels == label]) for label in range(labels.max() + 1)])
    return similarities(queries, prototype(sums))


def by_service(supports: Scores, labels: NDArray[np.int64], queries: Scores, head: RidgeHead) -> Scores:
    """As the service judges."""
    return by_prototypes(supports, labels, queries, head) if head.outdone else head.scores(queries)


def by_head(supports: Scores, labels: NDArray[np.int64], queries: Scores, head: RidgeHead) -> Scores:
    """The head, whatever leave-one-out says."""
    del supports, labels
    return head.scores(queries)


def by_count(supports: Scores, labels: NDArray[np.int64], queries: Scores, head: RidgeHead) -> Scores:
    """Head or prototypes, whichever is right for more support photos by leave-one-out; the head at equal counts."""
    lead = (nearest_without(supports, labels) == labels).sum() - (head.nearest == labels).sum()
    return by_prototypes(supports, labels, queries, head) if lead > 0 else head.scores(queries)


def by_median(supports: Scores, labels: NDArray[np.int64], queries: Scores, _: RidgeHead) -> Scores:
    """Cosines to geometric medians (Weiszfeld's iteration), which few outliers hardly move."""
    return similarities(queries, np.stack([_median(supports[labels == each]) for each in range(labels.max() + 1)]))


def by_right_ones(supports: Scores, labels: NDArray[np.int64], queries: Scores, head: RidgeHead) -> Scores:
    """Prototypes without the first photo of each class."""
    right = np.concatenate([np.flatnonzero(labels == label)[1:] for label in range(labels.max() + 1)])
    return by_prototypes(supports[right], labels[right], queries, head)


def _median(points: Scores, rounds: int = 30) -> Scores:
    centre = points.mean(axis=0)
    for _ in range(rounds):
        weights = 1 / np.maximum(np.linalg.norm(points - centre, axis=1), 1e-6)
        centre = weights @ points / weights.sum()
    return l2_normalise(centre)


def main() -> None:
    """Report on the validation sources and write HEADS.md; `--quick` takes few episodes and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    episodes = 10 if options.quick else options.episodes
    names = sources.available("validation")
    if not names:
        print(f"skipped: there are no photos in {sources.DATA / 'validation'}")
        return
    load = os.getloadavg()[0]
    threadpool_limits(1, "blas")  # as the service does
    backbones = {views: load_backbone(views=views, threads=Settings().embed_threads) for views in VIEWS}
    everything = [_photos(name, backbones) for name in names]
    section = Section("heads", "Heads and views")
    section.text(report.environment(f"python -m benchmarks.heads --episodes {episodes}", load))
    section.text(f"Backbone `{backbones['quick'].backbone_id}`; {episodes:,} episodes a row. " + _flat(CHOICES))
    section.text("### Accuracy by shots\n\n" + _flat(BY_SHOTS))
    section.table(
        ["source", "ways", "shots", "prototypes", "head", "gain", "accurate: prototypes", "accurate: head",
         "accurate: gain over quick head"],
        [_by_shots(each, shots, episodes) for each in everything for shots in SHOTS if each.enough_for(shots)],
    )  # fmt: skip
    section.text("### Unequal classes\n\n" + _flat(UNEQUAL_CLASSES))
    section.table(["source", "photos a class", "prototypes", "head", "gain"], _unequal(everything, episodes))
    section.text("### A wrong example in every class\n\n" + _flat(WRONG))
    section.table(
        ["views", "judge", "none wrong", "one wrong", "loss", "below plain"],
        [row for views in VIEWS for row in _wrong(everything, views, episodes)],
    )
    section.text("### Does leave-one-out decide well?\n\n" + _flat(DECIDING))
    section.table(["source", "always the head", "sign test", "plain count"], _deciding(everything, episodes))
    section.text("### Milliseconds\n\nMedian and 10 to 90 % range of calls in turns, in one run, one thread of BLAS.")
    _speed(section, backbones, 2 if options.quick else 15)
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


def _photos(name: str, backbones: dict[Views, Backbone]) -> Photos:
    loaded = {views: sources.load("validation", name, backbone) for views, backbone in backbones.items()}
    classes = [loaded["quick"].of_class(label) for label in range(len(loaded["quick"].classes))]
    return Photos(name, classes, {views: source.embeddings for views, source in loaded.items()})


def _by_shots(each: Photos, shots: int, count: int) -> list[object]:
    equal = [shots] * len(each.classes)
    prototypes, head = each.accuracies(each.episodes(equal, count), "quick", [by_prototypes, by_service])
    more = each.accuracies(each.episodes(equal, count), "accurate", [by_prototypes, by_service])
    figures = [prototypes, head, head - prototypes, *more, more[1] - head]
    return [each.name, len(each.classes), shots, *map(draws.interval, figures)]


def _unequal(everything: list[Photos], count: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for each in everything:
        for pattern in UNEQUAL:
            if each.enough_for(max(pattern)):
                shots = [pattern[place % len(pattern)] for place in range(len(each.classes))]
                both = each.accuracies(each.episodes(shots, count), "quick", [by_prototypes, by_service])
                gain = draws.interval(both[1] - both[0])
                rows.append([each.name, ", ".join(map(str, shots)), *map(draws.interval, both), gain])
    return rows


def _wrong(everything: list[Photos], views: Views, count: int) -> list[list[object]]:
    judges = {"prototypes": by_prototypes, "geometric median": by_median, "without it": by_right_ones,
              "head": by_service}  # fmt: skip
    right, wrong = (
        np.mean([
            each.accuracies(
                each.episodes([PHOTOS_A_SUSPECT] * len(each.classes), count, wrong=spoilt), views, list(judges.values())
            )
            for each in everything
        ], axis=0)
        for spoilt in (False, True)
    )  # fmt: skip
    plain = (right[0] - wrong[0]).mean()

    def share(missing: NDArray[np.float64]) -> str:
        return f"{draws.interval(missing)} ({missing.mean() / plain:.0%})"

    return [
        [views, name, draws.interval(clean), draws.interval(spoilt), share(clean - spoilt), share(right[0] - spoilt)]
        for name, clean, spoilt in zip(judges, right, wrong, strict=True)
    ]


def _deciding(everything: list[Photos], count: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for each in everything:
        episodes = each.episodes([PHOTOS_A_SUSPECT] * len(each.classes), count)
        found = each.accuracies(episodes, "quick", [by_head, by_service, by_count])
        rows.append([each.name, *map(draws.interval, found)])
    return rows


def _speed(section: Section, backbones: dict[Views, Backbone], rounds: int) -> None:
    data = pictures.drawn(3000, 4000)[0]
    works: dict[str, timing.Work] = {}
    for views, backbone in backbones.items():
        decoded = reading.decode(data, backbone.transform, 64_000_000).pixels
        works[f"{views}: decode"] = partial(reading.decode, data, backbone.transform, 64_000_000)
        works[f"{views}: embed one"] = partial(backbone.embed, decoded[np.newaxis])
        works[f"{views}: embed eight"] = partial(backbone.embed, np.stack([decoded] * 8))
    random = np.random.default_rng(0)
    for size in FITTED:
        vectors = l2_normalise(random.standard_normal((size, backbones["quick"].dimension)))
        works[f"fit a head to {size} photos"] = partial(fit_head, vectors, np.arange(size) // 5)
    times = timing.in_turns(works, rounds)
    section.table(["what", "ms"], [[name, timing.shown(each)] for name, each in times.items()])


def _flat(text: str) -> str:
    return text.replace("\n", " ")


if __name__ == "__main__":
    main()
