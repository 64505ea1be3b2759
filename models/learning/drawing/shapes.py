"""The shapes of damage: how much of each pixel it covers, and how high it stands.

Every shape is drawn anew for each photo; `form`, three numbers 0..1, is what the photos of one class have in common.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.learning.drawing.fields import Field, Random, cells, cloud, lines, places, soften, step


@dataclass(frozen=True)
class Shape:
    """cover [side, side], 0..1; height [side, side], pixels, positive towards the eye."""

    cover: Field
    height: Field


Form = tuple[float, float, float]


def _area(random: Random, side: int, size: float, rough: float) -> Field:
    """Above 0 inside an irregular area of about `size` (share of the side), with its middle somewhere in the photo."""
    rows, columns = places(side)
    row, column = random.uniform(0.25, 0.75, 2)
    turn, long = random.uniform(0, np.pi), random.uniform(1.0, 1.8)
    along = (rows - row) * np.cos(turn) + (columns - column) * np.sin(turn)
    across = (columns - column) * np.cos(turn) - (rows - row) * np.sin(turn)
    distance = np.hypot(along / long, across * long) / max(size, 0.05)
    ragged: Field = cloud(random, side, 0.1 + 0.25 * size, 2.2 + 1.3 * (1 - rough))
    area: Field = (0.5 - distance + (0.1 + 0.22 * rough) * ragged).astype(np.float32)
    return area


def patch(random: Random, side: int, size: float, form: Form) -> Shape:
    """A stain or a repaired place: an area with an edge, soft or hard."""
    area = _area(random, side, size, form[0])
    cover = step(area, 0.005 + 0.12 * form[1])
    return Shape(cover, (form[2] - 0.5) * 3 * cover)


def flake(random: Random, side: int, size: float, form: Form) -> Shape:
    """Paint or plaster that came off in pieces: angular holes with hard edges."""
    area = _area(random, side, size, 0.4)
    _, border, owner = cells(random, side, 12 + int(50 * form[0]), 0.015)
    gone = random.random(128) < 0.45 + 0.5 * form[1]
    inside = step(area + 0.35 * (random.random(128)[owner.astype(int)] - 0.5), 0.01)
    cover = soften((inside * gone[owner.astype(int)] * (border > 0.004 * (1 - form[2]))).astype(np.float32), 0.7)
    return Shape(cover, -(2 + 5 * form[2]) * soften(cover, 1.2))


def crack(random: Random, side: int, size: float, form: Form) -> Shape:
    """A crack or a few, thin or gaping, straight or crooked, with branches."""
    starts = 1 + int(random.random() < 0.3) + int(3 * form[2] * random.random())
    width = side / 224 * (0.6 + 5 * form[0] ** 2) * random.uniform(0.7, 1.4)
    drawn = lines(random, side, starts, width, form[1], 4 * form[2], 0.5 + 0.8 * size)
    return Shape(soften(drawn, 0.5), -2 * soften(drawn, 1.0))


def craze(random: Random, side: int, size: float, form: Form) -> Shape:
    """A net of fine cracks: crazing, alligator cracking, dried mud."""
    count = 10 + int(80 * form[0] ** 1.5)
    _, border, _ = cells(random, side, count, 0.01 + 0.03 * form[1], 1 + 0.8 * form[2] * random.random())
    width = 0.0025 + 0.006 * form[2]
    net = np.clip(1.5 - border / width, 0, 1) * step(_area(random, side, 1.6 * size, 0.6), 0.05)
    net = (net * np.clip(0.8 + 0.4 * cloud(random, side, 0.1), 0.1, 1)).astype(np.float32)
    return Shape(soften(net, 0.5), -1.5 * soften(net, 1.0))


def drip(random: Random, side: int, size: float, form: Form) -> Shape:
    """Streaks that run down from a line or a point and fade."""
    rows, columns = places(side)
    wide = 0.012 + 0.07 * form[0]
    profile = cloud(random, side, wide, 2.5)[0]
    top, length = random.uniform(-0.1, 0.45), 0.25 + 0.7 * size
    ends = length * np.clip(0.55 + 0.35 * cloud(random, side, wide, 2.0)[0], 0.1, 1.3)
    sway = (columns + 0.012 * cloud(random, side, 0.5, 3.0)) * side
    at = np.clip(sway.astype(int), 0, side - 1)
    down = (rows - top) / ends[at]
    fade = np.clip(1 - down, 0, 1) ** (0.4 + 1.2 * form[1]) * step(rows - top, 0.004 + 0.05 * form[1])
    middle, reach = random.uniform(0.3, 0.7), 0.15 + 0.5 * size
    within = step(reach - np.abs(columns - middle), 0.03)
    cover = fade * step(profile[at] - 0.9 + 1.2 * form[2], 0.3) * within
    return Shape(soften(cover.astype(np.float32), 0.8), 0.4 * cover.astype(np.float32))


def speckle(random: Random, side: int, size: float, form: Form) -> Shape:
    """Many small spots: mould, lichen, splashes, pitting."""
    grain = 0.011 + 0.035 * form[0] ** 1.5
    dots = cloud(random, side, grain, 3 + 2 * form[1])
    density = 1.6 - 1.2 * form[2] - 0.5 * np.clip(3 * _area(random, side, 1.5 * size, 0.8), -2, 1)
    cover = step(dots - density, 0.08 + 0.3 * (1 - form[1]))
    return Shape(cover, (form[1] - 0.6) * 2 * soften(cover, 0.8))


def band(random: Random, side: int, size: float, form: Form) -> Shape:
    """Rising damp, a tide line, dirt along an edge: all that lies beyond a wavy line, or only the line."""
    rows, columns = places(side)
    turn = random.choice(4) * np.pi / 2 * (form[2] > 0.5) + random.normal(0, 0.1)
    along = (rows - 0.5) * np.cos(turn) + (columns - 0.5) * np.sin(turn)
    wavy = along + (0.02 + 0.09 * form[0]) * cloud(random, side, 0.12 + 0.3 * form[1], 2.2)
    level = random.uniform(-0.2, 0.25)
    beyond = step(wavy - level, 0.008 + 0.07 * form[1])
    line = np.exp(-(((wavy - level) / (0.015 + 0.06 * size)) ** 2)).astype(np.float32)
    cover = (
        line if form[1] < 0.3 else np.clip(beyond * (0.6 + 0.4 * np.exp(-4 * (wavy - level) ** 2)) + 0.3 * line, 0, 1)
    )
    return Shape(cover.astype(np.float32), np.zeros_like(cover, np.float32))


def efflorescence(random: Random, side: int, size: float, form: Form) -> Shape:
    """A bloom of salt: fine-grained, thick in places, with no edge."""
    area = step(_area(random, side, 1.4 * size, 0.9), 0.15 + 0.15 * form[0])
    fine = cloud(random, side, 0.012 + 0.04 * form[1], 1.8)
    cover = np.clip(area * (0.45 + 0.35 * fine + 0.3 * cloud(random, side, 0.15, 2.0)), 0, 1) ** (0.6 + form[2])
    return Shape(cover.astype(np.float32), (0.7 * cover).astype(np.float32))


def honeycomb(random: Random, side: int, size: float, form: Form) -> Shape:
    """Stones with holes between them, where mortar or paste is missing."""
    area = step(_area(random, side, size, 0.7), 0.04)
    _, border, owner = cells(random, side, 90 + int(120 * form[0]), 0.012)
    there = random.random(256)[owner.astype(int) % 256] < 0.6 + 0.4 * form[1]
    holes = area * np.where(there, np.clip(1.6 - border / (0.006 + 0.01 * form[2]), 0, 1), 1.0)
    stones = area * np.clip(border * 60, 0, 1.5) * there
    return Shape(soften(holes.astype(np.float32), 0.6), soften((3 * stones - 2.5 * area).astype(np.float32), 0.8))


def blister(random: Random, side: int, size: float, form: Form) -> Shape:
    """Round bumps, whole or burst: what shows is mostly their shadow."""
    rows, columns = places(side)
    cover = np.zeros((side, side), np.float32)
    height = cover.copy()
    bumps = 1 + random.poisson(2 + 14 * form[0])
    for _ in range(bumps):
        radius = (0.02 + 0.12 * size * (1 - 0.6 * form[0])) * random.uniform(0.6, 1.5)
        row, column = random.uniform(0.1, 0.9, 2)
        distance = np.hypot(rows - row, (columns - column) * random.uniform(0.75, 1.3)) / radius
        bump = np.sqrt(np.clip(1 - distance**2, 0, 1)).astype(np.float32)
        height = np.maximum(height, bump * radius * side * (0.25 + 0.35 * form[1]))
        if random.random() < form[2]:
            hole = step(0.55 + 0.12 * cloud(random, side, 0.05) - distance, 0.03)
            cover, height = np.maximum(cover, hole), height * (1 - 0.8 * hole)
        else:
            cover = np.maximum(cover, 0.25 * step(1 - distance, 0.08))
    return Shape(cover, soften(height, 1.0))


SHAPES: dict[str, Callable[[Random, int, float, Form], Shape]] = {
    shape.__name__: shape
    for shape in (patch, flake, crack, craze, drip, speckle, band, efflorescence, honeycomb, blister)
}
