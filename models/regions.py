"""Finding and naming the defects in a wide photo: windows against the classes of a catalog and its sound surfaces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.prototypes import probabilities
from models.ridge_head import even_weights
from models.windows import Region, embed_windows, region_of, window_places

PENALTY = 2.0
"""Ridge penalty. Windows differ more from the examples than photos do: four times that of `models.ridge_head`."""

CENTRE, SPREAD = 0.7, 0.3
"""A window whose best class leads the sound surfaces by `CENTRE` is a defect as likely as not; `SPREAD` is the step of
the logistic function. At most 9 in 100 clean photos beside four sources have such a window (benchmarks/REGIONS.md)."""

TEMPERATURE = 0.25
"""Of the softmax over the classes of one window."""

EDGE = 0.5
"""A region ends where what speaks for its class has fallen to this share of its highest value."""

OVERLAP = 0.25
"""A window of which more than this share lies in a region speaks for that one, and for none of its own."""

MOST = 20
"""So many regions of a photo are told."""

WHOLE_LEAD = 0.4
"""Where a catalog has no sound examples of its own, a window must lead by so much more than the whole photo does."""


Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in places of a map."""


@dataclass(frozen=True)
class WindowHead:
    """weights float32 [C + Z, D]: the score of class c for an embedding is its product with row c; the rows after
    those of the C `classes` are of sound surfaces, one or two kinds of them. own_sound: whether the catalog has sound
    examples of its own, and not the generic ones alone.
    """

    weights: NDArray[np.float32]
    classes: int
    own_sound: bool

    def leads(self, embeddings: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Embeddings [N, D] -> scores [N, C] of the classes, and by how much the best leads the sound surfaces [N]."""
        scores = embeddings @ self.weights.T
        defects, sound = scores[:, : self.classes], scores[:, self.classes :]
        return defects, defects.max(axis=1) - sound.max(axis=1)


@dataclass(frozen=True)
class FoundRegion:
    """A part of a photo that shows a defect.

    defect: the probability that it is one at all, 0..1. probabilities float32 [C], of the classes, sum to 1.
    embedding float32 [D] is that of the window which speaks for it most.
    """

    region: Region
    defect: float
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]


@dataclass(frozen=True)
class Scan:
    """What the windows of a photo say.

    regions: most important first; none where the surface is sound. defect: the probability that there is one at all,
    0..1. whole_counts: the photo as a whole tells more than
    any window, so that its own answer stands. scores float32 [C]: what speaks for each class in its best window, 0..1.
    embeddings float32 [C, D]: of these windows.
    """

    regions: list[FoundRegion]
    defect: float
    whole_counts: bool
    scores: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    @property
    def best_embedding(self) -> NDArray[np.float32]:
        """Of the window that speaks for any class most, float32 [D]."""
        best: NDArray[np.float32] = self.embeddings[self.scores.argmax()]
        return best


def fit_window_head(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    sound: NDArray[np.float32],
    rests: NDArray[np.float32],
    generic: NDArray[np.float32],
) -> WindowHead:
    """Fit the head that judges windows, by ridge regression in closed form (see `models.ridge_head`).

    Sound photos are a kind of their own beside the rests of photos and the generic surfaces: a solar panel is like
    neither a wall nor the edge of a defect, and in one row with them it would not be learnt.

    Args:
        embeddings: float32 [S, D], examples of the classes, each of length 1.
        labels: int64 [S], every class 0..C-1 at least once.
        sound: float32 [Z, D], the catalog's own sound photos; Z may be 0.
        rests: float32 [R, D], what lies around the regions of its photos; R may be 0.
        generic: float32 [G, D], sound surfaces that ship with the checkpoint; with the others at least one.
    """
    ways = int(labels.max()) + 1
    kinds = [kind for kind in (sound, np.concatenate([rests, generic])) if len(kind)]
    rows = np.concatenate([embeddings, *kinds]).astype(np.float64)
    every = np.concatenate([labels, *(np.full(len(kind), ways + place) for place, kind in enumerate(kinds))])
    root = np.sqrt(even_weights(every))[:, np.newaxis]
    weighted = root * rows
    targets = root * np.eye(ways + len(kinds))[every]
    if len(rows) <= rows.shape[1]:
        weights = np.linalg.solve(weighted @ weighted.T + PENALTY * np.eye(len(rows)), targets).T @ weighted
    else:  # the same, at a cost that does not grow with the examples
        gram = weighted.T @ weighted + PENALTY * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, weighted.T @ targets).T
    # A penalty makes all scores smaller; so scaled, one threshold fits few examples and many.
    return WindowHead(((1 + PENALTY) * weights).astype(np.float32), ways, own_sound=len(sound) + len(rests) > 0)


def scan(features: NDArray[np.float32], head: WindowHead) -> Scan:
    """Judge every window of a photo by its feature map [h, w, D]."""
    rows, columns, _ = features.shape
    places = window_places(rows, columns)
    embeddings = embed_windows(features, places)
    scores, leads = head.leads(embeddings)
    defect = 1 / (1 + np.exp((CENTRE - leads) / SPREAD))
    among = probabilities(scores, TEMPERATURE)
    spoken = among * defect[:, np.newaxis]
    whole_counts = not head.own_sound and leads.max() < leads[0] + WHOLE_LEAD
    regions = [] if whole_counts else _regions(places, spoken, rows, columns)
    best = spoken.argmax(axis=0)
    found = [
        FoundRegion(region_of(box, rows, columns), float(defect[window]), among[window], embeddings[window])
        for box, window in regions
        if defect[window] >= 0.5  # noqa: PLR2004 - as likely as not
    ]
    found.sort(key=lambda region: -region.defect)
    return Scan(found, float(defect.max()), whole_counts, spoken[best, np.arange(len(best))], embeddings[best])


def _regions(places: NDArray[np.int64], spoken: NDArray[np.float32], rows: int, columns: int) -> list[tuple[Box, int]]:
    """Boxes [left, top, right, bottom] in places, with the window that speaks most for each, strongest first.

    What the windows say is spread over their places, each window by its area, so that small ones point and large ones
    only lean. A region is what hangs together around the highest place, down to `EDGE` of its height: a crack that runs
    through many windows is one region.
    """
    field, weight = np.zeros((rows, columns, spoken.shape[1])), np.zeros((rows, columns, 1))
    areas = (places[:, 2] - places[:, 0]) * (places[:, 3] - places[:, 1])
    for (left, top, right, bottom), values, area in zip(places.tolist(), spoken, areas.tolist(), strict=True):
        field[top:bottom, left:right] += values / area
        weight[top:bottom, left:right] += 1 / area
    field /= weight
    classes, heights = field.argmax(axis=2), field.max(axis=2)
    found: list[tuple[Box, int]] = []
    for _ in range(MOST):
        if heights.max() <= 0:
            break
        peak = np.unravel_index(heights.argmax(), heights.shape)
        own = classes[peak]
        together = _flood((field[..., own] >= EDGE * heights[peak]) & (heights > 0), (int(peak[0]), int(peak[1])))
        down, across = np.nonzero(together)
        box = (int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1)
        inside = _shared(places, box) > areas / 2
        window = int(np.where(inside, spoken[:, own], -1).argmax())
        if inside.any() and not any(_shared(places[window], other) > OVERLAP * areas[window] for other, _ in found):
            found.append((box, window))
        heights[box[1] : box[3], box[0] : box[2]] = 0
    return found


def _flood(mask: NDArray[np.bool_], start: tuple[int, int]) -> NDArray[np.bool_]:
    """The places of a mask [h, w] that hang together with `start` by their sides."""
    reached = np.zeros_like(mask)
    reached[start] = True
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown &= mask
        if (grown == reached).all():
            return reached
        reached = grown


def _shared(places: NDArray[np.int64], box: Box) -> NDArray[np.int64]:
    """How many places windows [..., 4] share with a box, int64 [...]."""
    across = np.minimum(places[..., 2], box[2]) - np.maximum(places[..., 0], box[0])
    down = np.minimum(places[..., 3], box[3]) - np.maximum(places[..., 1], box[1])
    shared: NDArray[np.int64] = across.clip(0) * down.clip(0)
    return shared
