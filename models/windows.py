"""Windows of a wide photo: where they lie, and their embeddings from one dense feature map.

A defect covers a few per cent of a photo of a whole wall. One pass of the network over the photo at about three times
its usual size gives features by place; the mean over the places of a window is the embedding that the window would
have as a photo of its own, or nearly (benchmarks/REGIONS.md compares them).
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

SOUND_AREA = 0.3
"""A window that is kept as an example of a sound surface covers at most this share of the photo."""

SOUND_A_PHOTO = 6
"""So many windows of one photo are kept as examples of a sound surface."""


class Region(NamedTuple):
    """A rectangle of an upright photo: left, top, width and height as fractions of the photo's."""

    x: float
    y: float
    w: float
    h: float


def map_size(width: int, height: int) -> tuple[int, int] | None:
    """Width and height at which a photo goes into the network for its map; None where it is too small for windows.

    The proportions are kept, as far as multiples of `STRIDE` allow.
    """
    longer = max(width, height)
    if longer < LEAST:
        return None
    scale = LONGEST / longer / STRIDE
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


def embed_regions(features: NDArray[np.float32], regions: Sequence[Region]) -> NDArray[np.float32]:
    """Embeddings of regions of a photo with a little context, float32 [N, D], each of length 1; see `embed_windows`."""
    rows, columns, _ = features.shape
    return embed_windows(features, np.array([_places(region, rows, columns) for region in regions]))


def sound_regions(regions: Sequence[Region], rows: int, columns: int) -> list[Region]:
    """Windows well outside all of these regions of a photo, at most `SOUND_A_PHOTO`, of every size, spread evenly."""
    windows = [region_of(place, rows, columns) for place in window_places(rows, columns).tolist()]
    outside = [
        window
        for window in windows
        if window.w * window.h <= SOUND_AREA and not any(_overlap(window, _widened(region)) for region in regions)
    ]
    if len(outside) <= SOUND_A_PHOTO:
        return outside
    return [outside[round(place)] for place in np.linspace(0, len(outside) - 1, SOUND_A_PHOTO).tolist()]


def embed_sound_photo(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a photo that is sound all over teaches, float32 [N, D]: itself and its windows of half its sides.

    The windows of a wide photo are compared with them: by the whole alone they are told from defects less well.

    Args:
        features: [h, w, D], the map of the photo, at the network's own size too.
    """
    rows, columns, _ = features.shape
    return embed_windows(features, np.array([(0, 0, columns, rows), *_windows(rows, columns, 2)]))


def region_of(place: Sequence[int], rows: int, columns: int) -> Region:
    """A window of a map as a region of its photo."""
    left, top, right, bottom = place
    return Region(left / columns, top / rows, (right - left) / columns, (bottom - top) / rows)


def _places(region: Region, rows: int, columns: int) -> tuple[int, int, int, int]:
    """The places of a region and its context: those of which it covers a good part, one at least."""
    wide = _widened(region)
    left, right = _span(wide.x * columns, (wide.x + wide.w) * columns, columns)
    top, bottom = _span(wide.y * rows, (wide.y + wide.h) * rows, rows)
    return left, top, right, bottom


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    first = min(int(np.floor(max(0.0, start) + 0.35)), length - 1)
    return first, max(first + 1, int(np.ceil(min(end, length) - 0.35)))


def _widened(region: Region) -> Region:
    across, down = CONTEXT * region.w, CONTEXT * region.h
    return Region(region.x - across, region.y - down, region.w + 2 * across, region.h + 2 * down)


def _overlap(one: Region, other: Region) -> bool:
    return (
        min(one.x + one.w, other.x + other.w) > max(one.x, other.x)
        and min(one.y + one.h, other.y + other.h) > max(one.y, other.y)
    )  # fmt: skip
