"""The five defects: each changes a wall in place and answers how much of every pixel it covers, a field from 0 to 1."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from app.drawing.fields import Field, blob, blur, cells, fractal, grid, run_down, smoothstep, stamp, walk
from app.drawing.walls import Wall, blend, dado, linear, paint, sign

Painter = Callable[[np.random.Generator, Wall], Field]


def _place(rng: np.random.Generator, wall: Wall) -> tuple[float, float]:
    """Somewhere (y, x) the photographer would still have in the picture."""
    return float(rng.uniform(0.2, 0.8) * wall.shape[0]), float(rng.uniform(0.2, 0.8) * wall.shape[1])


def _level(score: Field, level: float) -> float:
    """`level`, moved as far as needed for 2 % of the photo at least, and half of it at most, to score above it."""
    most, least = np.quantile(score[::8, ::8], (0.5, 0.98))
    return float(np.clip(level, most, least))


def crack(rng: np.random.Generator, wall: Wall) -> Field:
    """A dark random walk 1 to 6 px wide, with branches."""
    cover = np.zeros(wall.shape, np.float32)
    heading = rng.uniform(0, math.tau)
    length = int(rng.uniform(0.3, 0.8) * max(wall.shape))
    turn, radius = rng.uniform(0.03, 0.09), min(rng.uniform(0.9, 2.8) * wall.px, min(wall.shape) / 320)
    middle = _place(rng, wall)
    paths = [(walk(rng, middle, way, length, turn), radius) for way in (heading, heading + math.pi)]
    for _ in range(rng.integers(1, 9)):
        path, parent = paths[rng.integers(len(paths))]
        y, x = path[rng.integers(len(path))]
        side = heading + sign(rng) * rng.uniform(0.4, 1.3) + rng.choice([0, math.pi])
        reach = int(length * rng.uniform(0.15, 0.8)) + 2
        paths.append((walk(rng, (y, x), side, reach, turn), parent * rng.uniform(0.4, 0.8)))
    for path, thick in paths:
        # Cracks open and close along the way and taper to nothing at the end.
        knots = rng.uniform(0.45, 1.25, len(path) // 12 + 2)
        uneven = np.interp(np.arange(len(path)) / 12, np.arange(len(knots)), knots)
        taper = np.minimum(1, np.linspace(4, 0.3, len(path)))
        stamp(cover, path, np.maximum(thick * uneven * taper, 0.2).astype(np.float32))
    wall.albedo *= 1 - rng.uniform(0.8, 0.97) * cover
    wall.relief -= 1.5 * cover
    return cover


def spalling(rng: np.random.Generator, wall: Wall) -> Field:
    """A hole with a sharp rim and a rough floor of aggregate, sometimes with a bar of reinforcement laid bare."""
    shape, px = wall.shape, wall.px
    centre = _place(rng, wall)
    size = rng.uniform(140, 320) * px
    island = blob(rng, shape, centre, (size, size * rng.uniform(0.6, 2.2)), rng.uniform(0.25, 0.45))
    island -= _level(island, 0)
    hole = smoothstep(-0.01, 0.02, island)
    stone, border, value = cells(rng, shape, rng.uniform(9, 26) * px, 0.15)
    rough = fractal(rng, shape, 60 * px, 2, 0.75)
    shades = 1 + rng.uniform(0.2, 1) * (value - 0.5)
    inside = wall.core * rng.uniform(0.45, 1.0) * shades * (1 + 0.18 * rough) * smoothstep(-0.3, 0.25, border)
    depth = rng.uniform(4, 12) * px
    lumps = rng.uniform(3, 5) * rough + rng.uniform(1, 8) * (1 - stone)
    blend(wall.albedo, inside, hole)
    wall.relief += hole * (px * lumps - depth * (0.6 + smoothstep(0, 0.3, island)) - wall.relief)
    # The rim overhangs: the floor next to it lies in the shade.
    wall.albedo *= 1 - 0.45 * hole * smoothstep(0.9, 0.3, blur(hole, max(int(5 * px), 1)))
    if rng.random() < 0.4:
        _rebar(rng, wall, centre, smoothstep(0.08, 0.2, island))
    return hole


def _rebar(rng: np.random.Generator, wall: Wall, centre: tuple[float, float], seen: Field) -> None:
    """A corroded ribbed bar through `centre`, visible where `seen`."""
    y, x = grid(wall.shape)
    turn, radius = rng.choice([0, math.pi / 2]) + rng.normal(0, 0.06), rng.uniform(6, 13) * wall.px
    aside = ((y - centre[0]) * math.cos(turn) - (x - centre[1]) * math.sin(turn)) / np.float32(radius)
    along = ((y - centre[0]) * math.sin(turn) + (x - centre[1]) * math.cos(turn)) / np.float32(radius)
    bar = seen * smoothstep(1.05, 0.9, np.abs(aside))
    round_ = np.sqrt(np.clip(1 - aside * aside, 0, 1))
    ribs = 1 + 0.2 * np.sin(4 * along + 1.5 * aside)
    scale = fractal(rng, wall.shape, 24 * wall.px, 2, 0.8)
    blend(wall.albedo, linear((0.36, 0.24, 0.18)) * (ribs * np.clip(1 + 0.4 * scale, 0.2, 3)), bar)
    wall.relief += bar * (radius * (0.4 * round_ + 0.2 * ribs + 0.1 * scale) - wall.relief)
    halo = smoothstep(3.5, 1.0, np.abs(aside + 0.3 * scale))
    blend(wall.albedo, linear((0.45, 0.28, 0.16)), 0.4 * seen * halo * (1 - bar))


def rust(rng: np.random.Generator, wall: Wall) -> Field:
    """Brown runs below a few corroding points, strongest at the point."""
    shape, px = wall.shape, wall.px
    centre = _place(rng, wall)
    run = np.zeros(shape, np.float32)
    spots = np.full(shape, -2, np.float32)
    for aside in (0.0, *rng.normal(0, 200, rng.integers(0, 5)).tolist()):
        top = (centre[0] * 0.7 + rng.normal(0, 30) * px, centre[1] + aside * px)
        width = rng.uniform(10, 45) * px
        for _ in range(rng.integers(1, 4)):
            beside, length = (top[0], top[1] + rng.normal(0, 0.7) * width), rng.uniform(200, 700) * px
            run_down(rng, run, beside, width * rng.uniform(0.4, 1), length)
        radii = (max(width * rng.uniform(0.5, 1), 2), max(width * rng.uniform(0.5, 1.2), 2))
        np.maximum(spots, blob(rng, shape, top, radii, 0.35), out=spots)
    points = smoothstep(-0.1, 0.5, spots)
    run *= np.clip(1 + 0.3 * fractal(rng, shape, 50 * px, 2, 0.75), 0.2, 2)
    # A stain filters light: the albedo falls by a power of the thickness, blue first.
    thickness = rng.uniform(0.5, 1.4) * run + 0.8 * points
    absorbed = np.asarray((rng.uniform(0.35, 0.55), rng.uniform(0.95, 1.2), rng.uniform(1.7, 2.3)), np.float32)
    wall.albedo *= np.exp(-absorbed[:, None, None] * thickness)
    blend(wall.albedo, linear((0.33, 0.17, 0.10)), 0.75 * points)
    wall.relief += 2 * px * points * fractal(rng, shape, 12 * px, 2, 0.8)
    return np.minimum(thickness, 1)


def peeling(rng: np.random.Generator, wall: Wall) -> Field:
    """Flakes gone from the coat, whose edges stand off the wall around what was under it."""
    shape, px = wall.shape, wall.px
    if not wall.coat.any():
        paint(rng, wall, dado(rng, shape) if rng.random() < 0.5 else np.ones(shape, np.float32))
    size = rng.uniform(200, 460) * px
    # Where the paint has an edge in the photo, the damage is on the painted side of it.
    y, x = _place(rng, wall)
    while wall.coat[int(y), int(x)] < 0.5:
        y, x = _place(rng, wall)
    area = blob(rng, shape, (y, x), (size, size * rng.uniform(0.6, 1.8)), rng.uniform(0.3, 0.6))
    _, border, value = cells(rng, shape, rng.uniform(26, 110) * px, rng.uniform(0.05, 0.2))
    # A flake falls whole or stays whole; inside the area most have fallen.
    loss = np.where(wall.coat > 0.5, area + 0.7 * (value - 0.5) + 0.12 * fractal(rng, shape, 30 * px, 3), -9)
    level = _level(loss, 0.05)
    gone = smoothstep(level - 0.02, level + 0.02, loss)
    if abs(math.log(wall.albedo.mean() / wall.under.mean())) < 0.4:  # too alike to be seen
        wall.under *= rng.uniform(0.4, 0.65)
    near = blur(gone, max(int(4 * px), 1))
    lifted = wall.coat * (1 - gone) * smoothstep(0.02, 0.45, near)
    blend(wall.albedo, wall.under, gone)
    wall.albedo *= 1 - 0.5 * gone * smoothstep(0.95, 0.45, near)
    blend(wall.albedo, wall.albedo * 1.25, lifted)
    wall.relief += px * (rng.uniform(2, 6) * lifted - 1.5 * gone)
    # Cracks between the flakes that still hold.
    loose = wall.coat * (1 - gone) * smoothstep(-0.6, 0.2, area) * smoothstep(0.05, 0.01, border)
    wall.albedo *= 1 - 0.5 * loose
    wall.relief += px * loose
    cover: Field = np.maximum(gone, 0.5 * lifted)
    return cover


def efflorescence(rng: np.random.Generator, wall: Wall) -> Field:
    """White salts on a damp wall: a cloud or a tide line, and the drips that came out of it."""
    shape, px = wall.shape, wall.px
    if rng.random() < 0.6:
        size = rng.uniform(220, 460) * px
        where = blob(rng, shape, _place(rng, wall), (size, size * rng.uniform(0.6, 2)), 0.4)
    else:
        level = np.float32(rng.uniform(0.25, 0.75) * shape[0])
        away: Field = np.abs(grid(shape)[0] - level + 50 * px * fractal(rng, shape, 300 * px, 30))
        where = np.float32(0.7) - away / np.float32(rng.uniform(90, 220) * px)
    wet = np.argwhere(where[::16, ::16] >= np.quantile(where[::16, ::16], 0.85)) * 16
    for top in rng.choice(wet, rng.integers(0, 12)):
        run_down(rng, where, (float(top[0]), float(top[1])), rng.uniform(12, 50) * px, rng.uniform(200, 700) * px)
    clouds = fractal(rng, shape, 160 * px, 3, 0.75)
    wall.albedo *= 1 - rng.uniform(0.3, 0.6) * smoothstep(-0.9, 0.1, where + 0.2 * clouds)
    crust = where + np.float32(0.35) * clouds
    salt = smoothstep(0, rng.uniform(0.6, 1.1), crust - np.float32(_level(crust, -0.25)))
    powder = np.clip(0.85 + 0.2 * fractal(rng, shape, 24 * px, 2, 0.9), 0, 1.2)
    cover: Field = np.clip(rng.uniform(0.85, 1.15) * salt * powder, 0, 1)
    blend(wall.albedo, linear((0.92, 0.92, 0.90)), cover)
    wall.relief += 1.2 * px * cover * powder
    return cover


PAINTERS: Mapping[str, Painter] = MappingProxyType(
    {
        "hairline-crack": crack,
        "spalling": spalling,
        "rust-stain": rust,
        "peeling-paint": peeling,
        "efflorescence": efflorescence,
    }
)
