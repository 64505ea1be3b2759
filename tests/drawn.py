"""Small photos for the tests, drawn from a kind and a seed: the same arguments give the same bytes."""

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KINDS = ("crack", "rust", "brick")


def pixels(kind: str, seed: int, height: int = 180, width: int = 240) -> NDArray[np.uint8]:
    """A wall with dark lines ("crack"), orange spots ("rust") or a grid of joints ("brick")."""
    random = np.random.default_rng([KINDS.index(kind), seed])
    rows, columns = np.mgrid[0:height, 0:width]
    wall = np.full((height, width, 3), random.uniform(140, 190, 3)) + random.normal(0, 6, (height, width, 3))
    if kind == "crack":
        for _ in range(3):
            slope, start = random.uniform(-0.6, 0.6), random.uniform(0.2, 0.8) * height
            wander = start + slope * columns + 6 * np.sin(columns / random.uniform(5, 20))
            wall[np.abs(rows - wander) < random.uniform(1.5, 3)] -= 110
    elif kind == "rust":
        for _ in range(6):
            y, x, radius = random.uniform(0, height), random.uniform(0, width), random.uniform(10, 40)
            wall[np.hypot(rows - y, (columns - x) * 1.4) < radius] = (170, 80, 20)
    else:
        course = int(random.integers(18, 26))
        joints = (rows % course < 3) | ((columns + (rows // course % 2) * course) % (2 * course) < 3)
        wall = np.where(joints[..., None], (220, 220, 215), wall * (0.9, 0.5, 0.4))
    return np.clip(wall, 0, 255).astype(np.uint8)


def encode(array: NDArray[np.uint8], kind: str = "JPEG", **options: Any) -> bytes:
    """The file of these pixels."""
    return save(Image.fromarray(array), kind, **options)


def save(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The file of this image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def photo(kind: str = "crack", seed: int = 0) -> bytes:
    """A JPEG file of about 10 kB."""
    return encode(pixels(kind, seed), quality=90)


def photos(kind: str, seeds: range) -> list[bytes]:
    """Several JPEG files."""
    return [photo(kind, seed) for seed in seeds]


Box = tuple[float, float, float, float]
"""Left, top, width and height, as fractions."""


@cache
def wide_photo(kind: str | None, seed: int = 0, side: int = 960) -> tuple[bytes, Box]:
    """A JPEG of a wall from afar, with one "crack" or "rust" in it or none, and where that is."""
    random = np.random.default_rng([7, seed])
    height, width = side * 3 // 4, side
    rows, columns = np.mgrid[0:height, 0:width]
    wall = np.full((height, width, 3), random.uniform(150, 180, 3)) + random.normal(0, 6, (height, width, 3))
    across, down = width // 4, height // 4
    left, top = int(random.integers(0, width - across)), int(random.integers(0, height - down))
    inside = (rows >= top) & (rows < top + down) & (columns >= left) & (columns < left + across)
    if kind == "crack":
        for _ in range(3):
            slope, start = random.uniform(-0.4, 0.4), top + random.uniform(0.3, 0.7) * down
            wander = start + slope * (columns - left - across / 2) + 8 * np.sin(columns / random.uniform(5, 20))
            wall[inside & (np.abs(rows - wander) < random.uniform(2, 4))] -= 110
    elif kind == "rust":
        for _ in range(6):
            y, x = top + random.uniform(0.2, 0.8) * down, left + random.uniform(0.2, 0.8) * across
            wall[inside & (np.hypot(rows - y, (columns - x) * 1.4) < random.uniform(20, 45))] = (170, 80, 20)
    box = (left / width, top / height, across / width, down / height)
    return encode(np.clip(wall, 0, 255).astype(np.uint8), quality=90), box
