"""Networks in torch, by name: checkpoints of ours, and any of timm's."""

from typing import Any

import openvino
from torch import nn

from models.backbones import Backbone, viewed
from models.engines import in_precision
from models.manifest import Manifest, Reading, Transform, load_manifest
from models.networks.conversion import to_openvino
from models.networks.engine import TorchEngine
from models.networks.network import EmbeddingNetwork, create_features
from models.networks.views import SixViews
from models.networks.weights import load_weights
from models.options import TIMM_PREFIX, Precision, Views


def load_network(name: str) -> tuple[Manifest, nn.Module]:
    """A network, float32 [N, 3, H, W] -> float32 [N, D], by a name as in `models.backbones.load_backbone`.

    Raises:
        CheckpointError: no such checkpoint or network, or files that do not fit each other.
    """
    if name.startswith(TIMM_PREFIX):
        return timm_network(name.removeprefix(TIMM_PREFIX))
    manifest = load_manifest(name)
    features = create_features(manifest.architecture)
    load_weights(features, manifest)
    return manifest, features


def load_converted(name: str) -> tuple[Manifest, openvino.Model]:
    """The same, converted in memory to what `models.manifest.Graph` describes."""
    manifest, features = load_network(name)
    return manifest, to_openvino(EmbeddingNetwork(features, manifest.transform).eval())


def timm_network(architecture: str, *, pretrained: bool = True) -> tuple[Manifest, nn.Module]:
    """Any network of timm, with its pretrained weights or random ones.

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
    return manifest, features


def on_torch(manifest: Manifest, features: nn.Module, precision: Precision, views: Views) -> Backbone:
    """The backbone of a network, float32 [N, 3, H, W] -> float32 [N, D], that runs in torch."""
    kind = SixViews if views == "accurate" else EmbeddingNetwork
    network = kind(features, manifest.transform).eval()
    if views == "accurate":
        manifest = viewed(manifest)
    size = manifest.transform
    engine = in_precision(
        lambda precision: TorchEngine(network, precision), precision, size.height, size.width, TorchEngine.has_bf16
    )
    return Backbone(manifest, engine)
