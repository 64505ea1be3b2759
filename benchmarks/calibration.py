"""What the numbers of a checkpoint's manifest are worth: probabilities, and photos of classes that are not registered.

    python -m benchmarks.calibration

writes CALIBRATION.md. The numbers are fitted on other sources than the one that each row reports on.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import ceiling, draws, report, sources
from benchmarks.report import Section
from models.learning.calibration import EPISODES, QUERIES, REFUSED, Calibration, Judged, calibrate, judge
from models.manifest import HeadName, Manifest, Reading
from models.prediction_sets import prediction_set
from models.prototypes import embedding_sum, expected_similarity, probabilities, prototype, similarities
from models.ridge_head import fit_head

SHOTS = (1, 5, 10, 20)
WAYS = (3, 5, 10, 17)
COVERAGES = (0.8, 0.9, 0.95)
HEADS: tuple[HeadName, ...] = ("prototypes", "ridge")
BINS = 15
RESAMPLES = 200
REPORT = report.HERE / "CALIBRATION.md"

RESULTS = ("prototypes", "ECE, plain softmax", "ECE, prototypes", "head", "ECE, head")

Classes = list[NDArray[np.float32]]

PROBABILITIES = f"""Expected calibration error of the best prediction (ECE, {BINS} equal bins, Guo et al. 2017), per
cent; ± is the 95 % interval from {RESAMPLES} resamplings of the episodes. *Plain softmax*: of the cosines as they are
(temperature 1), which is nearly flat. *Prototypes*: cosines over temperature + temperature_per_shot / shots. *Head*:
the same form on the scores of the ridge head, by which the service judges. Both are fitted on the other sources,
so a row says what a new site can expect."""

UNKNOWN = f"""Every class of a source in turn is not registered, the others are, 5 photos each. *Plain*: unknown where
the best cosine is below one threshold. *Expected*: unknown where the cosine to the class that the head says is more
than the margin below what that class's own support photos let expect. Threshold and margin are those that refuse
{100 * REFUSED:.0f} % of the true photos of the other sources. *Refused*: true photos called unknown; *caught*:
photos of the class that is not registered, called unknown; *AUROC*: how often a true photo scores higher than one of
that class, 50 is chance. Mean of the episodes with its 95 % interval, per cent."""

SETS = """What `?coverage=` names: *coverage* is the share of photos whose class is in the set, per cent, and *classes*
the mean size of the set, with 95 % intervals over the episodes. The thresholds for a source are fitted on the others,
pooled over their episodes: what is promised is the mean over sites, and no single site or class. A set has at
least one class, so where the best class alone is right more often than was asked for, so is the set."""


def main() -> None:
    """Report on the validation sources and write CALIBRATION.md; `--quick` takes few episodes and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    episodes = 30 if options.quick else options.episodes
    names = sources.available("validation")
    if not names:
        print(f"skipped: there are no photos in {sources.DATA / 'validation'}")
        return
    load, backbone = os.getloadavg()[0], ceiling.backbone()
    classes: dict[str, Classes] = {}
    for name in names:
        source = sources.load("validation", name, backbone)
        classes[name] = [source.embeddings[source.of_class(label)] for label in range(len(source.classes))]
    others = {name: calibrate([classes[other] for other in names if other != name]) for name in names}
    section = Section("calibration", "Probabilities and `unknown`")
    section.text(report.environment(f"python -m benchmarks.calibration --episodes {episodes}", load))
    manifest = backbone.manifest
    section.text(
        f"Backbone `{backbone.backbone_id}`; {episodes:,} episodes a row, all classes of one source, {QUERIES} "
        f"queries a class. The manifest's own numbers are fitted on all these sources ({EPISODES} episodes each): "
        f"temperature of prototypes {_temperature(manifest.readings['prototypes'])}, of the head "
        f"{_temperature(manifest.readings['ridge'])}, typical similarity {manifest.typical_similarity}, margin "
        f"{manifest.unknown_margin}."
    )
    section.text("### Probabilities inside one source\n\n" + PROBABILITIES.replace("\n", " "))
    section.table(
        ["source", "ways", "shots", *RESULTS],
        [row for name in names for row in _probabilities(name, classes[name], others[name], episodes)],
    )
    section.text(
        "### Probabilities with more classes\n\nClasses of all sources in one episode, 5 photos each, with the "
        "manifest's own numbers: no source is left to fit on. Across sources the camera gives much away, so accuracy "
        "says nothing here."
    )
    section.table(
        ["ways", *RESULTS],
        _more_ways(classes, manifest, episodes),
    )
    section.text("### Prediction sets\n\n" + SETS.replace("\n", " "))
    section.table(
        ["source", "shots", *(f"{word} at {share:.0%}" for share in COVERAGES for word in ("coverage", "classes"))],
        [row for name in names for row in _sets(name, classes[name], others[name].readings["ridge"], episodes)],
    )
    section.text("### Unknown\n\n" + UNKNOWN.replace("\n", " "))
    section.table(
        ["source", "known", "plain: refused", "plain: caught", "plain: AUROC", "expected: refused",
         "expected: caught", "expected: AUROC"],
        _unknown(classes, others, episodes),
    )  # fmt: skip
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


