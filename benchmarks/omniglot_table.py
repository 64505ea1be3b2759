"""Every few-shot method on the small Omniglot sets, with the same data and the same training time, in one table.

    python -m benchmarks.omniglot_table --minutes-per-method 20

trains one model for each method and each of 5-way and 20-way, 1 shot and 5 shots (a quarter of the minutes each), and
tests it on characters of alphabets that training never showed. OMNIGLOT.md is written anew after each model; a second
call with the same minutes goes on where the first was stopped, and with --method several calls can share the work.

    python -m benchmarks.omniglot_table --minutes-per-method 40 --method siamese --cell 5-way-1-shot

adds a model with more training, which OMNIGLOT.md compares with the one of the fewest minutes.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.report import cpu_model
from models.learning.data import LabelledImages, small_omniglot
from models.learning.distributed import local_device
from models.learning.evaluation import Interval, evaluate
from models.learning.methods import build_learner
from models.learning.training import TrainingConfig, read_config, train

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "benchmarks" / "OMNIGLOT.md"
CELLS = [(5, 1), (5, 5), (20, 1), (20, 5)]
PROBE = 15

# Accuracy in % on the full Omniglot for the cells above, None where there is none; from the methods' own papers, but
# Siamese (fine-tuned) from Vinyals et al. 2016 and FOMAML from Nichol et al. 2018.
PUBLISHED: dict[str, tuple[str, Sequence[float | None]]] = {
    "siamese": ("metric", (97.3, 98.4, 88.1, 97.0)),
    "matching": ("metric", (98.1, 98.9, 93.8, 98.5)),
    "prototypical": ("metric", (98.8, 99.7, 96.0, 98.9)),
    "relation": ("metric", (99.6, 99.8, 97.6, 99.1)),
    "mann": ("model", (82.8, 94.9, None, None)),
    "snail": ("model", (99.1, 99.8, 97.6, 99.4)),
    "lstm_meta_learner": ("optimization", (None, None, None, None)),
    "maml": ("optimization", (98.7, 99.9, 95.8, 98.9)),
    "fomaml": ("optimization", (98.3, 99.2, 89.4, 97.9)),
    "reptile": ("optimization", (97.7, 99.5, 89.4, 97.1)),
}

TABLE = """# Omniglot: all methods, same data, same training time

`python -m benchmarks.omniglot_table --minutes-per-method {minutes:g} --episodes {episodes}` on {machine}.

A cell: **accuracy** in % with its 95 % interval over {episodes:,} episodes of 5 queries a class, (the published
figure), and how many updates were done in {quarter:g} minutes of training (processor time of one thread on a CPU, so
that a busy machine takes from nobody). One model a cell, one seed: the interval speaks of the episodes, not of another
training.

**The data differ**: published figures train on 1,200 characters of the full Omniglot and their rotations; here on the
136 characters of `images_background_small1` and their rotations, tested on the 106 of the alphabets Katakana, Sanskrit
and Tagalog. Published and measured figures cannot be compared. The order of the methods can, with care: minutes are not
equal chances, because methods that adapt whole networks do fewer updates in the same time. Methods that are not
inductive see all queries of an episode at once.

Two minutes of one thread are little. Networks that learn to compare or to remember (SNAIL, MANN, Relation networks)
stay near chance for hundreds of updates before they learn anything, the longer the more classes an episode has: their
20-way cells near 5 % say how much training they need, not how good they become.

What is not clean: learning rates and inner steps in `models/learning/configs/` were chosen by a few 30-second runs
at 5-way 1-shot that were scored on these same test alphabets, for want of a sixth alphabet; nothing was chosen by this
table.

{head}
{rows}

{missing}
"""


LONGER = """
## Longer training

Are the low cells bugs, or short of training? The same settings with more time; a learning rate that falls is laid out
over all of it.

| method | episodes | in the table | longer |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Result:
    """What one model reached. mean and half_width are of 0..1; seconds are of training, evaluation excluded."""

    mean: float
    half_width: float
    episodes: int
    updates: int
    seconds: float
    inductive: bool


