"""Random fields and marks on them: the few shapes that every wall and every defect is made of.

A field is float32 [H, W]. Lengths are in pixels, (0, 0) is the top left corner and y runs downwards.
"""

import math

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Shape = tuple[int, int]


def smoothstep(low: float, high: float, field: Field) -> Field:
    """0 below `low`, 1 above `high`, a smooth S between; a `low` above `high` turns it round."""
    t: Field = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (np.float32(3) - 2 * t)


def grid(shape: Shape) -> tuple[Field, Field]:
    """Row and column numbers, [H, 1] and [1, W], to be broadcast."""
    return np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)[None]


def sample(coarse: Field, shape: Shape, step_y: float, step_x: float) -> Field:
    """`coarse` read bilinearly at every `1 / step` of a cell: a field of `shape`, the last value repeated beyond it."""
    # Columns first, while there are few rows: whole rows are then quick to copy.
    for axis, length, step in ((1, shape[1], step_x), (0, shape[0], step_y)):
        position = np.minimum(np.arange(length, dtype=np.float32) / np.float32(step), coarse.shape[axis] - 1.001)
        low = position.astype(np.intp)
        rest = (position - low)[:, None] if axis == 0 else (position - low)[None]
        first, coarse = coarse.take(low, axis), coarse.take(low + 1, axis)
        coarse -= first
        coarse *= rest
        coarse += first
    return coarse


def _double(field: Field) -> Field:
    """Twice the points by cubic B-spline subdivision: unlike bilinear it leaves no creases for the light to catch."""
    for _ in range(2):
        inner, after = field[1:-1], field[2:]
        finer = np.empty((2 * len(inner), field.shape[1]), np.float32)
        finer[0::2] = 0.75 * inner + 0.125 * (field[:-2] + after)
        finer[1::2] = 0.5 * (inner + after)
        field = finer.T
    return field


def fractal(rng: np.random.Generator, shape: Shape, coarse: float, fine: float, gain: float = 0.6) -> Field:
    """Smooth noise with mean 0 and deviation 1, features from `coarse` down to `fine` pixels across.

    `gain` is the weight of each octave against the one twice as wide.
    """
    step, weight = coarse, 1.0
    # _double eats one point at each end: a margin of four is what 2n - 4 keeps for ever.
    noise = rng.standard_normal((math.ceil(shape[0] / step) + 4, math.ceil(shape[1] / step) + 4), np.float32)
    # Noise down to `fine`, then one more doubling, so that the bilinear step at the end meets a smooth field.
    while step > max(fine / 2, 1.5):
        noise, step, weight = _double(noise), step / 2, weight * gain
        if step >= fine:
            noise += np.float32(weight) * rng.standard_normal(noise.shape, np.float32)
    return sample((noise - noise.mean()) / noise.std(), shape, step, step)


