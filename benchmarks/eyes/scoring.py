"""Accuracy on classes never seen, of thousands of episodes at once: the head as served, fitted in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.learning.data import LabelledImages
from models.prototypes import l2_normalise
from models.ridge_head import PENALTY, fit_head

SHOTS = (1, 5)
QUERIES = 10
BATCH = 256

Key = tuple[str, int]
"""A source and the shots of its episodes."""


@dataclass(frozen=True)
class Draws:
    """E episodes of all C classes of one source. supports [E, C * shots] and queries [E, C * QUERIES] are places among
    the source's photos, class after class.
    """

    ways: int
    supports: NDArray[np.int64]
    queries: NDArray[np.int64]


def draw(classes: list[NDArray[np.int64]], shots: int, episodes: int, seed: int) -> Draws:
    """Episodes of classes given by the places of their photos; the same seed, the same episodes."""
    random = np.random.default_rng([seed, shots])
    drawn = [random.random((episodes, len(photos))).argsort(axis=1)[:, : shots + QUERIES] for photos in classes]
    chosen = [photos[each] for photos, each in zip(classes, drawn, strict=True)]
    return Draws(
        len(classes),
        np.concatenate([each[:, :shots] for each in chosen], axis=1),
        np.concatenate([each[:, shots:] for each in chosen], axis=1),
    )


class Validation:
    """Scores networks on episodes inside each source of `data`; photos, uint8 [N, H, W, 3], lie where networks run."""

    def __init__(self, data: LabelledImages, photos: Tensor, episodes: int, seed: int) -> None:
        self._photos = photos
        self._rows: dict[str, NDArray[np.int64]] = {}
        self._draws: dict[Key, Draws] = {}
        for source in dict.fromkeys(data.sources):
            classes = [rows for name, rows in data.indices().items() if data.source_of()[name] == source]
            rows = np.concatenate(classes)
            self._rows[source] = rows
            place = {row: number for number, row in enumerate(rows.tolist())}
            places = [np.array([place[row] for row in each.tolist()]) for each in classes]
            for shots in SHOTS:
                self._draws[source, shots] = draw(places, shots, episodes, seed)

    def embeddings(self, network: nn.Module, *, half: bool = True) -> Tensor:
        """float32 [N, D]; half: in bfloat16 on a GPU."""
        device = self._photos.device.type
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=half and device == "cuda"):
            return torch.cat([network(batch).float() for batch in torch.split(self._photos, BATCH)])

    def accuracies(self, embeddings: Tensor) -> dict[Key, Tensor]:
        """Share of right answers in each episode, [E], for each source and number of shots."""
        found = {}
        for (source, shots), draws in self._draws.items():
            rows = embeddings[torch.from_numpy(self._rows[source]).to(embeddings.device)]
            found[source, shots] = _accuracies(rows @ rows.T, draws, shots)
        return found

    def served(self, embeddings: NDArray[np.float32]) -> dict[Key, NDArray[np.float64]]:
        """The same by the service's own head, which also trusts photos more or less, and prototypes where they win."""
        return {
            (source, shots): _served(embeddings[self._rows[source]], draws, shots)
            for (source, shots), draws in self._draws.items()
        }


def _accuracies(likeness: Tensor, draws: Draws, shots: int) -> Tensor:
    """likeness [n, n]: products of the source's embeddings."""
    device = likeness.device
    supports, queries = (torch.from_numpy(each).to(device) for each in (draws.supports, draws.queries))
    labels = torch.arange(draws.ways, device=device)
    targets = torch.eye(draws.ways, device=device)[labels.repeat_interleave(shots)]
    gram = likeness[supports[:, :, None], supports[:, None, :]]
    eye = PENALTY * torch.eye(gram.shape[1], device=device)
    dual = torch.linalg.solve(gram + eye, targets.expand(len(gram), -1, -1))
    scores = likeness[queries[:, :, None], supports[:, None, :]] @ dual
    shares: Tensor = (scores.argmax(dim=2) == labels.repeat_interleave(QUERIES)).float().mean(dim=1)
    return shares


def _served(rows: NDArray[np.float32], draws: Draws, shots: int) -> NDArray[np.float64]:
    labels, truth = np.repeat(np.arange(draws.ways), shots), np.repeat(np.arange(draws.ways), QUERIES)
    accuracies = []
    for supports, queries in zip(draws.supports, draws.queries, strict=True):
        head = fit_head(rows[supports], labels)
        if head.outdone:
            means = np.stack(
                [l2_normalise(rows[supports[labels == label]].mean(axis=0)) for label in range(draws.ways)]
            )
            scores = rows[queries] @ means.T
        else:
            scores = head.scores(rows[queries])
        accuracies.append((scores.argmax(axis=1) == truth).mean())
    return np.array(accuracies)


def means(accuracies: Mapping[Key, Tensor | NDArray[np.float64]]) -> dict[str, float]:
    """'source shots' -> mean accuracy in per cent; 'mean 1', 'mean 5' and 'mean' are over sources."""
    table = {f"{source} {shots}": 100 * float(each.mean()) for (source, shots), each in accuracies.items()}
    for shots in SHOTS:
        table[f"mean {shots}"] = float(np.mean([value for key, value in table.items() if key.endswith(f" {shots}")]))
    table["mean"] = float(np.mean([table[f"mean {shots}"] for shots in SHOTS]))
    return {key: round(value, 2) for key, value in table.items()}
