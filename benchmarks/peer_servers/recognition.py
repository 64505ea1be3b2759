"""The job that every peer does with a photo: made as usual, or of the decode and engine of Haja; perhaps stored too."""

import hashlib
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import JSON, DateTime, ForeignKey, LargeBinary, String, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from torch import Tensor, nn
from torchvision import transforms  # type: ignore[import-untyped]

from app.config import Settings
from app.photos import reading
from app.storage.sqlite import PAGE_BYTES
from models.backbones import load_backbone
from models.networks.loading import load_network
from models.options import DEFAULT
from models.prototypes import probabilities, similarities

BATCH = 8

Embeddings = NDArray[np.float32]

Decoded = tuple[bytes, Any]
"""The bytes of a photo, and what its decoder made of them."""


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
        manifest, self._features = load_network(DEFAULT)
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
        return reading.decode(data, self._backbone.transform, self._settings.max_photo_pixels).pixels

    def embed(self, batch: Sequence[NDArray[np.uint8]]) -> Embeddings:
        """Pixels uint8 [H, W, 3] -> float32 [N, D]."""
        return self._backbone.embed(np.stack(batch))


EYES: dict[str, type[UsualEyes] | type[HajasEyes]] = {"usual": UsualEyes, "haja": HajasEyes}


class Base(DeclarativeBase):
    pass


class Photo(Base):
    __tablename__ = "photos"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Classification(Base):
    __tablename__ = "classifications"

    id: Mapped[int] = mapped_column(primary_key=True)
    photo_sha256: Mapped[str] = mapped_column(ForeignKey(Photo.sha256), index=True)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime)


class Archive:
    """Photos and their answers in SQLite, as safe on the disk as Haja's, a transaction a batch."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        event.listen(self._engine, "connect", self._set_up)

    def create(self) -> None:
        """Make the tables; one process does."""
        Base.metadata.create_all(self._engine)

    def keep(self, photos: Sequence[bytes], answers: Sequence[dict[str, Any]]) -> None:
        """Write photos and answers, each photo once."""
        with Session(self._engine) as session, session.begin():
            for data, answer in zip(photos, answers, strict=True):
                sha256 = hashlib.sha256(data).hexdigest()
                session.execute(insert(Photo).values(sha256=sha256, data=data).on_conflict_do_nothing())
                session.add(Classification(photo_sha256=sha256, answer=answer, created_at=datetime.now(UTC)))

    @staticmethod
    def _set_up(connection: Any, _: Any) -> None:
        for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")


class Recognition:
    """Photos in, answers out, and into the archive where there is one. Called from one thread at a time."""

    def __init__(
        self, eyes: Eyes, names: Sequence[str], prototypes: Embeddings, temperature: float, archive: Archive | None
    ) -> None:
        self._eyes = eyes
        self._names = names
        self._prototypes = prototypes
        self._temperature = temperature
        self._archive = archive

    def decode(self, data: bytes) -> Decoded:
        """The bytes of a photo, and what `judge` looks at."""
        return data, self._eyes.decode(data)

    def recognise(self, batch: Sequence[bytes]) -> list[dict[str, Any]]:
        """Judge photos, given as the bytes of their files."""
        return self.judge([self.decode(data) for data in batch])

    def judge(self, decoded: Sequence[Decoded]) -> list[dict[str, Any]]:
        """Judge decoded photos: the classes of each, best first."""
        answers = self._answers([picture for _, picture in decoded])
        if self._archive is not None:
            self._archive.keep([data for data, _ in decoded], answers)
        return answers

    def _answers(self, pictures: Sequence[Any]) -> list[dict[str, Any]]:
        similarity = similarities(self._eyes.embed(pictures), self._prototypes)
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
            for row in range(len(pictures))
        ]


def save(path: Path, names: Sequence[str], prototypes: Embeddings, temperature: float) -> None:
    """Write what all servers compare with; prototypes are float32 [C, D]."""
    with path.open("wb") as file:
        np.savez(file, names=np.array(names), prototypes=prototypes, temperature=temperature)


def from_environment() -> Recognition:
    """What `benchmarks.peers` asks for: PEER_EYES, PEER_THREADS, PEER_PROTOTYPES, a file, and perhaps PEER_ARCHIVE."""
    with np.load(os.environ["PEER_PROTOTYPES"]) as kept:
        names, prototypes, temperature = kept["names"].tolist(), kept["prototypes"], float(kept["temperature"])
    eyes = EYES[os.environ["PEER_EYES"]](int(os.environ["PEER_THREADS"]))
    archive = os.environ.get("PEER_ARCHIVE")
    return Recognition(eyes, names, prototypes, temperature, Archive(archive) if archive else None)


def workers() -> int:
    """How many processes shall recognise: PEER_WORKERS."""
    return int(os.environ["PEER_WORKERS"])
