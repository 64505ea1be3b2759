"""Makes the checkpoint out of what rounds on the accelerator left: the mean of their soups, a little beyond.

    python -m benchmarks.eyes.ship runs/mine.json ROUND1/SOUP.safetensors ROUND2/SOUP.safetensors

What reads its scores is fitted as in `haja meta-train`, on the photos of --validation.
"""

import argparse
from pathlib import Path

from app.commands.learning import read_photos
from benchmarks.eyes.run import FROZEN
from benchmarks.eyes.soups import beyond
from models.learning.checkpoint_writer import write_checkpoint
from models.learning.learners.pretrained import PretrainedBackbone
from models.learning.learners.ridge import RidgeRegression
from models.learning.soup import average_weights
from models.networks.tensors import read_tensors

SHARE = 1.2
"""Of the way from the start to the mean; it was best in both rounds (`soups`)."""


def main() -> None:
    """Writes weights, graph and manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("soups", type=Path, nargs="+")
    parser.add_argument("--validation", type=Path, default=Path("../shared/data/validation"))
    arguments = parser.parse_args()
    backbone = PretrainedBackbone(FROZEN)
    start = backbone.features.state_dict()
    soups = [read_tensors(file)[0] for file in arguments.soups]
    whole = [{name: each.to(start[name].dtype) for name, each in soup.items()} for soup in soups]
    backbone.features.load_state_dict(beyond(start, average_weights(whole), SHARE))
    photos = read_photos(arguments.validation, backbone.manifest.transform)
    write_checkpoint(arguments.checkpoint, RidgeRegression(backbone).eval(), photos)
    print(f"{arguments.checkpoint} is written.")


if __name__ == "__main__":
    main()
