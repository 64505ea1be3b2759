"""Writing a checkpoint that the service loads: weights, hash, manifest and what its similarities mean."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.learning.augmentation import stack_photos
from models.learning.calibration import QUERIES, SHOTS, calibrate
from models.learning.data import LabelledImages
from models.learning.episodes import EpisodeSampler
from models.learning.evaluation import encode
from models.learning.learners import Learner
from models.learning.learners.pretrained import PretrainedBackbone
from models.manifest import CheckpointError, file_sha256
from models.networks.graph_writer import write_graph, write_json
from models.networks.network import EmbeddingNetwork, create_features
from models.networks.tensors import fill, write_tensors


def require_photos(validation: LabelledImages) -> None:
    """Raises ValueError, naming the class, where there are too few validation photos to calibrate a checkpoint."""
    EpisodeSampler(validation.indices(), 2, max(SHOTS), QUERIES)


def write_checkpoint(path: Path, learner: Learner, validation: LabelledImages) -> None:
    """Writes the learner's backbone as the manifest `path`, with weights and graph of the same name beside it.

    Convolutions are stored in half precision. What reads the similarities is fitted inside each source of `validation`,
    photos of the transform's size (`models.learning.calibration`). The manifest comes last: without it, what an
    interrupted call left behind is no checkpoint.
    Raises CheckpointError where the backbone did not start from a checkpoint, ValueError where a class has fewer than
    19 photos.
    """
    backbone = learner.backbone
    if not isinstance(backbone, PretrainedBackbone):
        raise CheckpointError("Only a backbone that started from a checkpoint can become one.")
    require_photos(validation)
    state = backbone.features.state_dict()
    # Scales and variances of batch norm may lie outside the range of half precision, and weigh next to nothing.
    small = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
    weights = path.with_suffix(".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(weights, small)
    backbone.features.load_state_dict(small)
    encoded = encode(learner, validation.images, stack_photos).cpu().numpy()
    by_source: dict[str, list[NDArray[np.float32]]] = {}
    for source, photos in zip(validation.sources, validation.indices().values(), strict=True):
        by_source.setdefault(source, []).append(encoded[photos])
    # A network of its own: the graph is made on the CPU, wherever the learner is.
    stored = create_features(backbone.manifest.architecture)
    fill(weights, stored, {name: tensor.float() for name, tensor in small.items()})
    graph = write_graph(EmbeddingNetwork(stored, backbone.manifest.transform).eval(), weights)
    manifest = {
        "name": path.stem,
        "architecture": backbone.manifest.architecture,
        "transform": asdict(backbone.manifest.transform),
        **asdict(calibrate(list(by_source.values()))),
        "weights": {"file": weights.name, "sha256": file_sha256(weights)},
        "graph": asdict(graph),
    }
    write_json(path, manifest)
