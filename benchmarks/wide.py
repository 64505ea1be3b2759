"""Photos in which a defect covers a part: real ones with boxes, and mosaics of close-ups, with what a network sees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.photos import reading
from benchmarks.sources import DATA
from models.backbones import Backbone
from models.windows import Region, is_wide, map_size

LIMIT = 64_000_000
TILE = 256
"""Pixels of a side of a mosaic's tile."""

NEIGHBOURS = 4
"""Photos whose numbers in shoot_order.json differ by no more were taken in one place."""

WHOLE = Region(0, 0, 1, 1)


@dataclass(frozen=True)
class Wide:
    """A photo as a network sees it: `whole` float32 [D] is its embedding; `features` float32 [h, w, D] is its map, None
    where it is too small for windows. defects: class and rectangle of each. Photos of one block share a place.
    """

    whole: NDArray[np.float32]
    features: NDArray[np.float32] | None
    defects: tuple[tuple[int, Region], ...] = ()
    block: int = 0

    @property
    def regions(self) -> list[Region]:
        """The rectangles of all defects."""
        return [region for _, region in self.defects]


@dataclass(frozen=True)
class Boxed:
    """A source whose photos have boxes."""

    name: str
    classes: tuple[str, ...]
    photos: tuple[Wide, ...]


def see(data: bytes, width: int, height: int, backbone: Backbone, enlarged: int = 1) -> Wide:
    """A photo of width x height, read and embedded as the service does; `enlarged` so many times before it is seen."""
    small = reading.decode(data, backbone.transform, LIMIT).pixels
    features = None
    if is_wide(enlarged * width, enlarged * height):
        features = backbone.feature_map(reading.fit(data, *map_size(width, height), LIMIT)[np.newaxis])[0]
    return Wide(backbone.embed(small[np.newaxis])[0], features)


def pixels(path: Path, backbone: Backbone) -> NDArray[np.uint8]:
    """A photo at the network's own size."""
    return reading.decode(path.read_bytes(), backbone.transform, LIMIT).pixels


def see_file(path: Path, backbone: Backbone, enlarged: int = 1) -> Wide:
    """See `see`."""
    data = path.read_bytes()
    decoded = reading.decode(data, backbone.transform, LIMIT)
    return see(data, decoded.width, decoded.height, backbone, enlarged)


def boxed(name: str, backbone: Backbone) -> Boxed:
    """A source of `data/boxes`, in the order of its file names."""
    folder = DATA / "boxes" / name
    stated = json.loads((folder / "boxes.json").read_text("utf-8"))
    classes, files = tuple(stated["classes"]), sorted(stated["photos"])
    photos = []
    for file, block in zip(files, _blocks(folder, files), strict=True):
        photo = stated["photos"][file]
        width, height = photo["width"], photo["height"]
        seen = see((folder / "images" / file).read_bytes(), width, height, backbone)
        defects = [
            (classes.index(box["class"]),
             Region(box["x"] / width, box["y"] / height, box["w"] / width, box["h"] / height))
            for box in photo["boxes"]
        ]  # fmt: skip
        photos.append(Wide(seen.whole, seen.features, tuple(defects), block))
    return Boxed(name, classes, tuple(photos))


def _blocks(folder: Path, files: Sequence[str]) -> list[int]:
    """Which photos were taken in one place; each in its own where nobody wrote down their order."""
    path = folder / "shoot_order.json"
    order: dict[str, int | None] = json.loads(path.read_text("utf-8")) if path.exists() else dict.fromkeys(files)
    blocks, block, last = dict[str, int](), 0, -np.inf
    for file in sorted(files, key=lambda file: (order[file] is None, order[file] or 0)):
        place = order[file]
        block += place is None or place - last > NEIGHBOURS
        blocks[file], last = block, np.inf if place is None else place
    return [blocks[file] for file in files]


def mosaic(tiles: Sequence[Path], side: int, defect: tuple[int, int] | None, backbone: Backbone) -> Wide:
    """side x side photos as one, sent as a JPEG. defect: place among `tiles`, and class, of the tile that shows one."""
    read = [reading.fit(path.read_bytes(), TILE, TILE, LIMIT) for path in tiles]
    together = np.concatenate([np.concatenate(read[start : start + side], axis=1) for start in range(0, side**2, side)])
    seen = see(reading.encode_jpeg(together, 95), side * TILE, side * TILE, backbone)
    if defect is None:
        return seen
    place, label = defect
    region = Region(place % side / side, place // side / side, 1 / side, 1 / side)
    return Wide(seen.whole, seen.features, ((label, region),))
