"""The real photos beside the checkout: `data/SPLIT/SOURCE/CLASS/*.jpg`, and what the service makes of each."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.photos import reading
from models.backbones import Backbone

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
BATCH = 8


@dataclass(frozen=True)
class Source:
    """The photos of one source, in the order of their paths.

    `labels` int64 [N] are places in `classes`; `embeddings` is float32 [N, D]; `log_aspects` float64 [N] is the
    logarithm of width over height of the upright photo.
    """

    name: str
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    log_aspects: NDArray[np.float64]

    def of_class(self, label: int) -> NDArray[np.int64]:
        """The places of a class's photos."""
        return np.flatnonzero(self.labels == label)


def available(split: str) -> list[str]:
    """The sources of a split with two classes or more; none where the data is not there."""
    folders = sorted((DATA / split).iterdir()) if (DATA / split).is_dir() else []
    return [folder.name for folder in folders if len(_classes(folder)) > 1]


def load(split: str, name: str, backbone: Backbone) -> Source:
    """Decode and embed every photo of a source as the service does."""
    folder = DATA / split / name
    classes = _classes(folder)
    paths = [(path, label) for label, kind in enumerate(classes) for path in sorted((folder / kind).glob("*.jpg"))]
    decoded = list(decode_all([path for path, _ in paths], backbone))
    pixels = [photo.pixels for photo in decoded]
    return Source(
        name,
        classes,
        tuple(path for path, _ in paths),
        np.array([label for _, label in paths]),
        np.concatenate(
            [backbone.embed(np.stack(pixels[start : start + BATCH])) for start in range(0, len(pixels), BATCH)]
        ),
        np.log([photo.width / photo.height for photo in decoded]),
    )


def decode_all(paths: Sequence[Path], backbone: Backbone) -> Iterator[reading.DecodedPhoto]:
    """Decode files by the service's own function."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(lambda path: reading.decode(path.read_bytes(), backbone.transform, 64_000_000), paths)


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
