"""From the bytes of a 12-megapixel photo to the network's input: `photos.decode` against full decode, then resize."""

import io
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.photos import reading
from benchmarks import ceiling, pictures, report, sources, timing
from benchmarks.report import Section, verdict
from models.backbones import Backbone

GOAL = 4.0
PIXELS = 64_000_000
LONG_SIDE = 4000
CRACKS = ("masonry_historic/crack", "concrete_damage_lukrebaa/surface_crack")


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds = 2 if quick else 40
    backbone = ceiling.backbone()
    drawn = pictures.drawn(*pictures.SIZES["12 MP (4000 x 3000)"])
    paths = [path for folder in CRACKS for path in sorted((sources.DATA / "validation" / folder).glob("*.jpg"))]
    paths = paths[:: 20 if quick else 1]
    section = Section("photo_path", "Photo path for 12 megapixels")
    section.text(
        "`photos.decode` decodes a JPEG at the eighth, quarter or half that still covers the network's input, and "
        "resizes that; the other path decodes every pixel, then resizes with the same filter. The figure of "
        "`photos.decode` includes its SHA-256 and EXIF, which the other path does not do. In turns, "
        f"{rounds} calls each, one thread; median (10 % to 90 %)."
    )
    groups = {"drawn, 4000 x 3000": drawn}
    if paths:
        few = paths[:: max(1, len(paths) // 5)]
        groups[f"real cracks enlarged to {LONG_SIDE} px"] = [_enlarged(path) for path in few]
    section.table(
        ["photo", "file", "photos.decode ms", "full decode, then resize ms", "times faster", "goal"],
        [_speed(name, files, backbone, rounds) for name, files in groups.items()],
    )
    section.text(
        "How far apart the two are at the network's input (mean absolute difference of 8-bit values; cosine of the "
        "two embeddings; 1 is the same). Real cracks are at most 256 px on their short side, where no fraction "
        "covers the input: there both paths are the same by construction. The enlarged ones (bicubic, JPEG quality "
        f"{pictures.QUALITY}) have a camera's size, but not its finest detail, so they understate what a real "
        "12-megapixel photo would show; the drawn ones have detail down to the pixel, but are drawings. The difference "
        "depends on the photo's proportions, because they decide how far above the network's input its reduced short "
        "side lies."
    )
    differences = [_difference("drawn, 4000 x 3000", drawn, backbone)]
    if paths:
        differences += [
            _difference("real cracks as they are", [path.read_bytes() for path in paths], backbone),
            *(
                _difference(
                    f"{folder} enlarged to {LONG_SIDE} px",
                    (_enlarged(path) for path in paths if path.match(f"{folder}/*")),
                    backbone,
                )
                for folder in CRACKS
            ),
        ]
    else:
        section.text(f"Real crack photos were left out: there are none in {sources.DATA}.")
    section.table(
        ["photos", "count", "mean difference", "worst photo's", "largest of a pixel", "mean cosine", "lowest cosine"],
        differences,
    )
    return section


def full(data: bytes, backbone: Backbone) -> NDArray[np.uint8]:
    """Decode every pixel, then resize: uint8 [H, W, 3]."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    size = (backbone.transform.width, backbone.transform.height)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _speed(name: str, files: list[bytes], backbone: Backbone, rounds: int) -> list[object]:
    ours, theirs = cycle(files), cycle(files)
    works: dict[str, Callable[[], object]] = {
        "decode": lambda: reading.decode(next(ours), backbone.transform, PIXELS),
        "full": lambda: full(next(theirs), backbone),
    }
    times = timing.in_turns(works, rounds)
    ratio = timing.median(times["full"]) / timing.median(times["decode"])
    shown = [timing.shown(times[way]) for way in ("decode", "full")]
    return [name, pictures.described(files), *shown, f"{ratio:.1f}", verdict(ratio, GOAL, digits=1)]


def _difference(name: str, files: Iterable[bytes], backbone: Backbone) -> list[object]:
    means, largest, cosines = [], 0, []
    for data in files:
        pair = np.stack([reading.decode(data, backbone.transform, PIXELS).pixels, full(data, backbone)])
        apart = np.abs(pair[0].astype(int) - pair[1])
        means.append(float(apart.mean()))
        largest = max(largest, int(apart.max()))
        first, second = backbone.embed(pair)
        cosines.append(float(first @ second))
    return [
        name, len(means), f"{np.mean(means):.2f}", f"{max(means):.2f}", largest,
        f"{np.mean(cosines):.4f}", f"{min(cosines):.4f}",
    ]  # fmt: skip


def _enlarged(path: Path) -> bytes:
    """A real photo at a camera's size."""
    with Image.open(path) as image:
        scale = LONG_SIDE / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    return reading.encode_jpeg(np.asarray(large), pictures.QUALITY)


if __name__ == "__main__":
    report.main(measure)
