"""A checkpoint's manifest: what its weights are, how photos are prepared for them, how its scores are read."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.prototypes import l2_normalise

CHECKPOINTS = Path(__file__).parent / "checkpoints"

HeadName = Literal["prototypes", "ridge"]
"""What gives a photo its scores: cosines to prototypes, or `models.ridge_head`."""


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Transform:
    """How a photo becomes the network's input.

    The whole photo is resized to `height` x `width` without keeping its proportions: cutting a centre square
    out instead loses the defect in long photos (masonry_historic, 5-shot: 73 % against 51 to 55 %).
    `mean` and `std` are per RGB channel, in units of full scale (0..1).
    """

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Weights:
    """A safetensors file beside the manifest.

    `published_sha256` is that of the file in which others published the same tensors, where there was one: embeddings
    made with that file and with ours may be compared.
    """

    file: str
    sha256: str
    published_sha256: str | None = None


@dataclass(frozen=True)
class Graph:
    """An ONNX file beside the manifest: the network as the CPU engine reads it; its weights stay in `Weights.file`.

    Input `photos`, uint8 [N, H, W, 3]. Outputs `embedding`, float32 [N, D], rows of length 1, and, where that is a mean
    over places brought to length 1, what it is the mean of: `features`, float32 [N, h, w, D], at any H and W. `format`
    counts the changes of this description. `bf16` says whether embeddings stay the same in bf16
    (`models.engines.BF16_COSINE`), where the machine that wrote the graph could try it: a start need not.
    """

    file: str
    sha256: str
    format: int
    bf16: bool | None = None


@dataclass(frozen=True)
class Sound:
    """A file beside the manifest: embeddings of surfaces without a defect, [centres, D], of length 1, and nothing else
    than their numbers: float16, little-endian, row by row.

    `models.regions` tells defects from them where a catalog has no sound examples of its own, and beside its own.
    """

    file: str
    sha256: str
    centres: int


@dataclass(frozen=True)
class Reading:
    """How the scores of one head are read.

    `temperature` divides scores before the softmax when classes have many photos; `temperature_per_shot` is added to
    it, divided by the shots: few photos are less sure. `truth_quantiles[shots][k]` is the probability that the true
    class of k % of the photos stays below, k = 0..50.
    """

    temperature: float
    temperature_per_shot: float
    truth_quantiles: dict[int, tuple[float, ...]]

    def temperature_at(self, shots: NDArray[np.integer]) -> float:
        """The temperature for a catalog whose classes have so many support photos, [C], each 1 or more."""
        return self.temperature + self.temperature_per_shot * float(np.mean(1.0 / shots))

    def truth_quantiles_at(self, shots: NDArray[np.integer]) -> NDArray[np.float64]:
        """The quantiles, float64 [51], for a catalog whose classes have so many support photos, [C], each 1 or more."""
        known = np.array(sorted(self.truth_quantiles, reverse=True))
        table = np.array([self.truth_quantiles[each] for each in known])
        place = float(np.mean(1.0 / shots))
        return np.array([np.interp(place, 1.0 / known, column) for column in table.T])


@dataclass(frozen=True)
class Manifest:
    """Everything about a checkpoint except the numbers themselves.

    `weights` and `graph` are None for a network whose weights are not in a file of ours (timm downloads them, or they
    are random); `graph` alone for a checkpoint from before checkpoints had one, `sound` where nobody made them.
    `typical_similarity` is the mean cosine of two photos of one class. A photo is unknown whose cosine similarity to
    the best class is more than `unknown_margin` below what is expected of a new photo of that class
    (`models.prototypes.expected_similarity`).
    """

    name: str
    architecture: str
    transform: Transform
    typical_similarity: float
    unknown_margin: float
    readings: dict[HeadName, Reading]
    weights: Weights | None = None
    graph: Graph | None = None
    sound: Sound | None = None
    folder: Path = CHECKPOINTS


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from a JSON file.

    Raises:
        CheckpointError: the file is missing, is no JSON, or lacks a field.
    """
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        transform = fields["transform"]
        return Manifest(
            name=fields["name"],
            architecture=fields["architecture"],
            transform=Transform(
                height=int(transform["height"]),
                width=int(transform["width"]),
                mean=_rgb(transform["mean"]),
                std=_rgb(transform["std"]),
            ),
            typical_similarity=float(fields["typical_similarity"]),
            unknown_margin=float(fields["unknown_margin"]),
            readings={
                "prototypes": _reading(fields["readings"]["prototypes"]),
                "ridge": _reading(fields["readings"]["ridge"]),
            },
            weights=Weights(**fields["weights"]),
            graph=Graph(**fields["graph"]) if "graph" in fields else None,
            sound=Sound(**fields["sound"]) if "sound" in fields else None,
            folder=path.parent,
        )
    except OSError as error:
        raise CheckpointError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise CheckpointError(f"The manifest {path} is not JSON: {error}.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The manifest {path} lacks or misstates a field: {error}.") from error


def load_manifest(name: str) -> Manifest:
    """Read a checkpoint's manifest by its name or path, without its weights.

    Raises:
        CheckpointError: no such checkpoint, or a manifest that cannot be used.
    """
    path = manifest_path(name)
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in CHECKPOINTS.glob("*.json")))
        raise CheckpointError(
            f"There is no checkpoint {name!r}: give one of {shipped}, a manifest's path, or timm/NAME."
        )
    return read_manifest(path)


def manifest_path(name: str) -> Path:
    """Where the manifest of a checkpoint lies that is given by its name or its path."""
    return Path(name) if name.endswith(".json") else CHECKPOINTS / f"{name}.json"


def checked_weights(manifest: Manifest) -> Path:
    """The file of a checkpoint's weights.

    Raises:
        CheckpointError: the manifest names none, the file is missing, or it is another.
    """
    if manifest.weights is None:
        raise CheckpointError(f"The manifest {manifest.name} names no weights.")
    return _checked(manifest.folder / manifest.weights.file, manifest.weights.sha256, "weights")


def sound_surfaces(manifest: Manifest, dimension: int) -> NDArray[np.float32]:
    """The sound surfaces of a checkpoint for embeddings [N, dimension]: float32 [centres, dimension], of length 1.

    They are none, [0, dimension], where the manifest names no file.

    Raises:
        CheckpointError: the file is missing, is another, or does not hold what the manifest says.
    """
    if manifest.sound is None:
        return np.empty((0, dimension), np.float32)
    path = _checked(manifest.folder / manifest.sound.file, manifest.sound.sha256, "sound surfaces")
    try:
        surfaces = np.frombuffer(path.read_bytes(), "<f2").reshape(manifest.sound.centres, dimension)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The sound surfaces {path} are not {manifest.sound.centres} x {dimension} numbers in float16: {error}."
        ) from error
    return l2_normalise(surfaces)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, sha256: str, what: str) -> Path:
    try:
        found = file_sha256(path)
    except OSError as error:
        raise CheckpointError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    if found != sha256:
        raise CheckpointError(f"The {what} {path} are not those of the manifest: their SHA-256 differs.")
    return path


def _reading(fields: dict[str, Any]) -> Reading:
    return Reading(
        temperature=float(fields["temperature"]),
        temperature_per_shot=float(fields["temperature_per_shot"]),
        truth_quantiles={
            int(shots): tuple(float(value) for value in values) for shots, values in fields["truth_quantiles"].items()
        },
    )


def _rgb(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
