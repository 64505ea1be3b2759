"""Trains many backbones on one accelerator within a given time, and leaves the best soups and a table.

    python -m benchmarks.eyes.run .carry/photos $OUT --seconds 470

Needs the photos of `benchmarks.eyes.packing`. What is done is written after every run.
"""

import argparse
import json
import multiprocessing
import queue
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.eyes import packing, speed
from benchmarks.eyes.jobs import Job, first_jobs, short_jobs, tiny_jobs
from benchmarks.eyes.scoring import Validation, means
from benchmarks.eyes.soups import Weights, candidates
from benchmarks.eyes.start import Start
from benchmarks.eyes.worker import CHOOSING, Pool, Task, work
from models.learning.data import Image, LabelledImages, collect
from models.learning.distributed import local_device
from models.learning.drawing.programs import draw_sources
from models.networks.tensors import read_tensors, write_tensors

FROZEN, SHIPPED = "efficientnet-lite0-imagenet", "efficientnet-lite0-haja"
SURFACES = (
    "sdnet2018/deck_uncracked",
    "sdnet2018/pavement_uncracked",
    "sdnet2018/wall_uncracked",
    "metu_crack/no_crack",
    "salt_damage/healthy_concrete",
    "wood_defects_crops/clean_wood",
    "road_dnit_crops/road_surface",
)
MATERIALS = "ambientcg_cc0"
KEPT = {"soup of the 3 best recipes", "soup of the 5 best recipes", "all runs", "greedy soup"}
"""Soups that come back besides the two best."""

NO_WALL = ("snow", "bark", "carpet", "onyx", "rocks", "grass", "ground")


@dataclass
class Record:
    """Everything that was found, written anew after each step."""

    file: Path
    facts: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def note(self, name: str, value: Any) -> None:
        """Keeps a value and writes the file."""
        self.facts[name] = value
        self.facts["seconds"] = round(time.monotonic() - self.began, 1)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.facts))
        partial.replace(self.file)

    def say(self, text: str) -> None:
        """A line for whoever watches."""
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)


