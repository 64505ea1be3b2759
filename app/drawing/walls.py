"""Walls to draw a defect on.

Every wall kind, coat, joint and stain here may occur under every defect, so that the wall does not give the class away
(but for peeling paint, which needs paint).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.drawing.fields import (
    Field,
    Shape,
    blob,
    cells,
    drawn_out,
    fractal,
    grid,
    run_down,
    sample,
    smoothstep,
    stamp,
    walk,
)

# [3, H, W]: numpy multiplies that by [H, W] far faster than it does [H, W, 3].
Planes = NDArray[np.float32]
Colour = tuple[float, float, float]

CONCRETE: tuple[Colour, ...] = ((0.62, 0.62, 0.60), (0.55, 0.54, 0.52), (0.68, 0.66, 0.62), (0.52, 0.55, 0.56))
RENDER: tuple[Colour, ...] = ((0.80, 0.76, 0.68), (0.72, 0.70, 0.66), (0.76, 0.68, 0.56), (0.66, 0.60, 0.52))
BRICKS: tuple[Colour, ...] = ((0.58, 0.33, 0.25), (0.66, 0.43, 0.32), (0.50, 0.36, 0.30), (0.70, 0.58, 0.45))
BLOCKS: tuple[Colour, ...] = ((0.60, 0.60, 0.58), (0.68, 0.65, 0.60), (0.55, 0.55, 0.55))
PAINTS: tuple[Colour, ...] = (
    (0.84, 0.83, 0.79), (0.80, 0.76, 0.66), (0.64, 0.70, 0.67), (0.58, 0.64, 0.69),
    (0.76, 0.67, 0.59), (0.66, 0.68, 0.58), (0.62, 0.62, 0.63), (0.68, 0.51, 0.44),
)  # fmt: skip


@dataclass
class Wall:
    """A wall as it stands, before any light falls on it; defects change it in place."""

    albedo: Planes  # the share of light it gives back, linear, red, green, blue
    under: Planes  # the same for what comes to light where the paint is gone
    coat: Field  # where it is painted, 0 to 1
    relief: Field  # height towards the camera, in pixels
    core: Planes  # the colour of its inside, [3, 1, 1], where a piece has broken off
    px: float  # how many pixels one pixel of a 960-pixel photo from the usual distance becomes in this one

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return self.relief.shape[0], self.relief.shape[1]


def linear(colour: Colour) -> Planes:
    """A display colour as light, [3, 1, 1]: gamma 2 here and a square root in the camera, exact inverses and cheap."""
    return np.square(np.asarray(colour, np.float32))[:, None, None]


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Planes:
    """One of `colours`, a little lighter or darker, warmer or cooler."""
    red, green, blue = colours[rng.integers(len(colours))]
    value, warmth = rng.normal(1, 0.08), rng.normal(0, 0.012)
    return linear((value * red + warmth, value * green, value * blue - warmth))


def sign(rng: np.random.Generator) -> float:
    """Up or down, left or right, raised or sunk: 1 or -1."""
    return 1.0 if rng.random() < 0.5 else -1.0


def blend(under: Planes, over: Planes, amount: Field) -> None:
    """Covers `under` with `over` by `amount` (0 to 1) in place."""
    for plane in range(3):  # one at a time: three do not fit in a processor's cache
        under[plane] += amount * (over[plane] - under[plane])


def build(rng: np.random.Generator, shape: Shape) -> Wall:
    """A weathered wall of `shape`: concrete, render, brick or block, bare or painted."""
    px = min(shape) / 960 * float(np.exp(rng.uniform(math.log(0.85), math.log(1.8))))
    albedo, relief, core = (_concrete, _render, _masonry, _masonry)[rng.integers(4)](rng, shape, px)
    # A bare wall has nothing under its surface but itself.
    wall = Wall(albedo, albedo, np.zeros(shape, np.float32), relief, core, px)
    if rng.random() < 0.45:
        paint(rng, wall, np.ones(shape, np.float32))
    elif rng.random() < 0.15:
        paint(rng, wall, dado(rng, shape))
    _weather(rng, wall)
    return wall


def paint(rng: np.random.Generator, wall: Wall, where: Field) -> None:
    """Paints the wall `where`; what was the surface is then what comes to light under the paint."""
    wall.under = wall.albedo.copy()
    blend(wall.albedo, _mottled(rng, wall.shape, wall.px, pick(rng, PAINTS), 0.03), where)
    wall.coat = np.maximum(wall.coat, where)
    wall.relief *= 1 - 0.25 * where
    wall.relief += 0.1 * wall.px * where * fractal(rng, wall.shape, 8 * wall.px, 3)


def dado(rng: np.random.Generator, shape: Shape) -> Field:
    """The part of a wall below, above or beside a nearly straight line: where painters stop."""
    return smoothstep(-1, 1, np.float32(sign(rng)) * _beyond(rng, shape, 0.35, 0.65))


def _beyond(rng: np.random.Generator, shape: Shape, low: float, high: float) -> Field:
    """How many pixels each point is past a nearly level or upright line, `low` to `high` of the way across."""
    y, x = grid(shape)
    lean, level = np.float32(rng.normal(0, 0.02)), rng.uniform(low, high)
    if rng.random() < 0.6:
        return y + lean * x - np.float32(level * shape[0])
    return x + lean * y - np.float32(level * shape[1])


def _mottled(rng: np.random.Generator, shape: Shape, px: float, colour: Planes, amount: float) -> Planes:
    """An almost even colour: clouds and grains of `amount`."""
    clouds, grains = fractal(rng, shape, 240 * px, 12 * px), fractal(rng, shape, 4 * px, 2)
    return colour * (1 + np.float32(amount) * clouds + np.float32(0.7 * amount) * grains)


def _concrete(rng: np.random.Generator, shape: Shape, px: float) -> tuple[Planes, Field, Planes]:
    """Cast concrete: cloudy, with the air holes and sometimes the seams of its formwork."""
    core = pick(rng, CONCRETE)
    albedo = _mottled(rng, shape, px, core, rng.uniform(0.06, 0.14))
    relief = rng.uniform(0.1, 0.4) * px * fractal(rng, shape, 24 * px, 3, 0.7)
    distance, _, value = cells(rng, shape, rng.uniform(18, 40) * px)
    holes = smoothstep(0.0, -0.1, distance - 0.35 * (value < rng.uniform(0.02, 0.15)) * (0.25 + 2.5 * value))
    albedo *= 1 - 0.45 * holes
    relief -= 2 * px * holes
    if rng.random() < 0.5:
        board = (grid(shape)[rng.integers(2)] + np.float32(200 * px)) / np.float32(rng.uniform(160, 420) * px)
        shades = rng.normal(1, 0.05, 64).astype(np.float32)
        albedo *= shades.take(board.astype(np.intp), mode="clip")
        seam = smoothstep(0.012, 0.004, np.abs(board - np.round(board)))
        albedo *= 1 - rng.uniform(0.1, 0.5) * seam
        relief += 1.5 * sign(rng) * px * seam
    return albedo, relief, core


def _render(rng: np.random.Generator, shape: Shape, px: float) -> tuple[Planes, Field, Planes]:
    """Cement render or plaster: rough-cast, or swept by a trowel, or felted smooth."""
    albedo = _mottled(rng, shape, px, pick(rng, RENDER), rng.uniform(0.03, 0.08))
    finish = rng.integers(3)
    if finish == 0:
        relief = rng.uniform(0.8, 1.8) * fractal(rng, shape, 12 * px, 3, 0.8)
    elif finish == 1:
        sweep = ((1, 6), (6, 1))[rng.integers(2)]
        relief = 0.8 * drawn_out(rng, shape, 8 * px, sweep) + 0.5 * fractal(rng, shape, 90 * px, 10)
    else:
        relief = 0.35 * fractal(rng, shape, 14 * px, 2, 0.8)
    return albedo, px * relief, pick(rng, CONCRETE + BRICKS)


def _masonry(rng: np.random.Generator, shape: Shape, px: float) -> tuple[Planes, Field, Planes]:
    """Courses of bricks, each of its own shade, or of blocks, large and alike; seen a little turned."""
    if rng.random() < 0.5:
        unit, colour = (rng.uniform(60, 84) * px, rng.uniform(200, 260) * px), pick(rng, BRICKS)
        spread = rng.uniform(0.1, 0.22)
    else:
        unit, colour = (rng.uniform(180, 300) * px, rng.uniform(380, 560) * px), pick(rng, BLOCKS)
        spread = rng.uniform(0.03, 0.08)
    # Half the resolution will do: no edge in a photo of a wall is sharper than two pixels.
    half = (shape[0] // 2 + 2, shape[1] // 2 + 2)
    y, x = (2 * axis for axis in grid(half))
    lean, start = np.float32(rng.normal(0, 0.03)), rng.uniform(20, 21, 2).astype(np.float32)
    wobble = 1.2 * px * fractal(rng, half, 20 * px, 2)
    course = (y + lean * x + wobble) / np.float32(unit[0]) + start[0]
    row = np.floor(course)
    along = (x - lean * y + wobble) / np.float32(unit[1]) + start[1] + 0.5 * (row % 2)
    column = np.floor(along)
    aside = np.minimum(
        (0.5 - np.abs(course - row - 0.5)) * np.float32(unit[0]),
        (0.5 - np.abs(along - column - 0.5)) * np.float32(unit[1]),
    )
    joint = np.float32(rng.uniform(4, 9) * px)
    face = sample(smoothstep(-0.2, 0.35, aside / joint - 0.5), shape, 2, 2)
    which = (row * 64 + column).astype(np.intp) % 4096
    shades = 1 + spread * (rng.standard_normal(4096) + 0.15 * rng.standard_normal((3, 4096)))
    albedo = np.empty((3, *shape), np.float32)
    for plane, shade in enumerate(np.clip(shades, 0.4, 1.7).astype(np.float32)):
        albedo[plane] = colour[plane] * sample(shade.take(which), shape, 2, 2)
    blend(albedo, pick(rng, CONCRETE + RENDER), 1 - face)
    albedo *= 1 + rng.uniform(0.04, 0.1) * fractal(rng, shape, 24 * px, 2, 0.9)
    relief = np.float32(rng.uniform(1, 4) * px) * face
    relief += rng.uniform(0.2, 0.6) * px * fractal(rng, shape, 12 * px, 2, 0.8)
    return albedo, relief, np.float32(1.1) * colour


def _weather(rng: np.random.Generator, wall: Wall) -> None:
    """Dirt, runs, a groove, filler and scratches: what an old wall carries without being defective."""
    shape, px = wall.shape, wall.px
    height, width = shape
    dirt = linear((0.30, 0.28, 0.24)) if rng.random() < 0.7 else linear((0.28, 0.32, 0.22))
    if rng.random() < 0.5:
        clouds = smoothstep(rng.uniform(0.0, 1.0), 2.5, fractal(rng, shape, 300 * px, 6, 0.65))
        blend(wall.albedo, dirt, rng.uniform(0.15, 0.5) * clouds)
    if rng.random() < 0.3:
        runs = np.zeros(shape, np.float32)
        for _ in range(rng.integers(1, 6)):
            top = (rng.uniform(-0.5, -0.05) * height, rng.uniform(0, width))
            run_down(rng, runs, top, rng.uniform(8, 50) * px, rng.uniform(400, 1000) * px)
        blend(wall.albedo, dirt, rng.uniform(0.2, 0.6) * smoothstep(0, 1, runs))
    if rng.random() < 0.18:  # a groove or a cable: straight where a crack is not
        away: Field = np.abs(_beyond(rng, shape, 0.1, 0.9))
        line = smoothstep(rng.uniform(2, 7) * px, 0, away)
        wall.albedo *= 1 - rng.uniform(0.2, 0.8) * line
        wall.relief += 4 * sign(rng) * px * line
    if rng.random() < 0.15:  # filler, or a mended place
        centre = (rng.uniform(0, height), rng.uniform(0, width))
        patch = blob(rng, shape, centre, (rng.uniform(40, 140) * px, rng.uniform(60, 240) * px), 0.3)
        filler = wall.albedo.mean((1, 2), keepdims=True) * rng.uniform(0.6, 1.5)
        blend(wall.albedo, filler, rng.uniform(0.3, 0.8) * smoothstep(0, 0.25, patch))
    if rng.random() < 0.3:
        scratches = np.zeros(shape, np.float32)
        for _ in range(rng.integers(1, 7)):
            start = (rng.uniform(0, height), rng.uniform(0, width))
            path = walk(rng, start, rng.uniform(0, math.tau), int(rng.uniform(30, 300) * px) + 2, 0.004)
            stamp(scratches, path, np.full(len(path), 0.5 * px * rng.uniform(0.6, 1.6), np.float32))
        blend(wall.albedo, dirt if rng.random() < 0.5 else linear((0.8, 0.8, 0.78)), rng.uniform(0.2, 0.5) * scratches)
