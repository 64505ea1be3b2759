"""What can be said of a photo before anybody knows what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 16
SAME_BITS = 12
"""Of 256. Nine in ten re-encoded or shrunk copies differ in no more, and one in 10,000 pairs of photos of a class."""


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


def copies(fingerprints: Sequence[str]) -> list[list[int]]:
    """Groups of two and more photos, as places, that are linked by fingerprints of which few bits differ."""
    prints = np.frombuffer(bytes.fromhex("".join(fingerprints)), np.uint64).reshape(-1, 4)
    group = np.arange(len(prints))
    for place, own in enumerate(prints):
        alike = np.bitwise_count(prints[:place] ^ own).sum(axis=1) <= SAME_BITS
        if alike.any():
            group[np.isin(group, group[:place][alike])] = group[place]
    return [members.tolist() for each in np.unique(group) if len(members := np.flatnonzero(group == each)) > 1]
