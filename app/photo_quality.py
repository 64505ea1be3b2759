"""What can be said of a photo before anybody knows what it shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 16


@dataclass(frozen=True)
class PhotoQuality:
    """brightness: mean of the grey photo, 0..255. sharpness: variance of its Laplacian. fingerprint: 64 hexadecimal
    digits, of which few bits differ between two files of the same photo.
    """

    brightness: float
    sharpness: float
    fingerprint: str


def measure(pixels: NDArray[np.uint8]) -> PhotoQuality:
    """Measure a photo as the embedder sees it, uint8 [H, W, 3], each side at least 17 pixels.

    The fingerprint is a difference hash: is each of 16 x 16 cells darker than its neighbour to the right?
    """
    grey = (pixels @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    rows = np.linspace(0, grey.shape[0], CELLS + 1).astype(int)[:-1]
    columns = np.linspace(0, grey.shape[1], CELLS + 2).astype(int)
    cells = np.add.reduceat(np.add.reduceat(grey, rows, axis=0), columns[:-1], axis=1) / np.diff(columns)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    return PhotoQuality(float(grey.mean()), float(laplacian.var()), bits.tobytes().hex())


def differing_bits(first: str, second: str) -> int:
    """How many of the 256 bits of two fingerprints differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()
