"""Writing a checkpoint that the service loads: weights, hash, manifest and what its similarities mean."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.augmentation import stack_photos
from models.calibration import fit_temperature, fit_unknown_similarity
from models.data import LabelledImages
from models.episodes import EpisodeSampler
from models.evaluation import encode
from models.learners import Learner
from models.learners.cosine_prototypical import CosinePrototypicalNetwork
from models.learners.pretrained import PretrainedBackbone
from models.manifest import CheckpointError
from models.tensors import replace_file, write_tensors

SHOTS, QUERIES, EPISODES = 5, 10, 100


def write_checkpoint(path: Path, learner: Learner, validation: LabelledImages) -> None:
    """Writes the learner's backbone as the manifest `path` with a safetensors file of the same name beside it.

    Convolutions are stored in half precision. Temperature and unknown threshold are fitted on 5-shot episodes inside
    each source of `validation`, photos of the transform's size. The manifest comes last: without it, what an
    interrupted call left behind is no checkpoint.
    Raises CheckpointError where the backbone did not start from a checkpoint, ValueError where a class has fewer than
    15 photos.
    """
    backbone = learner.backbone
    if not isinstance(backbone, PretrainedBackbone):
        raise CheckpointError("Only a backbone that started from a checkpoint can become one.")
    state = backbone.features.state_dict()
    # Scales and variances of batch norm may lie outside the range of half precision, and weigh next to nothing.
    small = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
    weights = path.with_suffix(".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(weights, small)
    backbone.features.load_state_dict(small)
    judged = _judge(CosinePrototypicalNetwork(backbone, temperature=1.0), validation)
    manifest = {
        "name": path.stem,
        "architecture": backbone.manifest.architecture,
        "transform": asdict(backbone.manifest.transform),
        "temperature": round(fit_temperature(judged), 4),
        "unknown_similarity": round(fit_unknown_similarity([similarity.max(axis=1) for similarity, _ in judged]), 4),
        "weights": {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()},
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    replace_file(path, partial)


@torch.no_grad()
def _judge(learner: Learner, data: LabelledImages) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Similarities [Q, C] and labels [Q] of all episodes of each source."""
    encoded = encode(learner, data.images, stack_photos)
    judged = []
    for source in dict.fromkeys(data.sources):
        indices = {name: photos for name, photos in data.indices().items() if data.source_of()[name] == source}
        sampler = EpisodeSampler(indices, len(indices), SHOTS, QUERIES)
        episodes = [sampler.draw(number) for number in range(EPISODES)]
        scores = [
            learner.adapt(encoded[each.support], torch.from_numpy(each.support_labels))(encoded[each.queries])
            for each in episodes
        ]
        labels = np.concatenate([each.query_labels for each in episodes])
        judged.append((torch.cat(scores).cpu().numpy(), labels))
    return judged
