"""What a decoding process may answer, checked: one that a photo has taken over answers what it likes."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, TypeAdapter


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Ready(_Answer):
    """It has started; whether its system calls are filtered."""

    sealed: bool


class Refused(_Answer):
    """The code and the sentence of a `photos.PhotoError`."""

    refused: Annotated[str, Field(max_length=50)]
    detail: Annotated[str, Field(max_length=500)]


class Failed(_Answer):
    """The traceback of an error that nobody expected."""

    failed: Annotated[str, Field(max_length=5000)]


class Picture(_Answer):
    """The shape of the pixels that come beside it, [H, W, 3]."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]


class Quality(_Answer):
    """A `PhotoQuality`."""

    brightness: FiniteFloat
    sharpness: FiniteFloat
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Photo(_Answer):
    """A `photos.ReadPhoto`; its pixels come beside it."""

    quality: Quality
    media_type: Annotated[str, Field(pattern="^image/(jpeg|png|webp|heif)$")]
    width: PositiveInt
    height: PositiveInt
    taken_at: datetime | None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None


Answer = Ready | Refused | Failed | Picture | Photo

read: TypeAdapter[Answer] = TypeAdapter(Answer)