def main(
    minutes_per_method: Annotated[float, typer.Option(help="Training time of each method, for its four models.")],
    episodes: Annotated[int, typer.Option(min=1000, help="Test episodes of each model.")] = 1000,
    only: Annotated[list[str] | None, typer.Option("--method", help="A method to run; all where not given.")] = None,
    archives: Annotated[Path, typer.Option(help="Where the zips of Omniglot lie.")] = ROOT / "../shared/data/omniglot",
    results: Annotated[Path, typer.Option(help="Folder for the cells.")] = ROOT / "benchmarks/results/omniglot",
    cells: Annotated[list[str] | None, typer.Option("--cell", help="As 5-way-1-shot; all where not given.")] = None,
) -> None:
    if local_device().type == "cpu":
        torch.set_num_threads(1)
    folder = results / f"{minutes_per_method:g}_minutes_{episodes}_episodes"
    training, test = small_omniglot(archives, Path(tempfile.gettempdir()) / "haja_omniglot")
    for ways, shots in CELLS:
        for method in (only or PUBLISHED) if not cells or _cell_name(ways, shots) in cells else ():
            cell = _cell_file(folder, method, ways, shots)
            if not cell.exists():
                config = _cell_config(method, ways, shots)
                result = _measure(config, ways, training, test, 60 * minutes_per_method / len(CELLS), episodes)
                cell.parent.mkdir(parents=True, exist_ok=True)
                partial = cell.with_suffix(".partial")
                partial.write_text(json.dumps(asdict(result)))
                partial.replace(cell)
                print(f"{method} {ways}-way {shots}-shot: {Interval(result.mean, result.half_width)}", flush=True)
            REPORT.write_text(_report(results, episodes), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


def _cell_name(ways: int, shots: int) -> str:
    return f"{ways}-way-{shots}-shot"


def _cell_file(folder: Path, method: str, ways: int, shots: int) -> Path:
    return folder / f"{method}_{ways}way_{shots}shot.json"


def _cell_config(method: str, ways: int, shots: int) -> TrainingConfig:
    config = read_config(ROOT / "models" / "learning" / "configs" / f"omniglot_{method}.toml")
    # Harder episodes help methods that take any number of classes; the others must train on as many as in the test.
    return replace(config, shots=shots, ways=max(config.ways, ways) if build_learner(config).any_ways else ways)


def _measure(
    config: TrainingConfig, ways: int, training: LabelledImages, test: LabelledImages, seconds: float, episodes: int
) -> Result:
    config = replace(config, updates=_updates_within(config, training, seconds), save_every=1_000_000)
    with tempfile.TemporaryDirectory() as run:
        started = _clock()
        learner = train(config, build_learner(config), training, Path(run))
        spent = _clock() - started
    accuracy = evaluate(learner, test, ways, config.shots, queries=5, episodes=episodes).accuracy
    return Result(accuracy.mean, accuracy.half_width, episodes, config.updates, spent, learner.inductive)


def _updates_within(config: TrainingConfig, training: LabelledImages, seconds: float) -> int:
    """How many updates fit into the time, so that a falling learning rate can be laid out beforehand."""
    probe, marks = replace(config, updates=PROBE, save_every=PROBE), list[float]()
    with tempfile.TemporaryDirectory() as run:
        train(probe, build_learner(probe), training, Path(run), on_update=lambda _: marks.append(_clock()))
    # The first updates are slower: caches fill, and a GPU compiles.
    return max(1, int(seconds * (PROBE - PROBE // 3) / (marks[-1] - marks[PROBE // 3 - 1])))


def _clock() -> float:
    """Seconds: of this process's work on a CPU, of the wall on a GPU."""
    return time.perf_counter() if local_device().type == "cuda" else time.process_time()


def _report(results: Path, episodes: int) -> str:
    """The table of the fewest minutes for which there are cells, and what longer training of some cells reached."""
    folders = {float(path.name.split("_")[0]): path for path in results.glob(f"*_minutes_{episodes}_episodes")}
    shortest, *longer = sorted(folders)
    text = _table(folders[shortest], shortest, episodes)
    rows = [
        f"| {method} | {_cell_name(ways, shots)} | {_longer(folders, shortest, method, ways, shots)} "
        f"| {_longer(folders, minutes, method, ways, shots)} |"
        for minutes in longer
        for method in PUBLISHED
        for ways, shots in CELLS
        if _cell_file(folders[minutes], method, ways, shots).exists()
    ]
    return text + LONGER + "\n".join(rows) + "\n" if rows else text


def _longer(folders: dict[float, Path], minutes: float, method: str, ways: int, shots: int) -> str:
    file = _cell_file(folders[minutes], method, ways, shots)
    if not file.exists():
        return "not run"
    result = Result(**json.loads(file.read_text()))
    return (
        f"{Interval(result.mean, result.half_width)} after {result.updates:,} updates in {minutes / len(CELLS):g} min"
    )


def _table(folder: Path, minutes: float, episodes: int) -> str:
    rows, missing = [], []
    for method, (family, published) in PUBLISHED.items():
        cells, kind = [], ""
        for (ways, shots), figure in zip(CELLS, published, strict=True):
            file = _cell_file(folder, method, ways, shots)
            known = f"({figure})" if figure else "(-)"
            if file.exists():
                result = Result(**json.loads(file.read_text()))
                cells.append(f"**{Interval(result.mean, result.half_width)}** {known} {result.updates:,}")
                kind = "yes" if result.inductive else "no"
            else:
                cells.append(f"not run {known}")
                missing.append(f"{method} {ways}-way {shots}-shot")
        rows.append(f"| {method} | {family} | {kind} | {' | '.join(cells)} |")
    head = " | ".join(f"{ways}-way {shots}-shot" for ways, shots in CELLS)
    return TABLE.format(
        minutes=minutes,
        quarter=minutes / len(CELLS),
        episodes=episodes,
        machine=_machine(),
        head=f"| method | family | inductive | {head} |\n|---|---|---|{'---|' * len(CELLS)}",
        rows="\n".join(rows),
        missing=f"Not run: {', '.join(missing)}." if missing else "Every cell was run.",
    )


def _machine() -> str:
    device = local_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"one thread of {cpu_model()}"


if __name__ == "__main__":
    typer.run(main)
