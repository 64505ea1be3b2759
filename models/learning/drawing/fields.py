"""Random fields and lines in a square of pixels: what surfaces and damage are drawn from."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

Field = NDArray[np.floating[Any]]
"""One number for each pixel, [side, side]."""

Random = np.random.Generator


@cache
def _frequencies(side: int) -> Field:
    """Cycles per picture of each coefficient of a real Fourier transform, [side, side // 2 + 1]."""
    rows, columns = np.fft.fftfreq(side) * side, np.fft.rfftfreq(side) * side
    radius: Field = np.hypot(rows[:, np.newaxis], columns[np.newaxis]).astype(np.float32)
    return radius


def cloud(random: Random, side: int, size: float, slope: float = 3.0, stretch: float = 1.0) -> Field:
    """Noise of mean 0 and deviation 1 with structures of `size` (share of the side) and finer ones.

    slope: how much weaker the finer structures are, 2 (ragged) to 5 (smooth). stretch: above 1, longer than high.
    """
    spectrum = np.fft.rfft2(random.standard_normal((side, side), dtype=np.float32))
    rows, columns = np.fft.fftfreq(side) * side, np.fft.rfftfreq(side) * side
    radius = np.hypot(rows[:, np.newaxis] / stretch, columns[np.newaxis] * stretch)
    spectrum *= 1 / (1 + (radius * size) ** slope)
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (side, side)).astype(np.float32)
    return field / max(float(field.std()), 1e-6)


def soften(field: Field, radius: float) -> Field:
    """Gaussian blur by `radius` pixels; the picture's edges meet."""
    side = len(field)
    kernel = np.exp(-2 * (np.pi * radius * _frequencies(side) / side) ** 2)
    return np.fft.irfft2(np.fft.rfft2(field) * kernel, (side, side)).astype(np.float32)


def step(field: Field, softness: float) -> Field:
    """0 where `field` is below 0 and 1 where above, with an edge that `softness` (in units of the field) makes wide."""
    stepped: Field = (1 / (1 + np.exp(-np.clip(field / max(softness, 1e-3), -20, 20)))).astype(np.float32)
    return stepped


def places(side: int) -> tuple[Field, Field]:
    """Row and column of each pixel, 0..1."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    return rows, columns


def cells(random: Random, side: int, count: int, warp: float = 0.0, stretch: float = 1.0) -> tuple[Field, Field, Field]:
    """A plane divided among `count` points (Voronoi): nearest distance, distance to the border, number of the cell.

    Distances are shares of the side. warp: how crooked the borders are; stretch: above 1, cells longer than high.
    """
    rows, columns = places(side)
    if warp:
        rows = rows + warp * cloud(random, side, 0.15, 2.5)
        columns = columns + warp * cloud(random, side, 0.15, 2.5)
    nearest = np.full((side, side), np.inf, np.float32)
    second = nearest.copy()
    owner = np.zeros((side, side), np.float32)
    for number, (row, column) in enumerate(random.random((count, 2), dtype=np.float32) * 1.2 - 0.1):
        distance = np.hypot((rows - row) * stretch, (columns - column) / stretch)
        owner[distance < nearest] = number
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return nearest, (second - nearest) / 2, owner


def lines(random: Random, side: int, starts: int, width: float, bend: float, branching: float, reach: float) -> Field:
    """Cracks, 0..1: `starts` lines that wander, thin out and branch.

    width: pixels at the start; bend: 0 (straight) to 1 (crooked); branching: branches a line, about; reach: its length
    as a share of the side. Widths under a pixel come out pale.
    """
    enlarged = 2
    canvas = Pillow.new("L", (side * enlarged, side * enlarged))
    pen = ImageDraw.Draw(canvas)
    waiting = []
    for _ in range(starts):
        heading = random.uniform(0, 2 * np.pi)
        middle = random.uniform(0.2, 0.8, 2) - 0.5 * reach * np.array([np.sin(heading), np.cos(heading)])
        waiting.append((middle, heading, width, reach))
    while waiting:
        place, heading, thick, left = waiting.pop()
        straight, pace = heading, 0.025
        whole = left
        while left > 0:
            heading = 0.8 * heading + 0.2 * straight + random.normal(0, 0.15 + 0.9 * bend)
            following = place + pace * np.array([np.sin(heading), np.cos(heading)])
            now = thick * (0.35 + 0.65 * left / whole) * random.uniform(0.6, 1.4)
            ends = [(float(x) * side * enlarged, float(y) * side * enlarged) for y, x in (place, following)]
            pen.line(ends, fill=int(255 * min(1.0, max(0.35, now))), width=max(1, round(now * enlarged)))
            if random.random() < branching * pace / whole and left > 0.1 and len(waiting) < 12:
                turn = random.choice([-1, 1]) * random.uniform(0.4, 1.2)
                waiting.append((following, heading + turn, thick * 0.7, left * random.uniform(0.3, 0.8)))
            place, left = following, left - pace
    return np.asarray(canvas.resize((side, side), Pillow.Resampling.BOX), np.float32) / 255
