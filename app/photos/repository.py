"""Every statement about kept photos."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, exists, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.photos.blobs import Blobs
from app.photos.errors import PhotoNotFound
from app.photos.intake import CheckedPhoto, ReceivedPhoto
from app.photos.tables import Embedding, Photo
from app.storage.database import SyncSession, insert_absent, insert_absent_and_hold
from app.storage.tables import Base


class ArchiveRepository:
    """Photos, their bytes and their embeddings."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def store(self, photos: Sequence[CheckedPhoto]) -> None:
        """Bring the bytes of photos to safety before the transaction in which `keep` writes their rows.

        Raises:
            StorageUnavailable: they are not safe, so no row may name them.
        """
        await self._blobs.store({photo.decoded.sha256: photo.data for photo in photos})

    def keep(self, session: SyncSession, photos: Sequence[CheckedPhoto]) -> None:
        """Write photos whose bytes came through `store`; those that are kept stay as they are.

        Until the transaction ends nobody deletes them.
        """
        now = datetime.now(UTC)
        rows = {photo.decoded.sha256: _row(photo, now) for photo in photos}
        insert_absent_and_hold(session, Photo, list(rows.values()))
        self._blobs.keep(session, {photo.decoded.sha256: photo.data for photo in photos})

    def keep_embeddings(self, session: SyncSession, photos: Sequence[ReceivedPhoto]) -> None:
        """Store the embeddings of kept photos."""
        rows = [
            {
                "photo_sha256": photo.decoded.sha256,
                "backbone_id": photo.backbone_id,
                "part": photo.part.text,
                "vector": photo.embedding.astype("<f4").tobytes(),
            }
            for photo in photos
        ]
        insert_absent(session, Embedding, rows)

    async def embeddings(
        self, session: AsyncSession, backbone_id: str, parts: Sequence[tuple[str, str]]
    ) -> dict[str, NDArray[np.float32]]:
        """The stored embeddings of photos or parts, given as SHA-256 and the part's text, float32 [D], by SHA-256."""
        rows = await session.execute(
            select(Embedding.photo_sha256, Embedding.vector).where(
                tuple_(Embedding.photo_sha256, Embedding.part).in_(parts), Embedding.backbone_id == backbone_id
            )
        )
        return {sha256: np.frombuffer(vector, "<f4") for sha256, vector in rows}

    async def is_kept(self, session: AsyncSession, sha256: str) -> bool:
        """Whether there is such a photo."""
        return await session.get(Photo, sha256) is not None

    async def bytes(self, sha256: str) -> bytes:
        """The bytes of a kept photo. To be called outside of any session: they may come from far away.

        Raises:
            PhotoNotFound: they are not stored, because the photo was removed in the meantime or by damage.
            StorageUnavailable: the object storage does not answer.
        """
        data = await self._blobs.get(sha256)
        if data is None:
            raise PhotoNotFound("This photo is not stored any more; `haja check` says whether anything is lost.")
        return data

    async def forget_unreferenced(self, session: AsyncSession, sha256s: Sequence[str] | None = None) -> None:
        """Delete those of these photos, or of all, that nothing points at any more, with bytes and embeddings.

        Whatever table points at a photo without ON DELETE CASCADE keeps it alive.
        """
        references = [
            exists().where(key.parent == Photo.sha256)
            for table in Base.metadata.sorted_tables
            for key in table.foreign_keys
            if key.column is Photo.__table__.c.sha256 and key.ondelete != "CASCADE"
        ]
        unreferenced = not_(or_(*references))
        candidates = unreferenced if sha256s is None else Photo.sha256.in_(sha256s)
        # First wait for those who are about to point at one, then look: what they wrote counts.
        await session.execute(select(Photo.sha256).where(candidates).order_by(Photo.sha256).with_for_update())
        removed = delete(Photo).where(candidates, unreferenced).returning(Photo.sha256)
        await self._blobs.forget(session, (await session.scalars(removed)).all())


def _row(photo: CheckedPhoto, now: datetime) -> dict[str, object]:
    decoded = photo.decoded
    return {
        "sha256": decoded.sha256,
        "media_type": decoded.media_type,
        "byte_size": len(photo.data),
        "width": decoded.width,
        "height": decoded.height,
        "taken_at": decoded.taken_at and decoded.taken_at.isoformat(),
        "latitude": decoded.latitude,
        "longitude": decoded.longitude,
        **vars(decoded.quality),
        "created_at": now,
    }
