"""Photos that were kept. Bytes are addressed by content: the same photo twice is stored once."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base


class Photo(Base):
    """What is known of a photo; its id is the SHA-256 of its bytes."""

    __tablename__ = "photos"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(32))
    byte_size: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
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
    vector: Mapped[bytes] = mapped_column(LargeBinary)