def main() -> None:
    """Draws, trains until the time is nearly up, and evaluates what is best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=470)
    parser.add_argument("--closing", type=float, default=70, help="seconds kept for the soups")
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--cores", type=int, default=14)
    parser.add_argument("--scratch", type=Path, required=True, help="a folder for 6 GB of photos and weights")
    parser.add_argument("--drawn", type=int, default=48)
    parser.add_argument("--drawn-photos", type=int, default=24)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--short", action="store_true", help="the second round of jobs, which need no drawn photos")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    record = Record(arguments.out / "results.json")
    workers = Workers(arguments.workers)
    deadline = record.began + arguments.seconds - arguments.closing
    with ProcessPoolExecutor(arguments.cores, multiprocessing.get_context("spawn")) as pool:
        names = ("train", "train_wide", "validation")
        unpacked = pool.map(packing.unpack, [arguments.photos / f"{name}.webps" for name in names])
        narrow, wide, validation = (
            _thinned(data, sources) if arguments.tiny else data
            for data, sources in zip(unpacked, (2, 2, 1), strict=True)
        )
        record.say("photos unpacked")
        drawing = _start_drawing(pool, narrow, wide, arguments)
        if not arguments.short:  # while the processors draw
            record.note("speed", speed.measure(FROZEN, local_device(), 0.5, (1, 2) if arguments.tiny else (64, 256)))
            record.say(json.dumps(record.facts["speed"], indent=1))
        drawn = [each.result() for each in drawing]
    record.say(f"{sum(len(each.images) for each in drawn)} photos drawn")
    task = Task(
        _pool(arguments.scratch / "train.npy", [narrow, wide, *drawn]),
        _pool(arguments.scratch / "validation.npy", [validation]),
        frozenset(narrow.sources),
        arguments.scratch / "runs",
        deadline,
    )
    jobs = tiny_jobs() if arguments.tiny else short_jobs() if arguments.short else first_jobs()
    try:
        results = train_all(jobs, task, workers, record)
    finally:
        record.say("training over")
    close(results, task, record, arguments)


def _thinned(data: LabelledImages, sources: int) -> LabelledImages:
    """The first sources with 15 photos a class."""
    kept = [name for name in data.classes if name.split("/")[0] in list(dict.fromkeys(data.sources))[:sources]]
    return collect([(name.split("/")[0], name, data.images_of(data.classes.index(name))[:15]) for name in kept])


def _start_drawing(
    pool: ProcessPoolExecutor, narrow: LabelledImages, wide: LabelledImages, arguments: argparse.Namespace
) -> list[Future[LabelledImages]]:
    file = arguments.scratch / "surfaces.npz"
    surfaces: dict[str, Any] = {name: np.stack(photos) for name, photos in surfaces_of([narrow, wide]).items()}
    np.savez(file, **surfaces)
    shape = (arguments.drawn_photos, packing.SIDE)
    return [pool.submit(_draw, file, number, *shape) for number in range(arguments.drawn)]


def _draw(file: Path, number: int, photos: int, side: int) -> LabelledImages:
    return draw_sources([number], _surfaces(file), photos, side)


@cache
def _surfaces(file: Path) -> dict[str, list[Image]]:
    with np.load(file) as found:
        return {name: list(found[name]) for name in found.files}


def surfaces_of(data: list[LabelledImages]) -> dict[str, list[Image]]:
    """The sound surfaces among classes, up to 24 photos of each."""
    return {
        name: each.images_of(label)[:24]
        for each in data
        for label, name in enumerate(each.classes)
        if name in SURFACES or (name.startswith(MATERIALS) and not name.endswith(NO_WALL))
    }


def _pool(file: Path, parts: list[LabelledImages]) -> Pool:
    np.save(file, np.stack([image for part in parts for image in part.images]))
    starts = np.cumsum([0, *(len(part.classes) for part in parts)])
    labels: list[NDArray[np.int64]] = [part.labels + start for part, start in zip(parts, starts, strict=False)]
    classes = [name for part in parts for name in part.classes]
    return Pool(file, np.concatenate(labels), classes, [source for part in parts for source in part.sources])


class Workers:
    """Processes that train beside each other; they come up while photos are still being drawn."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.tasks, self.jobs, self.results = context.Queue(), context.Queue(), context.Queue()
        queues = (self.tasks, self.jobs, self.results)
        self._processes = [context.Process(target=work, args=queues, daemon=True) for _ in range(count)]
        for process in self._processes:
            process.start()
        self.count = count

    def alive(self) -> bool:
        """Whether one at least is there."""
        return any(process.is_alive() for process in self._processes)

    def end(self) -> None:
        """Lets them finish, not for long."""
        for _ in self._processes:
            self.jobs.put(None)
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.kill()


def train_all(jobs: list[Job], task: Task, workers: Workers, record: Record) -> list[dict[str, Any]]:
    """All jobs, then more seeds of the three best recipes while there is time; what came of each."""
    for _ in range(workers.count):
        workers.tasks.put(task)
    for job in jobs:
        workers.jobs.put(job)
    asked, results = len(jobs), list[dict[str, Any]]()
    seeds = {job.name: 100 for job in jobs}
    while len(results) < asked and workers.alive():
        if time.monotonic() > task.deadline + 12:
            break
        try:
            result = workers.results.get(timeout=1)
        except queue.Empty:
            continue
        results.append(result)
        record.note("runs", results)
        record.say(_line(result))
        if asked - len(results) < workers.count and time.monotonic() < task.deadline - 15 and len(jobs) > workers.count:
            for job in _best(jobs, results)[:3]:
                seeds[job.name] += 1
                workers.jobs.put(job.seeded(seeds[job.name]))
                asked += 1
    workers.end()
    return results


