"""Programs that draw one kind of damage each, and sources of such classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.learning.data import Image, LabelledImages, collect
from models.learning.drawing.fields import Field, Random, cloud, soften
from models.learning.drawing.shapes import SHAPES, Form
from models.learning.drawing.surfaces import WALLS, Colour, Picture, lit, muted, repaint, view, wall

PROGRAMS = 10
"""Classes of damage in a source, besides the sound surface."""

UNSEEN = 0.13
"""Least difference of lightness, 0..1, between painted damage and the surface."""

MODES = ("paint", "tint", "darken", "lighten", "texture")


@dataclass(frozen=True)
class Look:
    """How damage shows. mode: what it does to the surface's colour, by `strength` 0..1; spread: how much the colour
    differs within the class; relief: how strong its light and shade are; rim and halo: how much darker (below 0) or
    lighter its edge and its surroundings are.
    """

    mode: str
    colour: Colour
    strength: float
    spread: float
    relief: float
    rim: float
    halo: float


@dataclass(frozen=True)
class Program:
    """Draws one class of damage: what all its photos share."""

    shape: str
    form: Form
    size: float
    look: Look

    def draw(self, random: Random, surface: Picture) -> Picture:
        """The surface with this damage on it, somewhere."""
        side = len(surface)
        size = float(np.clip(self.size * random.uniform(0.7, 1.4), 0.1, 1.0))
        form = tuple(np.clip(np.array(self.form) + random.normal(0, 0.07, 3), 0, 1).tolist())
        shape = SHAPES[self.shape](random, side, size, form)
        look = self.look
        strength = np.clip(look.strength * random.uniform(0.8, 1.2), 0.35, 1.0)
        uneven = np.clip(1 + 0.2 * cloud(random, side, 0.15, 2.0), 0.3, 1.3)
        cover = np.clip(shape.cover * strength * uneven, 0, 1)
        picture = _mixed(random, surface, cover, look)
        edge = 4 * shape.cover * (1 - shape.cover)
        around = np.clip(soften(shape.cover, 0.04 * side) - shape.cover, 0, 1)
        light = look.rim * edge + look.halo * around
        light += look.relief * 0.35 * lit(shape.height, random.uniform(0.5, 1.1))
        return np.clip(picture * (1 + light)[:, :, np.newaxis], 0, 1)


def _mixed(random: Random, surface: Picture, cover: Field, look: Look) -> Picture:
    share = cover[:, :, np.newaxis]
    colour = np.clip(look.colour + random.normal(0, look.spread, 3) + random.normal(0, look.spread), 0.02, 1)
    if look.mode == "darken":
        return surface * (1 - share * (0.35 + 0.6 * (1 - colour)))
    if look.mode == "lighten":
        return surface + share * (1 - surface) * (0.35 + 0.5 * colour)
    if look.mode == "tint":
        return surface * (1 - share) + share * surface * colour / max(float(colour.max()), 0.1)
    # Damage of the wall's own lightness could not be seen.
    gap = float(colour.mean() - surface.mean())
    if abs(gap) < UNSEEN and look.mode == "paint":
        colour = np.clip(colour + (UNSEEN if gap > 0 else -UNSEEN), 0.02, 1)
    side = len(surface)
    texture = 1 + 0.06 * cloud(random, side, 0.02, 1.6)
    if look.mode == "texture":
        texture = texture + 0.25 * lit(1.5 * cloud(random, side, 0.03, 2.2), 0.8)
        colour = 0.6 * surface.mean(axis=(0, 1)) + 0.4 * colour
    return surface * (1 - share) + share * colour * texture[:, :, np.newaxis]


def random_look(random: Random) -> Look:
    """A look out of all there are."""
    return Look(
        mode=str(random.choice(MODES)),
        colour=muted(random),
        strength=random.uniform(0.5, 1.0),
        spread=float(random.choice([0.01, 0.05, 0.12])),
        relief=random.uniform(0, 1) * random.integers(2) + 0.1,
        rim=random.normal(0, 0.15) * random.integers(2),
        halo=random.normal(0, 0.25) * random.integers(2),
    )


def random_programs(random: Random) -> list[Program]:
    """Ten programs; half of them share one look and are told apart by form alone."""
    shared = random_look(random)
    kinds = [str(kind) for kind in random.permutation(list(SHAPES))]
    programs = []
    for number in range(PROGRAMS):
        look = replace(shared, relief=random.uniform(0.1, 1)) if number < PROGRAMS // 2 else random_look(random)
        # Two of a kind now and then: fine differences.
        kind = kinds[number] if random.random() < 0.8 else kinds[number - 1]
        if kind in {"crack", "craze", "honeycomb"} and look.mode == "lighten" and random.random() < 0.7:
            look = replace(look, mode="darken")
        if kind == "efflorescence" and random.random() < 0.7:
            look = replace(look, mode="lighten")
        if kind in {"crack", "craze"}:
            look = replace(look, strength=max(look.strength, 0.7))
        form = tuple(random.random(3).tolist())
        programs.append(Program(kind, form, random.uniform(0.25, 0.9), look))
    return programs


class DrawnSource:
    """Ten programs and the sound surface that they are drawn on: eleven classes of one look, as of one site.

    surfaces: name -> photos uint8 [H, W, 3] of one kind of sound surface. A third of the sources is on drawn walls.
    """

    def __init__(self, seed: int, number: int, surfaces: Mapping[str, Sequence[Image]]) -> None:
        self._key = [seed, number]
        random = np.random.default_rng(self._key)
        self.name = f"drawn{number:04d}"
        self.programs = random_programs(random)
        names = sorted(surfaces)
        self._photos = surfaces[names[random.integers(len(names))]] if names and random.random() < 0.67 else ()
        self._wall = str(random.choice(WALLS))
        self._scale = random.random()
        self._colour = muted(random, 0.35, 0.35) if not self._photos or random.random() < 0.6 else None
        # Of some sites every photo shows another wall.
        self._spread = float(random.choice([0.02, 0.06, 0.15]))

    def classes(self, photos: int, side: int) -> list[tuple[str, list[Image]]]:
        """(name, so many photos uint8 [side, side, 3]) of the sound surface and of each program."""
        programs = [None, *self.programs]
        names = ["sound"] + [f"{number}_{program.shape}" for number, program in enumerate(self.programs)]
        return [
            (name, [self._draw(program, [*self._key, label, photo], side) for photo in range(photos)])
            for label, (name, program) in enumerate(zip(names, programs, strict=True))
        ]

    def _draw(self, program: Program | None, key: list[int], side: int) -> Image:
        random = np.random.default_rng(key)
        picture = self._surface(random, side)
        if program is not None:
            picture = program.draw(random, picture)
        return _photographed(random, picture)

    def _surface(self, random: Random, side: int) -> Picture:
        if self._colour is None:
            return view(random, self._photos, side)
        colour = np.clip(self._colour + random.normal(0, self._spread) + random.normal(0, self._spread / 3, 3), 0.08, 1)
        if not self._photos:
            return wall(random, self._wall, colour, side, self._scale)
        return repaint(view(random, self._photos, side), colour, random.uniform(0.7, 1.3))


def _photographed(random: Random, picture: Picture) -> Image:
    """As a phone would have it: uneven light, a little unsharp, a little noise."""
    side = len(picture)
    slant = np.linspace(-1, 1, side, dtype=np.float32)
    light = 1 + random.normal(0, 0.1) + random.normal(0, 0.1) * slant[:, np.newaxis] + random.normal(0, 0.1) * slant
    picture = picture * light[:, :, np.newaxis]
    if random.random() < 0.3:
        radius = random.uniform(0.4, 1.2)
        picture = np.stack([soften(channel, radius) for channel in np.moveaxis(picture, 2, 0)], axis=2)
    picture = picture + random.normal(0, random.uniform(0.003, 0.02), picture.shape)
    return np.clip(255 * picture, 0, 255).astype(np.uint8)


def draw_sources(
    numbers: Sequence[int], surfaces: Mapping[str, Sequence[Image]], photos: int, side: int, seed: int = 0
) -> LabelledImages:
    """The drawn sources of these numbers, `photos` photos uint8 [side, side, 3] a class; same seed, same photos."""
    sources = [DrawnSource(seed, number, surfaces) for number in numbers]
    return collect(
        [
            (source.name, f"{source.name}/{name}", images)
            for source in sources
            for name, images in source.classes(photos, side)
        ]
    )
