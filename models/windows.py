"""Windows of a wide photo: where they lie, and their embeddings from one dense feature map.

A defect covers a few per cent of a photo of a whole wall. One pass of the network over the photo at about three times
its usual size gives features by place; the mean over the places of a window is nearly the embedding that the window
would have as a photo of its own.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.prototypes import l2_normalise

LONGEST = 768
"""Pixels of the longer side of a photo on its way to its feature map."""

STRIDE = 32
"""Pixels to a place of the map; sides are multiples of it."""

LEAST = 448
"""A photo whose longer side is shorter shows nothing in its windows that it does not show as a whole."""

DIVISIONS = (1, 2, 3, 4, 6)
"""Windows have the photo's sides divided by each of these, and overlap by half."""

CONTEXT = 0.1
"""So much of its sides is added to a region all around: a defect is told by its edge to what surrounds it."""

REST = 0.1
"""Of a photo whose regions leave less than this share free, the rest is no example of a sound surface."""


class Region(NamedTuple):
    """A rectangle of an upright photo: left, top, width and height as fractions of the photo's."""

    x: float
    y: float
    w: float
    h: float


ALL = Region(0.0, 0.0, 1.0, 1.0)
"""A photo as a whole."""


class Part(NamedTuple):
    """What of a photo is an example: all of it (no regions), its regions together, or the rest of it.

    Its text is what it is stored by; two parts of a photo are the same where their texts are.
    """

    regions: tuple[Region, ...] = ()
    is_rest: bool = False

    @property
    def text(self) -> str:
        """Such as `in 0.1000 0.2500 0.3000 0.0500`; of the whole photo, nothing."""
        if not self.regions:
            return ""
        boxes = ";".join(" ".join(f"{side:.4f}" for side in region) for region in sorted(set(self.regions)))
        return f"{'out' if self.is_rest else 'in'} {boxes}"

    @classmethod
    def parse(cls, text: str) -> "Part":
        """The part of this text. Raises ValueError where it is none."""
        if not text:
            return cls()
        side, _, boxes = text.partition(" ")
        if side not in {"in", "out"}:
            raise ValueError(f"{text!r} is no part of a photo.")
        regions = tuple(Region(*map(float, box.split(" "))) for box in boxes.split(";"))
        return cls(regions, is_rest=side == "out")


def with_context(region: Region) -> Region:
    """A region and what is added to it all around, as far as the photo reaches."""
    across, down = CONTEXT * region.w, CONTEXT * region.h
    left, top = max(0.0, region.x - across), max(0.0, region.y - down)
    right, bottom = min(1.0, region.x + region.w + across), min(1.0, region.y + region.h + down)
    return Region(left, top, right - left, bottom - top)


def is_wide(width: int, height: int) -> bool:
    """Whether windows of a photo of this size may show what the photo as a whole does not."""
    return max(width, height) >= LEAST


def map_size(width: int, height: int) -> tuple[int, int]:
    """Width and height at which a photo goes into the network for its map.

    The proportions are kept, as far as multiples of `STRIDE` allow.
    """
    scale = LONGEST / max(width, height) / STRIDE
    return max(1, round(width * scale)) * STRIDE, max(1, round(height * scale)) * STRIDE


@lru_cache(maxsize=64)
def window_places(rows: int, columns: int) -> NDArray[np.int64]:
    """The windows of a map of this size, int64 [N, 4]: left, top, right, bottom in places. The first is the whole."""
    places = np.array([place for division in DIVISIONS for place in _windows(rows, columns, division)])
    places.flags.writeable = False
    return places


def _windows(rows: int, columns: int, division: int) -> list[tuple[int, int, int, int]]:
    down, across = max(1, round(rows / division)), max(1, round(columns / division))
    return [(left, top, left + across, top + down) for top in _starts(rows, down) for left in _starts(columns, across)]


def _starts(length: int, window: int) -> list[int]:
    """Where windows of one size begin along a side: evenly, overlapping by half or a little more."""
    count = 1 + int(np.ceil((length - window) / (window / 2)))
    return sorted({round(start) for start in np.linspace(0, length - window, count).tolist()})


def embed_windows(features: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Embeddings of windows, float32 [N, D], each of length 1.

    Args:
        features: [h, w, D], the map of one photo.
        places: int64 [N, 4], see `window_places`.
    """
    rows, columns, dimension = features.shape
    total = np.zeros((rows + 1, columns + 1, dimension))
    total[1:, 1:] = features.cumsum(0, dtype=np.float64).cumsum(1)
    left, top, right, bottom = places.T
    return l2_normalise(total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left])


def embed_part(features: NDArray[np.float32], part: Part) -> NDArray[np.float32] | None:
    """Embedding of a part of a photo, float32 [D] of length 1; of a rest, None where too little is left.

    features: [h, w, D], the map of the photo.
    """
    rows, columns, _ = features.shape
    covered = np.zeros((rows, columns), bool)
    for region in part.regions:
        left, top, right, bottom = _places(region, rows, columns)
        covered[top:bottom, left:right] = True
    if part.is_rest and covered.mean() > 1 - REST:
        return None
    chosen = features[covered != part.is_rest] if part.regions else features.reshape(-1, features.shape[2])
    embedding: NDArray[np.float32] = l2_normalise(chosen.mean(axis=0, dtype=np.float64))
    return embedding


def region_of(place: Sequence[int], rows: int, columns: int) -> Region:
    """A window of a map as a region of its photo."""
    left, top, right, bottom = place
    return Region(left / columns, top / rows, (right - left) / columns, (bottom - top) / rows)


def _places(region: Region, rows: int, columns: int) -> tuple[int, int, int, int]:
    """The places of a region and its context, [left, top, right, bottom]: those that it covers well, one at least."""
    wide = with_context(region)
    left, right = _span(wide.x * columns, (wide.x + wide.w) * columns, columns)
    top, bottom = _span(wide.y * rows, (wide.y + wide.h) * rows, rows)
    return left, top, right, bottom


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    first = min(int(np.floor(start + 0.35)), length - 1)
    return first, max(first + 1, int(np.ceil(end - 0.35)))
