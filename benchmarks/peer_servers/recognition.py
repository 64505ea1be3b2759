"""The job that every peer does with a photo, in two makes: the usual one, and Haja's decode and engine."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms  # type: ignore[import-untyped]

from app import photos
from app.config import Settings
from models.backbones import DEFAULT, load_backbone, load_features
from models.prototypes import probabilities, similarities

BATCH = 8

Embeddings = NDArray[np.float32]


class Eyes(Protocol):
    """Decode and forward pass."""

    def decode(self, data: bytes) -> Any:
        """The bytes of a photo -> what `embed` takes."""
        ...

    def embed(self, batch: Sequence[Any]) -> Embeddings:
        """Decoded photos -> float32 [N, D], each row of length 1."""
        ...


class UsualEyes:
    """Pillow and torchvision's transforms on the whole photo, and the torch module as it is, on the CPU."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        manifest, self._features = load_features(DEFAULT)
        size = manifest.transform
        self._transform = transforms.Compose(
            [
                transforms.Resize((size.height, size.width), transforms.InterpolationMode.BICUBIC),
                transforms.ToTensor(),
                transforms.Normalize(size.mean, size.std),
            ]
        )

    def decode(self, data: bytes) -> Tensor:
        """The bytes of a photo -> float32 [3, H, W]."""
        return self.prepare(Image.open(io.BytesIO(data)))

    def prepare(self, image: Image.Image) -> Tensor:
        """A photo -> float32 [3, H, W]."""
        tensor: Tensor = self._transform(image.convert("RGB"))
        return tensor

    def embed(self, batch: Sequence[Tensor]) -> Embeddings:
        """Tensors float32 [3, H, W] -> float32 [N, D]."""
        with torch.inference_mode():
            embeddings: Embeddings = nn.functional.normalize(self._features(torch.stack(list(batch))), dim=1).numpy()
        return embeddings


class HajasEyes:
    """What Haja itself uses."""

    def __init__(self, threads: int) -> None:
        self._settings = Settings()
        settings = self._settings
        self._backbone = load_backbone(DEFAULT, settings.engine, settings.precision, threads, pinned=False)

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """The bytes of a photo -> uint8 [H, W, 3]."""
        return photos.decode(data, self._backbone.transform, self._settings.max_photo_pixels).pixels

    def embed(self, batch: Sequence[NDArray[np.uint8]]) -> Embeddings:
        """Pixels uint8 [H, W, 3] -> float32 [N, D]."""
        return self._backbone.embed(np.stack(batch))


EYES: dict[str, type[UsualEyes] | type[HajasEyes]] = {"usual": UsualEyes, "haja": HajasEyes}


class Recognition:
    """Photos in, answers out; nothing is stored. Called from one thread at a time."""

    def __init__(self, eyes: Eyes, names: Sequence[str], prototypes: Embeddings, temperature: float) -> None:
        self.eyes = eyes
        self._names = names
        self._prototypes = prototypes
        self._temperature = temperature

    def recognise(self, batch: Sequence[bytes]) -> list[dict[str, Any]]:
        """Judge photos, given as the bytes of their files."""
        return self.judge([self.eyes.decode(data) for data in batch])

    def judge(self, decoded: Sequence[Any]) -> list[dict[str, Any]]:
        """Judge photos that `eyes` decoded: the classes of each, best first."""
        similarity = similarities(self.eyes.embed(decoded), self._prototypes)
        probability = probabilities(similarity, self._temperature)
        return [
            {
                "predictions": [
                    {
                        "defect_class": self._names[place],
                        "probability": float(probability[row, place]),
                        "similarity": float(similarity[row, place]),
                    }
                    for place in np.argsort(-similarity[row])
                ]
            }
            for row in range(len(decoded))
        ]


def save(path: Path, names: Sequence[str], prototypes: Embeddings, temperature: float) -> None:
    """Write what all servers compare with; prototypes are float32 [C, D]."""
    with path.open("wb") as file:
        np.savez(file, names=np.array(names), prototypes=prototypes, temperature=temperature)


def from_environment() -> Recognition:
    """The recognition that `benchmarks.peers` asks for: PEER_EYES, PEER_THREADS, and PEER_PROTOTYPES, a file."""
    with np.load(os.environ["PEER_PROTOTYPES"]) as kept:
        names, prototypes, temperature = kept["names"].tolist(), kept["prototypes"], float(kept["temperature"])
    eyes = EYES[os.environ["PEER_EYES"]](int(os.environ["PEER_THREADS"]))
    return Recognition(eyes, names, prototypes, temperature)


def workers() -> int:
    """How many processes shall recognise: PEER_WORKERS."""
    return int(os.environ["PEER_WORKERS"])