def _judged(classes: Classes, episodes: int, seed: int) -> Iterator[Judged]:
    """Episodes of a source at each number of shots that all its classes have photos for."""
    for shots in SHOTS:
        if min(map(len, classes)) >= shots + QUERIES:
            yield judge(classes, shots, episodes=episodes, seed=seed)


def _probabilities(name: str, classes: Classes, fitted: Calibration, episodes: int) -> list[list[object]]:
    return [
        [name, len(classes), judged.shots, *_results(judged, fitted, episodes)]
        for judged in _judged(classes, episodes, seed=1)
    ]


def _results(judged: Judged, fitted: Calibration | Manifest, episodes: int) -> list[object]:
    among = np.full(judged.similarity.shape[1], judged.shots)
    prototypes, ridge = (fitted.readings[head].temperature_at(among) for head in HEADS)
    return [
        _accuracy(judged, "prototypes", episodes),
        _calibration_error(judged, "prototypes", 1.0, episodes),
        _calibration_error(judged, "prototypes", prototypes, episodes),
        _accuracy(judged, "ridge", episodes),
        _calibration_error(judged, "ridge", ridge, episodes),
    ]


def _temperature(reading: Reading) -> str:
    return f"{reading.temperature} {reading.temperature_per_shot:+} / shots"


