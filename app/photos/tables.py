"""Photos that were kept. Bytes are addressed by content: the same photo twice is stored once."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKey, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.photos.regions import RegionBox
from app.storage.tables import Base
from models.windows import Part

PART_LENGTH = 1600
"""Characters of the text of a part: room for fifty regions."""

REGION_LENGTH = 40
"""Characters of the text of a part that is one region."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_Positive = Annotated[int, Field(gt=0)]


def _whole_floats(data: bytes) -> bytes:
    if not data or len(data) % 4:
        raise ValueError("it is no vector of float32")
    return data


Vector = Annotated[bytes, AfterValidator(_whole_floats)]
"""float32 [D], little-endian."""


def _is_part(text: str) -> str:
    part = Part.parse(text)
    for region in part.regions:
        RegionBox.model_validate(region._asdict())
    if part.text != text:
        raise ValueError("it is no part of a photo")
    return text


def _is_region(text: str) -> str:
    part = Part.parse(_is_part(text))
    if part.is_rest or len(part.regions) != 1:
        raise ValueError("it is no region of a photo")
    return text


PartText = Annotated[str, AfterValidator(_is_part)]
"""The text of a `models.windows.Part`: what of a photo is meant; of all of it, nothing."""

RegionText = Annotated[str, AfterValidator(_is_region)]
"""The text of a part that is one region."""


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
    """An embedding of a support photo, or of a part of it, by one backbone: float32 [D], little-endian, of length 1."""

    __tablename__ = "embeddings"

    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256", ondelete="CASCADE"), primary_key=True)
    backbone_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    part: Mapped[PartText] = mapped_column(String(PART_LENGTH), primary_key=True, server_default=text("''"))
    vector: Mapped[Vector] = mapped_column(LargeBinary)
