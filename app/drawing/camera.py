"""The camera that photographs a drawn wall, and the light it stands in."""

import math

import numpy as np
from numpy.typing import NDArray

from app.drawing.fields import Field, Shape, fractal, grid, smoothstep
from app.drawing.walls import Wall


def photograph(rng: np.random.Generator, wall: Wall) -> NDArray[np.uint8]:
    """The wall in uneven light through a phone's lens and sensor: uint8 [H, W, 3]."""
    shape = wall.shape
    y, x = grid(shape)
    across, down = x / shape[1] - np.float32(0.5), y / shape[0] - np.float32(0.5)
    angle, raking = rng.uniform(0, math.tau), rng.uniform(0.25, 0.8)
    # Light comes from above more often than from below.
    light_y, light_x = -abs(math.sin(angle)) if rng.random() < 0.85 else math.sin(angle), math.cos(angle)
    slope = np.zeros(shape, np.float32)
    slope[1:] += np.float32(light_y) * np.diff(wall.relief, axis=0)
    slope[:, 1:] += np.float32(light_x) * np.diff(wall.relief, axis=1)
    light = np.clip(1 - raking * slope, 0.12, 2.2)
    gradient = rng.normal(0, 0.25), rng.normal(0, 0.25)
    light *= np.clip(1 + gradient[0] * across + gradient[1] * down, 0.3, 2)
    light *= 1 - rng.uniform(0.1, 0.6) * (across * across + down * down)
    if rng.random() < 0.2:
        light *= 1 - rng.uniform(0.2, 0.55) * _shadow(rng, shape)
    light *= np.float32(np.exp(rng.normal(0, 0.2)))
    tint = np.exp(rng.normal(0, 0.03, 3)).astype(np.float32)
    soft = rng.random() < 0.6
    grain = np.float32(rng.uniform(0.006, 0.03)) * rng.standard_normal(shape, np.float32)
    pixels = np.empty((*shape, 3), np.uint8)
    for channel in range(3):
        seen = wall.albedo[channel] * tint[channel]
        seen *= light
        if soft:  # a little out of focus: a quarter of each neighbour, up and down, left and right
            seen[1:-1] = 0.5 * seen[1:-1] + 0.25 * (seen[2:] + seen[:-2])
            seen[:, 1:-1] = 0.5 * seen[:, 1:-1] + 0.25 * (seen[:, 2:] + seen[:, :-2])
        shown = np.sqrt(np.maximum(seen, 0))
        # A shoulder as film has it: highlights bend instead of being cut off.
        shown /= 1 + 0.12 * shown * shown * shown
        shown += grain
        pixels[:, :, channel] = np.clip(shown * 255 + 0.5, 0, 255)
    return pixels


def _shadow(rng: np.random.Generator, shape: Shape) -> Field:
    """What stands between wall and sun: an eave or a neighbour with a straight edge, or leaves."""
    scale = min(shape) / 960
    if rng.random() < 0.7:
        y, x = grid(shape)
        turn = rng.uniform(0, math.tau)
        down, across = rng.uniform(0.2, 0.8) * shape[0], rng.uniform(0.2, 0.8) * shape[1]
        line = (y - down) * math.sin(turn) + (x - across) * math.cos(turn)
        return smoothstep(0, rng.uniform(4, 60) * scale, line)
    return smoothstep(-0.4, rng.uniform(0.6, 1.4), fractal(rng, shape, 160 * scale, 10 * scale, 0.75))
