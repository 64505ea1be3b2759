"""What meta-training gains on defects that it never saw: every way of training, on the same photos for as many updates.

    python -m benchmarks.defects_table

trains two runs of each configuration `models/learning/configs/defects_*.toml` (an hour of processor time; finished runs
are read again, an interrupted one goes on) and writes DEFECTS.md. `--episodes` and `--quick` make it shorter.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from app.commands.learning import read_photos, training_images
from benchmarks import report, sources
from benchmarks.report import Section
from models.learning.augmentation import stack_photos
from models.learning.data import LabelledImages
from models.learning.evaluation import Evaluation, Interval, encode, evaluate, paired_difference, validation_score
from models.learning.learners import Learner
from models.learning.learners.cosine_prototypical import CosinePrototypicalNetwork
from models.learning.learners.pretrained import PretrainedBackbone
from models.learning.learners.ridge import RidgeRegression
from models.learning.meta_training import meta_train
from models.learning.training import TrainingConfig, read_config
from models.options import DEFAULT

ROOT = Path(__file__).parents[1]
REPORT = report.HERE / "DEFECTS.md"
START = "efficientnet-lite0-imagenet"
CONFIGS = ("defects_base_classifier", "defects_prototypical", "defects_matching", "defects_ridge")
WAYS = {"neu_steel": 5}
"""All classes of a source where nothing is said."""
QUERIES = 10
RUNS = 2

PROTOCOL = f"""Classes that training never showed, every episode inside one source, so that no camera gives the answer
away: all classes of the source (neu_steel: 5 drawn from its 6), 5 or 1 support photos and {QUERIES} queries a class. A
cell is the accuracy in %, with its 95 % interval over the episodes, and below it how much that is above the frozen
backbone with prototypes on the same episodes (paired). Intervals speak of the choice of photos for an episode; the
photos themselves are 92 to 360 a source. All rows are inductive: a query is scored alone. *Head* is what new classes
get: prototypes (cosine to the mean of the support embeddings), attention over the support photos, or ridge regression
on them."""

NOT_CLEAN = f"""**What is not clean**: of each run the weights with the highest mean accuracy on these validation
sources were kept (every 25 updates), and the recipe (rate, updates, augmentation, share of episodes inside a source)
was chosen by looking at them; so the trained rows are a little high here, all by the same rule. Photos of a site that
nobody looked at are the true test. Each trained row is one set of {RUNS} runs, averaged (the shipped checkpoint: four
of ridge); another set would differ by more than the intervals say."""


@dataclass(frozen=True)
class Row:
    """A way of training and a head for new classes."""

    training: str
    head: str
    learner: Learner


def main() -> None:
    """Train what is not trained yet, evaluate every row and write DEFECTS.md; `--quick` trains next to nothing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "defects")
    parser.add_argument("--quick", action="store_true", help="one update a run, 30 episodes; prints, writes nothing")
    options = parser.parse_args()
    episodes = 30 if options.quick else options.episodes
    load = os.getloadavg()[0]
    validation = read_photos(sources.DATA / "validation", PretrainedBackbone(START).manifest.transform)
    section = Section("defects", "Defects: five ways of training, classes never seen")
    section.text(report.environment(f"python -m benchmarks.defects_table --episodes {episodes}", load))
    section.text(PROTOCOL.replace("\n", " "))
    columns = [(source, shots) for source in dict.fromkeys(validation.sources) for shots in (5, 1)]
    rows: list[list[object]] = []
    baseline: list[Evaluation] | None = None
    for row in _rows(validation, options.results, quick=options.quick):
        found = _evaluations(row.learner, validation, columns, episodes)
        baseline = baseline or found
        rows.append([row.training, row.head, *_cells(found, baseline)])
        print(rows[-1], flush=True)
    section.table(
        ["training", "head", *(f"{source} {WAYS.get(source, '')} {shots}-shot" for source, shots in columns)], rows
    )
    section.text(NOT_CLEAN.replace("\n", " "))
    print(section.markdown())
    if not options.quick:
        REPORT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


def _rows(validation: LabelledImages, folder: Path, *, quick: bool) -> Iterator[Row]:
    frozen = PretrainedBackbone(START)
    yield Row("none: frozen ImageNet backbone", "prototypes", CosinePrototypicalNetwork(frozen))
    yield Row("none: frozen ImageNet backbone", "ridge", RidgeRegression(frozen))
    yield Row("the shipped checkpoint", "prototypes", CosinePrototypicalNetwork(PretrainedBackbone(DEFAULT)))
    configs = {name: read_config(ROOT / "models" / "learning" / "configs" / f"{name}.toml") for name in CONFIGS}
    # All configurations show views of one size, so the photos are decoded once.
    data = training_images(configs[CONFIGS[0]], sources.DATA / "train")
    for name, config in configs.items():
        learner = _trained(
            replace(config, updates=1, runs=1) if quick else replace(config, runs=RUNS),
            data,
            validation,
            folder / name,
            quick=quick,
        )
        title = config.method.replace("_", " ")
        yield Row(title, "prototypes", CosinePrototypicalNetwork(learner.backbone))
        if not isinstance(learner, CosinePrototypicalNetwork):
            yield Row(title, "ridge" if isinstance(learner, RidgeRegression) else "attention", learner)


def _trained(
    config: TrainingConfig, data: LabelledImages, validation: LabelledImages, folder: Path, *, quick: bool
) -> Learner:
    def validate(learner: Learner) -> float:
        return validation_score(learner, validation, stack_photos)

    if quick:
        with tempfile.TemporaryDirectory() as temporary:
            return meta_train(config, data, Path(temporary))
    return meta_train(config, data, folder, validate, lambda run, row: print(config.method, run, row, flush=True))


def _evaluations(
    learner: Learner, data: LabelledImages, columns: list[tuple[str, int]], episodes: int
) -> list[Evaluation]:
    encoded: Tensor = encode(learner, data.images, stack_photos)
    return [
        evaluate(learner, data, WAYS.get(source), shots, QUERIES, episodes, source=source, encoded=encoded)
        for source, shots in columns
    ]


def _cells(found: list[Evaluation], baseline: list[Evaluation]) -> list[str]:
    differences: list[Interval | None] = [
        None if found is baseline else paired_difference(*pair) for pair in zip(found, baseline, strict=True)
    ]
    return [
        f"**{one.accuracy}**" + ("" if more is None else f"<br>{100 * more.mean:+.1f} ± {100 * more.half_width:.1f}")
        for one, more in zip(found, differences, strict=True)
    ]


if __name__ == "__main__":
    main()
