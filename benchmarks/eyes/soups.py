"""Which weights come back: means of runs, chosen by the validation sources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models.learning.soup import average_weights
from models.networks.tensors import read_tensors

Weights = dict[str, Tensor]
KINDS = ("mean", "best", "last")


@dataclass(frozen=True)
class Candidate:
    """A network that may come back. of: what it was made of."""

    name: str
    of: list[str]
    weights: Weights
    score: dict[str, float]


def candidates(
    done: list[dict[str, Any]], start: Weights, score: Callable[[Weights], dict[str, float]]
) -> list[Candidate]:
    """Soups of the finished runs, best first by the mean over sources and shots.

    Of each recipe the mean of its seeds, for each kind of weights; of the three best recipes all runs; of all runs a
    greedy soup; the three best of these nearer to the start and beyond; and the best single run.
    """
    loaded: dict[str, Weights] = {}

    def weights_of(result: Mapping[str, Any], kind: str) -> Weights:
        file = result["files"][kind]
        if file not in loaded:
            loaded[file] = read_tensors(Path(file))[0]
        return loaded[file]

    found: list[Candidate] = []

    def add(name: str, runs: list[dict[str, Any]], kind: str) -> None:
        weights = average_weights([weights_of(run, kind) for run in runs])
        found.append(
            Candidate(name, [f"{run['name']} seed {run['seed']} {kind}" for run in runs], weights, score(weights))
        )

    recipes = _by_recipe(done)
    for name, runs in recipes.items():
        for kind in KINDS:
            add(f"soup of {name}, {kind}", runs, kind)
    ranked = list(recipes)
    for count in (2, 3, 5, 8):
        if len(ranked) >= count:
            add(f"soup of the {count} best recipes", [run for name in ranked[:count] for run in recipes[name]], "mean")
    add("all runs", done, "mean")
    single, kind = max(
        ((run, kind) for run in done for kind in KINDS), key=lambda each: each[0]["scores"][each[1]]["mean"]
    )
    add("best single run", [single], kind)
    found.append(_greedy(done, weights_of, score))
    for soup in sorted(found, key=lambda each: -each.score["mean"])[:3]:
        for share in (0.8, 1.2, 1.4):
            mixed = beyond(start, soup.weights, share)
            found.append(Candidate(f"{soup.name}, {share} of the way from the start", soup.of, mixed, score(mixed)))
    return sorted(found, key=lambda each: -each.score["mean"])


def _by_recipe(done: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each recipe, the best recipe by the mean of its runs first."""
    recipes: dict[str, list[dict[str, Any]]] = {}
    for result in done:
        recipes.setdefault(result["name"], []).append(result)
    return dict(
        sorted(recipes.items(), key=lambda each: -float(np.mean([run["scores"]["mean"]["mean"] for run in each[1]])))
    )


def beyond(start: Weights, weights: Weights, share: float) -> Weights:
    """Weights at a share of the way from the start to these; above 1 they lie behind them."""
    return {
        name: start[name] + share * (tensor - start[name]) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }


def _greedy(
    runs: list[dict[str, Any]],
    weights_of: Callable[[Mapping[str, Any], str], Weights],
    score: Callable[[Weights], dict[str, float]],
) -> Candidate:
    """Runs from the best on join the soup where that makes it better (Wortsman et al. 2022)."""
    taken: list[dict[str, Any]] = []
    soup: Weights = {}
    reached: dict[str, float] = {"mean": 0.0}
    for run in sorted(runs, key=lambda each: -each["scores"]["mean"]["mean"])[:40]:
        tried = average_weights([weights_of(each, "mean") for each in [*taken, run]])
        now = score(tried)
        if now["mean"] > reached["mean"]:
            taken, soup, reached = [*taken, run], tried, now
    return Candidate("greedy soup", [f"{run['name']} seed {run['seed']} mean" for run in taken], soup, reached)
