"""Photos in one small file: all resized to one square as the network sees them, WebP, class after class.

python -m benchmarks.eyes.packing ../shared/data .carry/photos
"""

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from models.learning.data import Image, LabelledImages, collect

SIDE = 224
UNLICENSED = {"garbage_rf", "trashnet", "plantvillage_potato"}
"""Sources of train_wide that no shipped checkpoint may learn from (INDEX.md)."""

EVENED = {"masonry_historic"}
"""Sources whose classes differ in the shape of their photos: only a centre square of each is used."""


@dataclass(frozen=True)
class Split:
    """How one folder of photos is packed: at most `most` of a class, in WebP of this quality."""

    name: str
    quality: int
    most: int


SPLITS = (Split("train", 76, 70), Split("train_wide", 66, 32), Split("validation", 80, 1000))


def main() -> None:
    """Packs the three splits and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("to", type=Path)
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        count, size = pack(arguments.data / split.name, arguments.to / f"{split.name}.webps", split)
        print(f"{split.name}: {count} photos, {size / 1e6:.2f} MB")


def pack(folder: Path, to: Path, split: Split) -> tuple[int, int]:
    """Packs `<folder>/<source>/<class>/*.jpg`; answers the number of photos and of bytes.

    The file: eight bytes, little endian, say how long the header is; the header, JSON {class: [bytes of each photo]};
    the photos.
    """
    blobs = {
        f"{place.parent.name}/{place.name}": list(_photos(place, split))
        for place in sorted(folder.glob("*/*"))
        if place.is_dir() and place.parent.name not in UNLICENSED
    }
    header = json.dumps({name: [len(blob) for blob in each] for name, each in blobs.items()}).encode()
    with to.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for each in blobs.values():
            file.writelines(each)
    return sum(map(len, blobs.values())), to.stat().st_size


def _photos(folder: Path, split: Split) -> Iterator[bytes]:
    files = sorted(folder.glob("*.jpg"))
    # Spread over the folder, since neighbours are often of one place.
    for place in np.linspace(0, len(files) - 1, min(split.most, len(files))).astype(int):
        photo = squared(Pillow.open(files[place]).convert("RGB"), folder.parent.name)
        packed = io.BytesIO()
        photo.resize((SIDE, SIDE), Pillow.Resampling.BICUBIC).save(packed, "WEBP", quality=split.quality, method=6)
        yield packed.getvalue()


def squared(photo: Pillow.Image, source: str) -> Pillow.Image:
    """The centre square of a photo of an `EVENED` source, and any other photo as it is."""
    if source not in EVENED:
        return photo
    width, height = photo.size
    half = min(photo.size) / 2
    return photo.crop((int(width / 2 - half), int(height / 2 - half), int(width / 2 + half), int(height / 2 + half)))


def unpack(path: Path) -> LabelledImages:
    """The photos of a packed file, uint8 [SIDE, SIDE, 3] each."""
    with path.open("rb") as file:
        counts = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return collect(
            [
                (name.split("/")[0], name, [_decoded(file.read(size)) for size in sizes])
                for name, sizes in counts.items()
            ]
        )


def _decoded(blob: bytes) -> Image:
    return np.asarray(Pillow.open(io.BytesIO(blob)).convert("RGB"))


if __name__ == "__main__":
    main()
