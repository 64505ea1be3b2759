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
