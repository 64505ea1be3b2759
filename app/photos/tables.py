"""Photos that were kept. Bytes are addressed by content: the same photo twice is stored once."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_Positive = Annotated[int, Field(gt=0)]


def _whole_floats(data: bytes) -> bytes:
    if not data or len(data) % 4:
        raise ValueError("it is no vector of float32")
    return data


Vector = Annotated[bytes, AfterValidator(_whole_floats)]
"""float32 [D], little-endian."""


class Photo(Base):
    """What is known of a photo; its id is the SHA-256 of its bytes."""

    __tablename__ = "photos"

    sha256: Mapped[Sha256] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[Annotated[str, Field(pattern="^image/(jpeg|png|webp|heif)$")]] = mapped_column(String(32))
    byte_size: Mapped[_Positive]
    width: Mapped[_Positive]
    height: Mapped[_Positive]
    # ISO 8601, as the camera wrote it: with its zone or without
    taken_at: Mapped[str | None] = mapped_column(String(32))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    # See app.photos.quality; None for photos that were kept before they were measured.
    brightness: Mapped[float | None]
    sharpness: Mapped[float | None]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Blob(Base):
    """The bytes of a photo, exactly as they came."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class DiscardedBlob(Base):
    """An object of the object storage that somebody deletes or lately deleted; see `app.photos.blobs.discarded`."""

    __tablename__ = "discarded_blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    discarded_at: Mapped[datetime]


class Embedding(Base):
    """A support photo's embedding by one backbone: float32 [D], little-endian, of length 1."""

    __tablename__ = "embeddings"

    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256", ondelete="CASCADE"), primary_key=True)
    backbone_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    vector: Mapped[Vector] = mapped_column(LargeBinary)
