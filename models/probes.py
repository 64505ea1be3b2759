"""Patterns to try a network on."""

import numpy as np
from numpy.typing import NDArray


def probes(height: int, width: int, count: int = 8) -> NDArray[np.uint8]:
    """Photo-like patterns, the same at every call: uint8 [count, height, width, 3].

    Smooth fields at several scales with a few dark lines: closer to a photo of a wall than noise is, and noise is
    where low precision looks best.
    """
    random = np.random.default_rng(20260101)
    rows, columns = np.mgrid[0:height, 0:width]
    patterns = np.empty((count, height, width, 3), np.uint8)
    for index in range(count):
        field = np.full((height, width, 3), random.uniform(90, 190, 3))
        for cells in (3, 9, 31):
            coarse = random.normal(0, 60 / cells**0.5, (cells, cells, 3))
            field += coarse[rows * cells // height, columns * cells // width]
        for _ in range(index % 4):
            slope, start, depth = random.uniform(-1, 1), random.uniform(0, height), random.uniform(40, 110)
            field[np.abs(rows - start - slope * columns) < 1 + index % 3] -= depth
        patterns[index] = np.clip(field, 0, 255).astype(np.uint8)
    return patterns
