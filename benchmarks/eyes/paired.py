"""Two checkpoints on the same episodes inside each source of the validation photos, by the head as the service fits it.

python -m benchmarks.eyes.paired efficientnet-lite0-haja-2 efficientnet-lite0-haja
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from benchmarks.eyes.packing import SIDE, squared
from benchmarks.eyes.scoring import SHOTS, Validation
from models.backbones import load_backbone
from models.learning.data import Image, LabelledImages, collect

EPISODES, SEED = 1000, 3
BATCH = 8


def main() -> None:
    """Prints a table: accuracy of the second, of the first, and by how much the first is above, with 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("against")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/validation"))
    arguments = parser.parse_args()
    data = photos(arguments.data)
    validation = Validation(data, torch.zeros(0), EPISODES, SEED)
    new, old = (validation.served(_embed(data, name)) for name in (arguments.checkpoint, arguments.against))
    for shots in SHOTS:
        gains = {key: 100 * (new[key] - old[key]) for key in new if key[1] == shots}
        for key, gain in gains.items():
            print(f"{key[0]}, {shots}: {100 * old[key].mean():.1f} -> {100 * new[key].mean():.1f}, {_interval([gain])}")
        print(f"mean, {shots}: {_interval(list(gains.values()))}")


def photos(folder: Path) -> LabelledImages:
    """`<folder>/<source>/<class>/*.jpg` at the network's size; of `packing.EVENED` sources only centre squares."""
    places = [place for place in sorted(folder.glob("*/*")) if place.is_dir()]
    return collect(
        [
            (
                place.parent.name,
                f"{place.parent.name}/{place.name}",
                [_read(file) for file in sorted(place.glob("*.jpg"))],
            )
            for place in places
        ]
    )


def _read(file: Path) -> Image:
    photo = squared(Pillow.open(file).convert("RGB"), file.parent.parent.name)
    return np.asarray(photo.resize((SIDE, SIDE), Pillow.Resampling.BICUBIC))


def _embed(data: LabelledImages, checkpoint: str) -> NDArray[np.float32]:
    backbone = load_backbone(checkpoint, engine="openvino", pinned=False)
    starts = range(0, len(data.images), BATCH)
    return np.concatenate([backbone.embed(np.stack(data.images[start : start + BATCH])) for start in starts])


def _interval(gains: list[NDArray[np.float64]]) -> str:
    """Mean of the means, with the 95 % interval over episodes."""
    spread = np.sqrt(sum(gain.var(ddof=1) / len(gain) for gain in gains)) / len(gains)
    return f"{np.mean([gain.mean() for gain in gains]):+.2f} ± {1.96 * spread:.2f}"


if __name__ == "__main__":
    main()