def _sets(name: str, classes: Classes, reading: Reading, episodes: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for judged in _judged(classes, episodes, seed=3):
        among = np.full(len(classes), judged.shots)
        probability = probabilities(judged.ridge, reading.temperature_at(among))
        quantiles = reading.truth_quantiles_at(among)
        cells: list[object] = []
        for coverage in COVERAGES:
            sets = [prediction_set(each, coverage, quantiles) for each in probability]
            holds = np.array([label in places for label, places in zip(judged.labels, sets, strict=True)], float)
            sizes = np.array([len(places) for places in sets], float)
            cells.append(draws.interval(holds.reshape(episodes, -1).mean(axis=1)))
            size = draws.interval(sizes.reshape(episodes, -1).mean(axis=1))
            cells.append(f"{size.mean:.2f} ± {size.half:.2f}")
        rows.append([name, judged.shots, *cells])
    return rows


def _more_ways(classes: dict[str, Classes], manifest: Manifest, episodes: int) -> list[list[object]]:
    everything = [each for group in classes.values() for each in group]
    rows: list[list[object]] = []
    for ways in WAYS:
        parts = []
        for number in range(episodes):
            chosen = np.random.default_rng([ways, number]).permutation(len(everything))[:ways]
            parts.append(judge([everything[place] for place in chosen], 5, episodes=1, seed=number))
        judged = Judged(
            5,
            *(
                np.concatenate([getattr(each, field) for each in parts])
                for field in ("labels", "similarity", "ridge", "lengths")
            ),
        )
        rows.append([ways, *_results(judged, manifest, episodes)])
    return rows


def _accuracy(judged: Judged, head: HeadName, episodes: int) -> draws.Interval:
    right = judged.scores(head).argmax(axis=1) == judged.labels
    return draws.interval(right.reshape(episodes, -1).mean(axis=1))


def _calibration_error(judged: Judged, head: HeadName, temperature: float, episodes: int) -> str:
    probability = probabilities(judged.scores(head), temperature)
    sure = probability.max(axis=1).astype(float)
    right = (probability.argmax(axis=1) == judged.labels).astype(float)
    place = np.minimum((sure * BINS).astype(int), BINS - 1).reshape(episodes, -1)
    # For each episode and bin, how much surety exceeds truth: sums, so that a resampling of episodes is a product.
    gaps = np.stack(
        [np.bincount(bins, gap, BINS) for bins, gap in zip(place, (sure - right).reshape(episodes, -1), strict=True)]
    )
    random = np.random.default_rng(0)
    picks = random.multinomial(episodes, np.full(episodes, 1 / episodes), RESAMPLES)
    errors = np.abs(np.vstack([np.ones(episodes), picks]) @ gaps).sum(axis=1) / len(sure)
    return f"{100 * errors[0]:.1f} ± {196 * errors[1:].std():.1f}"


@dataclass(frozen=True)
class _Strangers:
    """Scores, higher is more known, of true photos [E, Q] and of photos of an unregistered class [E, S]."""

    true: NDArray[np.float64]
    strange: NDArray[np.float64]

    def threshold(self) -> float:
        return float(np.quantile(self.true, REFUSED))

    def cells(self, threshold: float) -> list[object]:
        separations = [_separation(true, strange) for true, strange in zip(self.true, self.strange, strict=True)]
        shares = [(scores < threshold).mean(axis=1) for scores in (self.true, self.strange)]
        return [draws.interval(each) for each in (*shares, separations)]


def _unknown(classes: dict[str, Classes], others: dict[str, Calibration], episodes: int) -> list[list[object]]:
    found = {name: _strangers(group, others[name].typical_similarity, episodes) for name, group in classes.items()}
    rows: list[list[object]] = []
    for name, scores in found.items():
        cells: list[object] = []
        for way in (0, 1):
            threshold = float(np.mean([found[other][way].threshold() for other in found if other != name]))
            cells += scores[way].cells(threshold)
        rows.append([name, len(classes[name]) - 1, *cells])
    return rows


def _strangers(classes: Classes, typical: float, episodes: int, shots: int = 5) -> tuple[_Strangers, _Strangers]:
    plain: tuple[list[NDArray[np.float64]], ...] = ([], [])
    expected: tuple[list[NDArray[np.float64]], ...] = ([], [])
    for number in range(episodes):
        random = np.random.default_rng([2, number])
        drawn = [each[random.permutation(len(each))[: shots + QUERIES]] for each in classes]
        absent = number % len(classes)
        known = [each for place, each in enumerate(drawn) if place != absent]
        sums = np.stack([embedding_sum(each[:shots]) for each in known])
        head = fit_head(np.concatenate([each[:shots] for each in known]), np.repeat(np.arange(len(known)), shots))
        level = expected_similarity(np.linalg.norm(sums, axis=1), np.full(len(known), shots), typical)
        for kind, photos in enumerate((np.concatenate([each[shots:] for each in known]), drawn[absent])):
            cosine = similarities(photos, prototype(sums))
            plain[kind].append(cosine.max(axis=1))
            best = head.scores(photos).argmax(axis=1)
            expected[kind].append(cosine[np.arange(len(photos)), best] - level[best])
    return _Strangers(np.stack(plain[0]), np.stack(plain[1])), _Strangers(np.stack(expected[0]), np.stack(expected[1]))


def _separation(true: Sequence[float] | NDArray[np.float64], strange: NDArray[np.float64]) -> float:
    """Share of pairs in which the true photo scores higher (AUROC)."""
    ordered = np.sort(strange)
    below, upto = (np.searchsorted(ordered, true, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(ordered))


if __name__ == "__main__":
    main()
