"""Sound surfaces of a checkpoint: what photos of many surfaces without a defect have in common, as few embeddings."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.backbones import Backbone
from models.manifest import Sound, file_sha256, manifest_path
from models.networks.graph_writer import write_json
from models.networks.tensors import replace_file
from models.prototypes import l2_normalise

CENTRES = 24
"""Few enough not to outweigh five sound photos of a site, many enough to know brick, wood and metal apart."""

SEED, ROUNDS = 2026, 50


def write_sound_surfaces(name: str, backbone: Backbone, surfaces: Sequence[NDArray[np.uint8]]) -> Path:
    """Write the sound surfaces of a checkpoint beside its weights and into its manifest; gives their path.

    Args:
        name: of a shipped checkpoint, or a manifest's path.
        backbone: the same checkpoint, loaded.
        surfaces: for each kind of surface its photos, uint8 [N, H, W, 3]; of each as many count as the fewest have.

    Raises:
        ValueError: fewer photos than `CENTRES`.
        OSError: the files cannot be written.
    """
    random = np.random.default_rng(SEED)
    count = min(map(len, surfaces), default=0)
    if count * len(surfaces) < CENTRES:
        raise ValueError(
            f"{len(surfaces)} kinds of surfaces with {count} photos each are too few for {CENTRES} centres."
        )
    chosen = [photos[np.sort(random.permutation(len(photos))[:count])] for photos in surfaces]
    centres = k_means(np.concatenate([backbone.embed(photos) for photos in chosen]), CENTRES, random)
    manifest = manifest_path(name)
    path = manifest.with_suffix(".sound.f16")
    partial = path.with_suffix(".partial")
    partial.write_bytes(centres.astype("<f2").tobytes())
    replace_file(path, partial)
    fields = json.loads(manifest.read_text(encoding="utf-8"))
    write_json(manifest, fields | {"sound": asdict(Sound(path.name, file_sha256(path), CENTRES))})
    return path


def k_means(embeddings: NDArray[np.float32], count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """The directions around which embeddings [N, D] of length 1 gather, float32 [count, D] of length 1; N >= count."""
    centres = embeddings[random.permutation(len(embeddings))[:count]]
    for _ in range(ROUNDS):
        nearest = (embeddings @ centres.T).argmax(axis=1)
        # A centre that is nearest to nothing stays where it is.
        sums = [embeddings[nearest == each].sum(axis=0) if each in nearest else centres[each] for each in range(count)]
        centres = l2_normalise(np.array(sums))
    return centres
