"""Sound surfaces to draw damage on: views of real photos, repainted or not, and drawn walls."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from models.learning.data import Image
from models.learning.drawing.fields import Field, Random, cells, cloud, places, soften, step

Picture = NDArray[np.floating[Any]]
"""Light of each pixel, [side, side, 3], 0..1."""

Colour = NDArray[np.floating[Any]]
"""Red, green and blue, 0..1."""

WALLS = ("plaster", "concrete", "bricks", "tiles", "boards")


def muted(random: Random, darkest: float = 0.1, strongest: float = 0.5) -> Colour:
    """A colour as soils, salts, rust and moulds have it: seldom strong. Walls are lighter and paler."""
    hue = random.choice([0.03, 0.07, 0.1, 0.13, 0.3, 0.45, 0.58, 0.62]) + random.normal(0, 0.025)
    strength = min(strongest, random.gamma(1.5, 0.13))
    light = random.uniform(darkest, 0.95)
    wheel = np.clip(np.abs(((hue + np.array([0, 2 / 3, 1 / 3])) % 1) * 6 - 3) - 1, 0, 1)
    colour: Colour = (light * (1 - strength + strength * wheel)).astype(np.float32)
    return colour


def view(random: Random, photos: Sequence[Image], side: int) -> Picture:
    """A random view, flipped and turned, of one of the photos uint8 [H, W, 3]."""
    photo = photos[int(random.integers(len(photos)))]
    height, width = photo.shape[:2]
    share = np.sqrt(random.uniform(0.4, 1.0))
    top, left = random.uniform(0, 1 - share) * height, random.uniform(0, 1 - share) * width
    box = (left, top, left + share * width, top + share * height)
    cut = Pillow.fromarray(photo).resize((side, side), Pillow.Resampling.BILINEAR, box)
    picture = np.rot90(np.asarray(cut, np.float32) / 255, int(random.integers(4)))
    return picture[:, ::-1] if random.random() < 0.5 else picture


def repaint(picture: Picture, colour: Colour, contrast: float) -> Picture:
    """The same surface in another colour: its light and shade stay, by `contrast` (1: as they were)."""
    grey = picture.mean(axis=2, keepdims=True)
    shade = (grey + 0.03) / (grey.mean() + 0.03)
    painted: Picture = np.clip(colour * shade**contrast, 0, 1)
    return painted


def wall(random: Random, kind: str, colour: Colour, side: int, scale: float) -> Picture:
    """A drawn wall of one of WALLS in a colour; scale: the size of its units, 0..1."""
    grain = 0.03 * cloud(random, side, 0.01, 1.5) + 0.03 * cloud(random, side, 0.3, 2.0)
    if kind == "plaster":
        bumps = cloud(random, side, 0.015 + 0.05 * scale, 2.5)
        plastered: Picture = np.clip(colour * (1 + grain + 0.05 * lit(bumps, 0.8))[:, :, np.newaxis], 0, 1)
        return plastered
    if kind == "concrete":
        nearest, _, _ = cells(random, side, 60, 0.0)
        pores = np.clip(1.3 - nearest / 0.008, 0, 1) * 0.35
        stained = grain + 0.08 * cloud(random, side, 0.2, 1.8) - pores
        poured: Picture = np.clip(colour * (1 + stained)[:, :, np.newaxis], 0, 1)
        return poured
    joints, unit = _joints(random, kind, side, scale)
    tone = (random.normal(0, 0.09, (512, 1)) + random.normal(0, 0.02, (512, 3)))[unit]
    picture = colour * (1 + tone + grain[:, :, np.newaxis])
    mortar = np.clip(0.5 * colour + 0.3 * random.random() + 0.1, 0, 1) * (1 + 2 * grain[:, :, np.newaxis])
    share = joints[:, :, np.newaxis]
    shadow = 0.25 * lit(-3 * soften(joints, 1.0), 0.5)
    jointed: Picture = np.clip(picture * (1 - share) + mortar * share + shadow[:, :, np.newaxis], 0, 1)
    return jointed.astype(np.float32)


def _joints(random: Random, kind: str, side: int, scale: float) -> tuple[Field, NDArray[np.int64]]:
    """Where joints run, 0..1, and the number of the brick, tile or board that each pixel lies on."""
    rows, columns = places(side)
    tilt = random.normal(0, 0.02)
    rows, columns = rows + tilt * columns, columns - tilt * rows
    high = {"bricks": 0.09, "tiles": 0.25, "boards": 1.5}[kind] * (0.6 + scale)
    long = {"bricks": 0.24, "tiles": 0.25, "boards": 0.2}[kind] * (0.6 + scale)
    wobble = 0.004 * cloud(random, side, 0.1, 2.0) if kind == "bricks" else 0.0
    course = (rows + wobble + random.random()) / high
    along = (columns + wobble + random.random()) / long + (0.5 * (np.floor(course) % 2) if kind == "bricks" else 0)
    gap = 0.5 * {"bricks": 0.016, "tiles": 0.008, "boards": 0.006}[kind]
    from_joint = np.minimum(np.abs(course - np.round(course)) * high, np.abs(along - np.round(along)) * long)
    unit = (np.floor(course) * 31 + np.floor(along)).astype(np.int64) % 512
    return step((gap - from_joint).astype(np.float32), 0.0015), unit


def lit(height: Field, angle: float) -> Field:
    """Light and shade on a relief (height in pixels) that is lit from `angle`, radians: about -1..1."""
    down, right = np.gradient(height)
    light: Field = np.clip(down * np.sin(angle) + right * np.cos(angle), -1.5, 1.5).astype(np.float32)
    return light