def drawn_out(rng: np.random.Generator, shape: Shape, size: float, by: Shape) -> Field:
    """Noise as of `fractal`, from `size` down to 2 pixels, drawn out `by` so many times along (y, x)."""
    small = (shape[0] // by[0] + 2, shape[1] // by[1] + 2)
    return sample(fractal(rng, small, size, 2, 0.7), shape, *by)


def cells(rng: np.random.Generator, shape: Shape, size: float, warp: float = 0.0) -> tuple[Field, Field, Field]:
    """Voronoi cells about `size` pixels wide: distance to the centre, to the border, and a value from 0 to 1 a cell.

    Both distances, and `warp`, which bends the straight borders, are in sizes. Worked out at half the
    resolution: nine distances a point are dear.
    """
    half = (shape[0] // 2 + 2, shape[1] // 2 + 2)
    y, x = (2 * axis / np.float32(size) for axis in grid(half))
    if warp:
        y = y + warp * fractal(rng, half, max(size / 4, 4), 2)
        x = x + warp * fractal(rng, half, max(size / 4, 4), 2)
    y, x = y + 4, x + 4  # room for the warp and for the neighbours of the first cell
    row, column = np.maximum(y.astype(np.intp), 1), np.maximum(x.astype(np.intp), 1)
    rows, columns = int(row.max()) + 2, int(column.max()) + 2
    points = rng.uniform(0.1, 0.9, (2, rows, columns)).astype(np.float32)
    values = rng.random((rows, columns), np.float32)
    y, x, cell = row.astype(np.float32) - y, column.astype(np.float32) - x, row * columns + column
    nearest, second, value = np.full(half, 9, np.float32), np.full(half, 9, np.float32), np.zeros(half, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            at = cell + (dy * columns + dx)
            distance = np.square(points[0].take(at) + (y + np.float32(dy)))
            distance += np.square(points[1].take(at) + (x + np.float32(dx)))
            np.minimum(second, np.maximum(nearest, distance), out=second)
            np.copyto(value, values.take(at), where=distance < nearest)
            np.minimum(nearest, distance, out=nearest)
    nearest, second = np.sqrt(nearest), np.sqrt(second)
    return sample(nearest, shape, 2, 2), sample(second - nearest, shape, 2, 2), sample(value, shape, 2, 2)


def blur(field: Field, radius: int) -> Field:
    """Mean over a square of about 2 radius + 1 pixels, taken twice, at half the resolution; edges repeated."""
    shape, reach = (field.shape[0], field.shape[1]), max(radius // 2, 1)
    field = field[::2, ::2]
    for _ in range(2):
        for _ in range(2):
            total = np.cumsum(np.pad(field, ((reach + 1, reach), (0, 0)), mode="edge"), axis=0)
            field = ((total[2 * reach + 1 :] - total[: -2 * reach - 1]) / np.float32(2 * reach + 1)).T
    return sample(field, shape, 2, 2)


def blob(
    rng: np.random.Generator, shape: Shape, centre: tuple[float, float], radii: tuple[float, float], rough: float
) -> Field:
    """An irregular island: positive inside, 1 at the centre, 0 on a shore that `rough` makes ragged, -2 far away."""
    island = np.full(shape, -2, np.float32)
    reach = 3 * max(radii)
    y0, y1 = max(int(centre[0] - reach), 0), min(int(centre[0] + reach) + 1, shape[0])
    x0, x1 = max(int(centre[1] - reach), 0), min(int(centre[1] + reach) + 1, shape[1])
    if y0 >= y1 or x0 >= x1:
        return island
    y, x = grid((y1 - y0, x1 - x0))
    turn = rng.uniform(0, math.pi)
    dy, dx = y + np.float32(y0 - centre[0]), x + np.float32(x0 - centre[1])
    along = (dx * math.cos(turn) + dy * math.sin(turn)) / np.float32(radii[1])
    across = (dy * math.cos(turn) - dx * math.sin(turn)) / np.float32(radii[0])
    island[y0:y1, x0:x1] = 1 - np.hypot(along, across)
    island[y0:y1, x0:x1] += rough * fractal(rng, (y1 - y0, x1 - x0), max(radii), 4, 0.55)
    return island


def stamp(field: Field, path: Field, radius: Field) -> None:
    """Draws soft discs of `radius` [N] at `path` [N, 2] (y, x) into `field`, keeping the larger value at each pixel."""
    reach = math.ceil(float(radius.max()) + 0.5)
    corner = np.floor(path).astype(np.intp)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            y, x = corner[:, 0] + dy, corner[:, 1] + dx
            inside = (y >= 0) & (y < field.shape[0]) & (x >= 0) & (x < field.shape[1])
            cover = np.clip(radius + 0.5 - np.hypot(y - path[:, 0], x - path[:, 1]), 0, 1)
            np.maximum.at(field, (y[inside], x[inside]), cover[inside])


def walk(rng: np.random.Generator, start: tuple[float, float], heading: float, length: int, turn: float) -> Field:
    """A path [length, 2] in steps of one pixel: its heading is pulled back to `heading`, with kinks now and then."""
    angle = np.empty(length)
    now = 0.0
    kicks = rng.normal(0, turn, length) + (rng.random(length) < 0.03) * rng.normal(0, 9 * turn, length)
    for i, kick in enumerate(kicks):
        now = 0.985 * now + kick
        angle[i] = heading + now
    steps = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    path: Field = (np.asarray(start) + np.cumsum(steps, axis=0)).astype(np.float32)
    return path


def run_down(rng: np.random.Generator, field: Field, top: tuple[float, float], width: float, length: float) -> None:
    """Adds to `field` what ran down from `top` (y, x): about 1 there, fading over `length`, wandering a little."""
    y0, y1 = max(int(top[0] - 0.1 * length), 0), min(int(top[0] + 1.6 * length), field.shape[0])
    x0, x1 = max(int(top[1] - 3 * width), 0), min(int(top[1] + 3 * width), field.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    box = (y1 - y0, x1 - x0)
    y, x = grid(box)
    fall = (y + np.float32(y0 - top[0])) / np.float32(length)
    wander = np.cumsum(rng.normal(0, 0.04 * math.sqrt(width), box[0]))[:, None].astype(np.float32)
    spread = np.float32(width) * (1 - 0.5 * np.clip(fall, 0, 1)) * (1 + 0.15 * fractal(rng, (box[0], 1), 60, 10))
    spread *= smoothstep(-0.1, 0.15, fall)  # it gathers to a point at the top
    aside = (x + np.float32(x0 - top[1]) - wander) / np.maximum(spread, 0.7)
    # Water leaves threads: the noise is drawn out along the fall.
    threads = 1 + 0.45 * drawn_out(rng, box, max(width / 2, 4), (24, 1))
    fade = np.exp(-2.0 * fall * fall) * smoothstep(-0.04, 0.04, fall + 0.02 * fractal(rng, box, max(width / 2, 4), 2))
    field[y0:y1, x0:x1] += np.maximum(np.exp(-aside * aside) * fade * threads, 0)
