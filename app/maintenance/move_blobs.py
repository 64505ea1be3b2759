"""Carrying photo bytes between database and object storage while the service runs.

Nothing needs to be remembered of a run: what is at the target already is not carried again. The service finds bytes on
both sides as long as its HAJA_BLOBS is the object storage, so nothing is out of reach between the copy and the switch.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import delete, select

from app.parallel import for_each
from app.photos.blobs.discarded import discard_copied
from app.photos.blobs.in_database import DatabaseBlobs
from app.photos.blobs.objects import ObjectStorage
from app.photos.tables import Blob, DiscardedBlob, Photo
from app.storage.database import Database, insert_absent, lock_tables

PARALLEL = 4
"""Photos on the way at a time: bounds the memory."""

BATCH = 100
"""Photos that are removed at a time, after each of them was verified."""

Advance = Callable[[], None]


class Place(Protocol):
    """One side of a move."""

    async def prepare(self) -> None:
        """Find out whether bytes can be put. Raises `StorageUnavailable`."""
        ...

    async def stored(self) -> set[str]:
        """The SHA-256 of all bytes here."""
        ...

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, or None."""
        ...

    async def put(self, sha256: str, data: bytes) -> None:
        """Store the bytes of a photo."""
        ...

    async def remove(self, sha256s: Sequence[str]) -> int:
        """Delete bytes that were verified at the other side; how many."""
        ...


class DatabasePlace:
    """The table `blobs`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blobs = DatabaseBlobs(database)

    async def prepare(self) -> None:
        """Nothing: the command has it open."""

    async def stored(self) -> set[str]:
        """The SHA-256 of all bytes here."""
        async with self._database.reading() as session:
            return set((await session.scalars(select(Blob.sha256))).all())

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, or None."""
        return await self._blobs.get(sha256)

    async def put(self, sha256: str, data: bytes) -> None:
        """Store the bytes of a photo, unless it was deleted in the meantime."""
        async with self._database.writing() as session:
            photo = select(Photo.sha256).where(Photo.sha256 == sha256).with_for_update(key_share=True)
            if await session.scalar(photo) is not None:
                await session.run_sync(insert_absent, Blob, [{"sha256": sha256, "bytes": data}])

    async def remove(self, sha256s: Sequence[str]) -> int:
        """Delete bytes; those whose objects were lately discarded stay, because they may be the only ones."""
        async with self._database.writing() as session:
            await lock_tables(session, Blob)
            discarded = select(DiscardedBlob.sha256)
            chosen = delete(Blob).where(Blob.sha256.in_(sha256s), Blob.sha256.not_in(discarded))
            return len((await session.scalars(chosen.returning(Blob.sha256))).all())


class ObjectPlace:
    """An object storage."""

    def __init__(self, objects: ObjectStorage, database: Database) -> None:
        self._objects = objects
        self._database = database

    async def prepare(self) -> None:
        """Write the probe. Raises `StorageUnavailable`."""
        await self._objects.write_probe()

    async def stored(self) -> set[str]:
        """The SHA-256 of all bytes here."""
        return set(await self._objects.stored())

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, or None."""
        return await self._objects.get(sha256)

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes."""
        await self._objects.put(sha256, data)

    async def remove(self, sha256s: Sequence[str]) -> int:
        """Delete the objects whose bytes are in the database; how many."""
        async with self._database.writing() as session:
            copied = await discard_copied(session, sha256s)
        await self._objects.delete(copied)
        return len(copied)


class Move:
    """One run from `source` to `target`. `faults` says, photo by photo, what could not be carried or verified."""

    def __init__(self, database: Database, source: Place, target: Place) -> None:
        self._photos = DatabaseBlobs(database)
        self._source = source
        self._target = target
        self.faults: list[str] = []

    async def missing(self) -> list[str]:
        """The SHA-256 of the photos whose bytes are not at the target. Raises `StorageUnavailable`."""
        await self._target.prepare()
        return sorted(await self._photos.owned() - await self._target.stored())

    async def copy(self, sha256s: Sequence[str], advance: Advance) -> None:
        """Carry bytes to the target, each read whole and verified by its SHA-256 first."""
        lost: set[str] = set()

        async def carry(sha256: str) -> None:
            data = await self._source.get(sha256)
            if data is None:
                lost.add(sha256)
            elif await _is_whole(sha256, data):
                await self._target.put(sha256, data)
            else:
                self.faults.append(f"photo {sha256}: its bytes have changed, so they stay where they are")
            advance()

        await for_each(sha256s, carry, PARALLEL)
        if lost:  # one that was deleted meanwhile is no fault, nor one that another run carried and removed
            lost &= await self._photos.owned() - await self._target.stored()
        self.faults += [f"photo {sha256}: its bytes are in neither place" for sha256 in sorted(lost)]

    async def removable(self) -> list[str]:
        """The SHA-256 of the bytes that are on both sides."""
        return sorted(await self._source.stored() & await self._target.stored())

    async def remove(self, sha256s: Sequence[str], advance: Advance) -> int:
        """Read bytes back from the target, and delete those at the source that are the same there; how many."""
        removed = 0
        for start in range(0, len(sha256s), BATCH):
            sound: list[str] = []

            async def verify(sha256: str, sound: list[str] = sound) -> None:
                data = await self._target.get(sha256)
                if data is not None and await _is_whole(sha256, data):
                    sound.append(sha256)
                else:
                    self.faults.append(f"photo {sha256}: its bytes are damaged at the target, so the source keeps them")
                advance()

            await for_each(sha256s[start : start + BATCH], verify, PARALLEL)
            removed += await self._source.remove(sound)
        return removed


async def _is_whole(sha256: str, data: bytes) -> bool:
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest() == sha256
