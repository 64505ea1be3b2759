"""The backbone: photos in, embeddings out, under an id that says which embeddings may be compared."""

import hashlib
import json
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.engines import Engine, EngineName, Precision, create_engine, probes
from models.manifest import CHECKPOINTS, CheckpointError, Manifest, Reading, Transform, read_manifest
from models.networks.network import EmbeddingNetwork, create_features
from models.networks.views import SixViews, Views, widened
from models.networks.weights import load_weights

DEFAULT = "efficientnet-lite0-haja"
TIMM_PREFIX = "timm/"
VIEWED = "+views"
"""What the name of a backbone with `views` "accurate" ends with."""
SAME = 1e-4
"""By how much the mean over places may stray from the embedding; both are computed in float32."""


class NoFeatureMapError(Exception):
    """The network's embeddings are no means over the places of a photo."""


class Backbone:
    """A frozen embedding network with its preprocessing, on the engine of this machine.

    `network` is kept beside the engine, which may have no other use for it: 14 MB of weights for EfficientNet-Lite0.
    """

    def __init__(self, manifest: Manifest, engine: Engine, network: EmbeddingNetwork) -> None:
        self.manifest = manifest
        self.engine = engine
        self.network = network
        self.transform = manifest.transform
        self.backbone_id = _identify(manifest)
        self.dimension = self.embed(probes(self.transform.height, self.transform.width, 1)).shape[1]

    def embed(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed photos that were resized to the transform's size.

        Args:
            photos: uint8 [N, H, W, 3], RGB, N >= 1.

        Returns:
            float32 [N, D], each row of Euclidean length 1.

        Raises:
            ValueError: another shape or type.
        """
        expected = (self.transform.height, self.transform.width, 3)
        if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1:] != expected or not len(photos):  # noqa: PLR2004
            raise ValueError(
                f"Photos must be uint8 [N, {expected[0]}, {expected[1]}, 3], not {photos.dtype} {photos.shape}."
            )
        size = self.engine.batch_size
        return np.concatenate([self.engine.run(photos[start : start + size]) for start in range(0, len(photos), size)])

    def feature_map(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's features before they are pooled; their mean over places, at length 1, is the embedding.

        Runs in torch, at any size of photo and beside `embed`: from any thread, and from several at once.

        Args:
            photos: uint8 [N, H, W, 3], RGB, N >= 1.

        Returns:
            float32 [N, h, w, D]. h and w are H and W over the network's stride, mostly 32, rounded up.

        Raises:
            NoFeatureMapError: the network is a transformer, or has layers after the pooling.
        """
        if not self._pools_features:
            raise NoFeatureMapError(f"The embeddings of {self.manifest.architecture} are no means over places.")
        with torch.inference_mode():
            return self.network.feature_map(self.network.load(photos)).permute(0, 2, 3, 1).float().cpu().numpy()

    @cached_property
    def _pools_features(self) -> bool:
        """Tried out, since no property of a timm network tells; on torch's own embedding, whatever the engine."""
        photo = self.network.load(probes(self.transform.height, self.transform.width, 1))
        with torch.inference_mode():
            features = self.network.feature_map(photo)
            if features.ndim != 4 or features.shape[1] != self.dimension:  # noqa: PLR2004
                return False
            pooled = nn.functional.normalize(features.float().mean((2, 3)), dim=1)
            return bool((pooled - self.network.embed_views(self.network.prepare(photo))).norm() < SAME)


def load_backbone(
    name: str = DEFAULT,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: int = 0,
    views: Views = "quick",
    *,
    pinned: bool = True,
) -> Backbone:
    """Load a backbone by name.

    `name` is a checkpoint of ours (`efficientnet-lite0-haja`), the path of a manifest (`/srv/mine.json`), or
    `timm/` and the name of any pretrained network of timm, which timm downloads from its hub.

    `threads` is how many CPU threads OpenVINO may use, 0 for all; where several processes of one machine embed, they
    must not be `pinned` to its first cores. Embeddings of other `views` cannot be compared: the backbone's id and the
    size of photos that it takes differ.

    Raises:
        CheckpointError: no such checkpoint or network, or files that do not fit each other.
    """
    if name.startswith(TIMM_PREFIX):
        return timm_backbone(name.removeprefix(TIMM_PREFIX), engine, precision, threads, views, pinned=pinned)
    manifest, features = load_features(name)
    return _assemble(manifest, features, engine, precision, threads, views, pinned=pinned)


def load_features(name: str) -> tuple[Manifest, nn.Module]:
    """Load a checkpoint's network, float32 [N, 3, H, W] -> float32 [N, D], by its name or the path of its manifest.

    Raises:
        CheckpointError: no such checkpoint, or files that do not fit each other.
    """
    manifest = load_manifest(name)
    features = create_features(manifest.architecture)
    load_weights(features, manifest)
    return manifest, features


def load_manifest(name: str) -> Manifest:
    """Read a checkpoint's manifest by its name or path, without its weights.

    Raises:
        CheckpointError: no such checkpoint, or a manifest that cannot be used.
    """
    path = Path(name) if name.endswith(".json") else CHECKPOINTS / f"{name}.json"
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in CHECKPOINTS.glob("*.json")))
        raise CheckpointError(
            f"There is no checkpoint {name!r}: give one of {shipped}, a manifest's path, or timm/NAME."
        )
    return read_manifest(path)


def timm_backbone(
    architecture: str,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: int = 0,
    views: Views = "quick",
    *,
    pretrained: bool = True,
    pinned: bool = True,
) -> Backbone:
    """Make a backbone of any network of timm, with its pretrained weights or random ones.

    Its preprocessing is timm's own for that network, except that the whole photo is used. Its temperatures and
    unknown threshold are not calibrated.

    Raises:
        CheckpointError: no such network, or its weights could not be fetched.
    """
    features = create_features(architecture, pretrained=pretrained)
    config: dict[str, Any] = dict(features.pretrained_cfg)  # type: ignore[arg-type]
    _, height, width = config["input_size"]
    manifest = Manifest(
        name=f"{TIMM_PREFIX}{architecture}" + ("" if pretrained else "-random"),
        architecture=architecture,
        transform=Transform(height, width, config["mean"], config["std"]),
        typical_similarity=0.5,
        unknown_margin=2.0,
        readings={
            "prototypes": Reading(0.05, 0.0, {1: (0.0,) * 51}),
            "ridge": Reading(0.2, 0.0, {1: (0.0,) * 51}),
        },
    )
    return _assemble(manifest, features, engine, precision, threads, views, pinned=pinned)


def _assemble(
    manifest: Manifest,
    features: nn.Module,
    engine: EngineName,
    precision: Precision,
    threads: int,
    views: Views,
    *,
    pinned: bool,
) -> Backbone:
    network = EmbeddingNetwork(features, manifest.transform)
    if views == "accurate":
        network = SixViews(features, manifest.transform)
        manifest = replace(manifest, name=manifest.name + VIEWED, transform=widened(manifest.transform))
    network.eval()
    size = manifest.transform
    made = create_engine(network, size.height, size.width, engine, precision, threads, pinned=pinned)
    return Backbone(manifest, made, network)


def _identify(manifest: Manifest) -> str:
    """Embeddings may be compared when network, weights and transform are the same; the engine does not matter."""
    weights = manifest.weights and (manifest.weights.published_sha256 or manifest.weights.sha256)
    content = [manifest.architecture, asdict(manifest.transform), weights]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{manifest.name}@{digest[:8]}"
