"""Fits the two numbers of a checkpoint's manifest that read its similarities, on training sources only.

`temperature` by the least negative log likelihood, `unknown_similarity` so that few true photos are refused; then
reports what both do on the validation sources, which had no part in the fit.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import ceiling, draws, report, sources
from benchmarks.report import Section
from benchmarks.sources import Source
from models.backbones import Backbone
from models.prototypes import probabilities

SHOTS = 5
REFUSED = 0.05
BINS = 15
REPORT = report.HERE / "CALIBRATION.md"


@dataclass(frozen=True)
class Judged:
    """Queries of all draws from one source: similarities float32 [Q, C], labels int64 [Q].

    `strangers` float32 [S] are the best similarities of photos whose class was held out of the catalog; `registered`
    float32 [Q'] those of the true photos in the same catalogs.
    """

    name: str
    similarity: NDArray[np.float32]
    labels: NDArray[np.int64]
    strangers: NDArray[np.float32]
    registered: NDArray[np.float32]

    @property
    def best(self) -> NDArray[np.float32]:
        """The best similarity of each true photo: what `unknown` is decided by."""
        best: NDArray[np.float32] = self.similarity.max(axis=1)
        return best

    def nll(self, temperature: float) -> float:
        """Mean negative log likelihood of the truth."""
        truth = probabilities(self.similarity, temperature)[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(truth, 1e-12)).mean())

    def calibration_error(self, temperature: float) -> float:
        """Expected calibration error of the best prediction, 15 equal bins (Guo et al., ICML 2017)."""
        probability = probabilities(self.similarity, temperature)
        sure, right = probability.max(axis=1), probability.argmax(axis=1) == self.labels
        place = np.minimum((sure * BINS).astype(int), BINS - 1)
        gaps = [abs(float(sure[place == bin_].mean() - right[place == bin_].mean())) * float((place == bin_).mean())
                for bin_ in np.unique(place)]  # fmt: skip
        return sum(gaps)

    def refused(self, threshold: float) -> float:
        """Share of true photos that would be called unknown."""
        return float((self.best < threshold).mean())

    def caught(self, threshold: float) -> float:
        """Share of photos of an unregistered class that are called unknown."""
        return float((self.strangers < threshold).mean()) if len(self.strangers) else float("nan")

    def separation(self) -> float:
        """How often a true photo is more similar than one of an unregistered class (AUROC); 0.5 is chance."""
        if not len(self.strangers):
            return float("nan")
        ordered = np.sort(self.strangers)
        below, upto = (np.searchsorted(ordered, self.registered, side) for side in ("left", "right"))
        return float((below + upto).mean() / 2 / len(ordered))


def judge(source: Source, count: int) -> Judged:
    """All-way episodes of a source, as many as `count`; then again with each class held out in turn."""
    similarity, labels, strangers, registered = [], [], [], []
    everyone = range(len(source.classes))
    for number in range(count):
        chosen = draws.draw(source, number, SHOTS)
        similarity.append(draws.cosines(source, chosen, chosen.queries))
        labels.append(source.labels[chosen.queries])
        # Leaving out the only other class leaves nothing to choose between, yet a catalog of one class is allowed.
        for absent in everyone:
            fewer = draws.draw(source, number, SHOTS, [label for label in everyone if label != absent])
            registered.append(draws.cosines(source, fewer, fewer.queries).max(axis=1))
            strangers.append(draws.cosines(source, fewer, source.of_class(absent)).max(axis=1))
    return Judged(source.name, *(np.concatenate(parts) for parts in (similarity, labels, strangers, registered)))


def fit_temperature(judged: Sequence[Judged]) -> float:
    """The temperature of the least negative log likelihood, every source with the same weight."""
    return _least(lambda temperature: float(np.mean([each.nll(temperature) for each in judged])), 0.001, 1.0)


def fit_threshold(judged: Sequence[Judged]) -> float:
    """The highest cosine below which at most 5 % of the true photos are, every source with the same weight."""
    best = np.concatenate([each.best for each in judged])
    weights = np.concatenate([np.full(len(each.best), 1 / len(each.best) / len(judged)) for each in judged])
    order = best.argsort()
    return float(best[order][np.searchsorted(weights[order].cumsum(), REFUSED)])


def main() -> None:
    """Fit on the training sources, report on the validation sources, write CALIBRATION.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    count = 3 if options.quick else options.draws
    if not sources.available("train") or not sources.available("validation"):
        print(f"skipped: there are no photos in {sources.DATA}")
        return
    load, backbone = os.getloadavg()[0], ceiling.backbone()
    train, validation = (_judge_all(split, backbone, count) for split in ("train", "validation"))
    temperature, threshold = fit_temperature(train), fit_threshold(train)
    section = Section("calibration", "Calibration of probabilities and of `unknown`")
    section.text(report.environment(f"python -m benchmarks.calibration --draws {count}", load))
    section.text(
        f"Backbone `{backbone.backbone_id}`. Fitted on {count} all-way {SHOTS}-shot draws inside each training source "
        f"of two classes or more ({', '.join(each.name for each in train)}), every source with the same weight, and "
        "on nothing of validation:"
    )
    section.text(f'```json\n"temperature": {temperature:.4f},\n"unknown_similarity": {threshold:.4f}\n```')
    before = backbone.manifest.temperature
    section.text(
        f"NLL: mean negative log likelihood of the truth (nats), at the manifest's {before:g} and at the fitted "
        f"temperature. ECE: expected calibration error of the best prediction, {BINS} bins, per cent. *Refused*: true "
        "photos called unknown. *Caught*: photos of a class that was held out of the catalog, each class in turn, "
        "called unknown. *Separation*: how often a true photo has a higher best similarity than one of a held-out "
        "class (AUROC), whatever the threshold; 50 would be chance. All but NLL in per cent."
    )
    for title, judged in (("validation: what to expect", validation), ("train: what it was fitted on", train)):
        section.text(f"### {title}")
        section.table(
            ["source", "ways", "accuracy", "NLL before", "NLL", "ECE before", "ECE", "refused", "caught", "separation"],
            [*(_row(each, before, temperature, threshold) for each in judged),
             _mean_row(judged, before, temperature, threshold)],
        )  # fmt: skip
    _own(section, validation)
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


def _judge_all(split: str, backbone: Backbone, count: int) -> list[Judged]:
    return [judge(sources.load(split, name, backbone), count) for name in sources.available(split)]


def _figures(each: Judged, before: float, temperature: float, threshold: float) -> list[float]:
    return [
        100 * float((each.similarity.argmax(axis=1) == each.labels).mean()),
        each.nll(before),
        each.nll(temperature),
        100 * each.calibration_error(before),
        100 * each.calibration_error(temperature),
        100 * each.refused(threshold),
        100 * each.caught(threshold),
        100 * each.separation(),
    ]


def _row(each: Judged, before: float, temperature: float, threshold: float) -> list[object]:
    return [each.name, each.similarity.shape[1], *_shown(_figures(each, before, temperature, threshold))]


def _mean_row(judged: Sequence[Judged], before: float, temperature: float, threshold: float) -> list[object]:
    figures = np.mean([_figures(each, before, temperature, threshold) for each in judged], axis=0)
    return ["**mean of sources**", "", *_shown(figures.tolist())]


def _shown(figures: Sequence[float]) -> list[str]:
    return [f"{value:.3f}" if place in {1, 2} else f"{value:.1f}" for place, value in enumerate(figures)]


def _own(section: Section, validation: Sequence[Judged]) -> None:
    """What each validation source would have chosen for itself: how far one number for all of them can carry."""
    section.text(
        "For comparison only (fitting on validation would be cheating): the numbers that each validation source would "
        "have chosen for itself. Where they lie far apart, no single number can be right for all."
    )
    section.table(
        ["source", "temperature", "unknown_similarity", "caught at that threshold %"],
        [
            [
                each.name,
                f"{fit_temperature([each]):.4f}",
                f"{fit_threshold([each]):.4f}",
                f"{100 * each.caught(fit_threshold([each])):.1f}",
            ]
            for each in validation
        ],
    )


def _least(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a cost is least, by ever finer grids on a logarithmic scale."""
    for _ in range(4):
        grid = np.geomspace(low, high, 15)
        place = int(np.argmin([cost(float(value)) for value in grid]))
        low, high = float(grid[max(place - 1, 0)]), float(grid[min(place + 1, len(grid) - 1)])
    return float(np.sqrt(low * high))


if __name__ == "__main__":
    main()
