"""A shipped checkpoint's network to train further, on a machine without OpenVINO."""

from typing import Self

import torch
from torch import Tensor
from typing_extensions import override

from models.manifest import load_manifest
from models.networks.network import EmbeddingNetwork, create_features
from models.networks.weights import load_weights

STEP = 64
"""Batches are filled up to multiples of it: the GPU's libraries take seconds to prepare for each new size."""


class Start(EmbeddingNetwork):
    """Photos uint8 or float [B, H, W, 3] in 0..255 -> unit vectors [B, D]; batch norm keeps its statistics.

    The same as `PretrainedBackbone`, which can also start from networks that need the conversion's packages.
    """

    def __init__(self, checkpoint: str) -> None:
        manifest = load_manifest(checkpoint)
        features = create_features(manifest.architecture)
        load_weights(features, manifest)
        super().__init__(features, manifest.transform)
        self.eval()

    @override
    def train(self, mode: bool = True) -> Self:
        return super().train(mode=False)

    @override
    def forward(self, photos: Tensor) -> Tensor:
        lacking = -len(photos) % STEP if photos.is_cuda else 0
        filled = torch.cat([photos, photos[:1].expand(lacking, -1, -1, -1)])
        return super().forward(filled)[: len(photos)]
