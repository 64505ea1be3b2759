"""Draws photos of building defects from a seed, so that the demo and the tests need no photo of anyone's building.

The pictures are made with numpy alone. The same name, seed and size give the same bytes; another version of numpy or
another processor may round a few pixels otherwise.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.drawing.camera import photograph
from app.drawing.defects import PAINTERS
from app.drawing.walls import build

INTACT = "intact"
SMALLEST = 32  # pixels; below it a defect is no longer smaller than its photo
COVERED = 0.3  # from this share of a pixel on, the mask counts it to the defect


@dataclass(frozen=True)
class DrawnDefect:
    """A defect class that this package can draw, in the words a catalog wants."""

    name: str
    title_en: str
    title_ko: str
    description: str
    severity: Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True)
class Drawing:
    """A drawn photo, uint8 [H, W, 3] RGB, and where the defect is in it, bool [H, W]."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]


DRAWN_DEFECTS: tuple[DrawnDefect, ...] = (
    DrawnDefect(
        "hairline-crack",
        "Hairline crack",
        "균열",
        "A thin crack in the surface, alone or branching, mostly from shrinkage or settlement.",
        "medium",
    ),
    DrawnDefect(
        "spalling",
        "Spalling",
        "박락",
        "The surface has broken away and shows rough aggregate, sometimes the reinforcement.",
        "critical",
    ),
    DrawnDefect(
        "rust-stain",
        "Rust stain",
        "녹물",
        "Brown-orange runs below corroding steel: reinforcement, anchors or fittings.",
        "high",
    ),
    DrawnDefect(
        "peeling-paint",
        "Peeling paint",
        "도장 박리",
        "Paint that lifts, curls and flakes off what it was put on.",
        "low",
    ),
    DrawnDefect(
        "efflorescence",
        "Efflorescence",
        "백화",
        "White salts that water has carried out of the masonry and left on its face.",
        "low",
    ),
)


def draw(name: str, seed: int, height: int = 960, width: int = 1280) -> Drawing:
    """One photo of the defect `name`, or of a wall without any for "intact"; the same arguments give the same bytes.

    Raises ValueError for a name that is not drawn here and for a side of less than 32 pixels.
    """
    if name != INTACT and name not in PAINTERS:
        message = f"cannot draw {name!r}: known are {', '.join([*PAINTERS, INTACT])}"
        raise ValueError(message)
    if min(height, width) < SMALLEST:
        message = f"cannot draw {height} x {width} pixels: a side needs {SMALLEST}"
        raise ValueError(message)
    # Not hash(): Python salts it anew in every process.
    digest = hashlib.blake2b(f"{name}:{seed}".encode(), digest_size=16).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "big"))
    wall = build(rng, (height, width))
    mask = np.zeros(wall.shape, np.bool_) if name == INTACT else PAINTERS[name](rng, wall) > COVERED
    return Drawing(photograph(rng, wall), mask)