def _best(jobs: list[Job], results: list[dict[str, Any]]) -> list[Job]:
    """Recipes, the best by the mean of its runs first."""
    scores: dict[str, list[float]] = {}
    for result in results:
        if "scores" in result:
            scores.setdefault(result["name"], []).append(result["scores"]["mean"]["mean"])
    first = {job.name: job for job in reversed(jobs)}
    return [first[name] for name in sorted(scores, key=lambda name: -float(np.mean(scores[name])))]


def _line(result: dict[str, Any]) -> str:
    if "scores" not in result:
        return f"{result['name']} seed {result['seed']}: {result['error'].strip().splitlines()[-1]}"
    scores = " ".join(f"{kind} {each['mean 1']}/{each['mean 5']}" for kind, each in result["scores"].items())
    rate = result["job"]["config"]["updates"] / result["training_s"]
    return f"{result['name']} seed {result['seed']}: {scores}, {rate:.1f} updates/s"


def close(results: list[dict[str, Any]], task: Task, record: Record, arguments: argparse.Namespace) -> None:
    """Makes the soups, keeps the best, and evaluates them on other episodes."""
    device = local_device()
    network = Start(FROZEN).to(device)
    choosing = Validation(task.validation.all(), task.validation.load(device), CHOOSING, seed=1)

    def score(weights: Weights) -> dict[str, float]:
        network.features.load_state_dict(weights)
        return means(choosing.accuracies(choosing.embeddings(network)))

    start = {name: tensor.cpu() for name, tensor in Start(FROZEN).features.state_dict().items()}
    references = {FROZEN: start, SHIPPED: dict(Start(SHIPPED).features.state_dict())}
    record.note("references", {name: score(weights) for name, weights in references.items()})
    done = [result for result in results if "scores" in result]
    if not done:
        record.say("No run was finished.")
        return
    # First of all, should the soups fail.
    single = max(done, key=lambda result: result["scores"]["mean"]["mean"])
    _write(arguments.out / "best_run.safetensors", read_tensors(Path(single["files"]["mean"]))[0], _line(single))
    found = candidates(done, start, score)
    record.note("soups", [{"name": each.name, "of": each.of, "score": each.score} for each in found])
    for each in found[:24]:
        record.say(f"{each.score['mean 1']}/{each.score['mean 5']}  {each.name}")
    chosen = found[:2] + [each for each in found[2:] if each.name in KEPT]
    for number, each in enumerate(chosen):
        _write(arguments.out / f"{number}.safetensors", each.weights, each.name)
    last = Validation(task.validation.all(), task.validation.load(device), arguments.episodes, seed=2)
    embeddings = {}
    for name, weights in [
        *references.items(),
        *((f"{n}: {each.name}", each.weights) for n, each in enumerate(chosen)),
    ]:
        network.features.load_state_dict(weights)
        embeddings[name] = last.embeddings(network, half=False)
        record.note("last " + name, means(last.accuracies(embeddings[name])))
    _evaluate_served(embeddings, task, record, arguments)


def _write(path: Path, weights: Weights, name: str) -> None:
    """As checkpoints are stored: convolutions in half precision."""
    write_tensors(path, {key: each.half() if each.ndim > 1 else each for key, each in weights.items()}, {"name": name})


def _evaluate_served(
    embeddings: dict[str, torch.Tensor], task: Task, record: Record, arguments: argparse.Namespace
) -> None:
    """The service's own head on the processors, one process for each network."""
    given = [(task.validation, arguments.episodes, each.cpu().numpy()) for each in embeddings.values()]
    with ProcessPoolExecutor(min(len(given), arguments.cores), multiprocessing.get_context("spawn")) as pool:
        for name, table in zip(embeddings, pool.map(_served, given), strict=True):
            record.note("served " + name, table)
            record.say(f"served {table['mean 1']}/{table['mean 5']}  {name}: {table}")


def _served(given: tuple[Pool, int, NDArray[np.float32]]) -> dict[str, float]:
    pool, episodes, embeddings = given
    torch.set_num_threads(1)
    return means(Validation(pool.all(), torch.zeros(0), episodes, seed=2).served(embeddings))


if __name__ == "__main__":
    main()
