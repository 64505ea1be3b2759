"""The way of every photo into the service: bytes -> checked pixels -> embedding, never on the event loop."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.embedding import Embedder
from app.errors import QueueFull
from app.metrics import Metrics
from app.parallel import together
from app.photos import reading
from app.photos.decoding.decoders import Decoders
from models.manifest import Transform
from models.windows import ALL, Part, Region, embed_part, map_size


class Upload(Protocol):
    """A file that a caller sent."""

    @property
    def filename(self) -> str | None:
        """Its name at the caller's, for display only."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes."""
        ...

    async def read(self) -> bytes:
        """All of its bytes."""
        ...


WHOLE = Part()


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo that was decoded, ready to be kept."""

    filename: str
    data: bytes
    decoded: reading.DecodedPhoto


@dataclass(frozen=True)
class ReceivedPhoto(CheckedPhoto):
    """A photo that was decoded and embedded by the backbone `backbone_id`, as a whole or a part of it.

    `embedding` is float32 [D] of length 1.
    """

    backbone_id: str
    embedding: NDArray[np.float32]
    part: Part = WHOLE


@dataclass(frozen=True)
class MappedPhoto:
    """A photo with the features of the backbone `backbone_id` by place, float32 [h, w, D]: any part can be taken."""

    photo: CheckedPhoto
    backbone_id: str
    features: NDArray[np.float32]

    def part(self, part: Part) -> ReceivedPhoto | None:
        """A part of the photo in its place; of a rest, None where too little of the photo is left."""
        embedding = embed_part(self.features, part)
        if embedding is None:
            return None
        return ReceivedPhoto(**vars(self.photo), backbone_id=self.backbone_id, embedding=embedding, part=part)


@dataclass(frozen=True)
class KeptPhoto:
    """A photo of the database in the place of an uploaded one."""

    filename: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    async def read(self) -> bytes:
        """All of its bytes."""
        return self.data


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine in the place of an uploaded one."""

    path: Path

    @property
    def filename(self) -> str:
        """Its name."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    async def read(self) -> bytes:
        """All of its bytes."""
        return await asyncio.to_thread(self.path.read_bytes)


@dataclass(frozen=True)
class Refused:
    """A photo that was not taken, and why."""

    filename: str
    error: reading.PhotoError


class Intake:
    """Has photos decoded and embeds them; takes in a bounded number at a time."""

    def __init__(self, metrics: Metrics, decoders: Decoders, *, queue_size: int, max_bytes: int) -> None:
        self._metrics = metrics
        self._decoders = decoders
        # A few of one request at a time, so that fifty photos leave places to its neighbours.
        self.parallel = min(decoders.processes + 1, queue_size)
        # Read by those whose turn is near: a photo that waits is in memory once, not twice.
        self._readers = asyncio.Semaphore(3 * decoders.processes)
        self.max_bytes = max_bytes
        self._queue_size = queue_size
        self._in_work = 0

    async def take(self, upload: Upload, embedder: Embedder) -> ReceivedPhoto:
        """Read, check, decode and embed one photo.

        Raises:
            PhotoError: the photo cannot be used.
            QueueFull: too many photos are in work.
            DecoderUnavailable, EmbedderUnavailable: see their docstrings.
        """
        with self._place(), embedder.expecting():
            checked = await self._check(upload, embedder.manifest.transform)
            embedding = await embedder.embed(checked.decoded.pixels)
            return ReceivedPhoto(**vars(checked), backbone_id=embedder.backbone_id, embedding=embedding)

    async def check(self, upload: Upload, transform: Transform) -> CheckedPhoto:
        """Read, check and decode one photo at a transform's size.

        Raises:
            PhotoError, QueueFull, DecoderUnavailable: as `take`.
        """
        with self._place():
            return await self._check(upload, transform)

    async def take_all(self, uploads: Sequence[Upload], embedder: Embedder) -> list[ReceivedPhoto | Refused]:
        """Take each photo; one that cannot be used does not keep the others out.

        Raises:
            QueueFull, DecoderUnavailable, EmbedderUnavailable: as `take`, for the whole request.
        """
        turns = asyncio.Semaphore(self.parallel)

        async def one(upload: Upload) -> ReceivedPhoto | Refused:
            async with turns:
                try:
                    return await self.take(upload, embedder)
                except reading.PhotoError as error:
                    return Refused(display_name(upload.filename), error)

        return await together(map(one, uploads))

    async def thumbnail(self, data: bytes, side: int, region: Region = ALL) -> bytes:
        """Re-encode a region of a kept photo as a small JPEG.

        Raises:
            PhotoError: the photo cannot be used any more.
            QueueFull: too many photos are in work.
            DecoderUnavailable: as `take`.
        """
        with self._place():
            return await self._decoders.thumbnail(data, side, region)

    async def shrink(self, upload: Upload, side: int) -> bytes:
        """Re-encode a sent picture as a JPEG of at most `side` pixels a side.

        Raises:
            PhotoError, QueueFull, DecoderUnavailable: as `take`.
        """
        self._require_bounded(upload)
        return await self.thumbnail(await upload.read(), side)

    async def pixels(self, data: bytes, transform: Transform) -> NDArray[np.uint8]:
        """Decode a kept photo at a transform's size, uint8 [H, W, 3].

        Raises:
            PhotoError: the photo cannot be used any more.
            QueueFull, DecoderUnavailable: as `take`.
        """
        with self._place():
            return (await self._decode(data, transform)).pixels

    async def feature_map(self, data: bytes, transform: Transform, embedder: Embedder) -> NDArray[np.float32]:
        """The network's features of a kept photo at a transform's size, by place: float32 [h, w, D].

        Raises:
            PhotoError: the photo cannot be used any more.
            QueueFull, DecoderUnavailable: as `take`.
            EmbedderUnavailable, HeatmapUnavailable: as `Embedder.feature_map`.
        """
        with self._place():
            decoded = await self._decode(data, transform)
            return await embedder.feature_map(decoded.pixels)

    async def wide_map(self, photo: CheckedPhoto, embedder: Embedder) -> NDArray[np.float32]:
        """The features of a photo at the size of `models.windows.map_size`, by place: float32 [h, w, D].

        Raises as `feature_map`.
        """
        with self._place():
            size = map_size(photo.decoded.width, photo.decoded.height)
            with self._metrics.stage("decode").time():
                pixels = await self._decoders.fit(photo.data, *size)
            return await embedder.feature_map(pixels)

    async def take_map(self, upload: Upload, embedder: Embedder) -> MappedPhoto:
        """Read, check and decode one photo, and map it.

        Raises as `take` and `feature_map`.
        """
        checked = await self.check(upload, embedder.manifest.transform)
        return MappedPhoto(checked, embedder.backbone_id, await self.wide_map(checked, embedder))

    async def take_parts(
        self, photo: ReceivedPhoto, parts: Sequence[Part], embedder: Embedder
    ) -> list[ReceivedPhoto | None]:
        """Parts of a photo in its place; of a rest, None where too little of the photo is left.

        Raises as `feature_map`.
        """
        features = await self.wide_map(photo, embedder)
        embeddings = await asyncio.to_thread(lambda: [embed_part(features, part) for part in parts])
        return [
            None if embedding is None else replace(photo, part=part, embedding=embedding)
            for part, embedding in zip(parts, embeddings, strict=True)
        ]

    async def _check(self, upload: Upload, transform: Transform) -> CheckedPhoto:
        self._require_bounded(upload)
        async with self._readers:
            data = await upload.read()
            decoded = await self._decode(data, transform)
        return CheckedPhoto(display_name(upload.filename), data, decoded)

    def _require_bounded(self, upload: Upload) -> None:
        if (upload.size or 0) > self.max_bytes:
            raise reading.PhotoTooLarge(
                f"The photo has {(upload.size or 0) / 1e6:.1f} MB; at most {self.max_bytes / 1e6:.1f} are taken."
            )

    async def _decode(self, data: bytes, transform: Transform) -> reading.DecodedPhoto:
        with self._metrics.stage("decode").time():
            return await self._decoders.decode(data, transform)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._in_work >= self._queue_size:
            raise QueueFull
        self._in_work += 1
        self._metrics.photos_in_work.set(self._in_work)
        try:
            yield
        finally:
            self._in_work -= 1
            self._metrics.photos_in_work.set(self._in_work)


def display_name(filename: str | None) -> str:
    """A caller's file name made fit to be shown: no folders, no control characters, at most 255 characters."""
    base = (filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in base if character.isprintable())[:255] or "photo"
