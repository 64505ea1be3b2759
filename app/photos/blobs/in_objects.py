"""Photo bytes in object storage."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from app.parallel import for_each
from app.photos.blobs.discarded import discard_unowned, discarded
from app.photos.blobs.in_database import DatabaseBlobs
from app.photos.blobs.objects import ObjectStorage
from app.storage.database import Database, Session, SyncSession

PARALLEL = 8
"""Requests to the storage at a time for one registration."""

GRACE = timedelta(hours=1)
"""An object that no photo owns is left alone for so long: its request may be on the way to its row.

Nothing would be lost otherwise (see `app.photos.blobs.discarded`), but checks would take every upload for a fault.
"""

BATCH = 1000
"""As many objects as S3 deletes in one request."""


class ObjectBlobs:
    """Photo bytes as objects, stored before the rows that name them.

    The database stays the second place to look at: it holds what has not been moved yet, and the few photos that were
    uploaded again while their orphaned object was being deleted.
    """

    def __init__(self, objects: ObjectStorage, database: Database) -> None:
        self._objects = objects
        self._database = database
        self._rest = DatabaseBlobs(database)

    async def check_ready(self) -> None:
        """Write a probe. Raises `StorageUnavailable`."""
        await self._objects.write_probe()

    async def ping(self) -> None:
        """Ask for the probe. Raises `StorageUnavailable`."""
        await self._objects.ping()

    async def store(self, contents: Mapping[str, bytes]) -> None:
        """Put every object, also those that are there: only their being written now makes them certain and young."""
        await for_each(contents.items(), lambda item: self._objects.put(*item), PARALLEL)

    def keep(self, session: SyncSession, contents: Mapping[str, bytes]) -> None:
        """Keep in the database what may be deleted from the object storage at this moment; as a rule nothing."""
        if marked := discarded(session, list(contents)):
            self._rest.keep(session, {sha256: contents[sha256] for sha256 in marked})

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, from the object storage or else from the database."""
        data = await self._objects.get(sha256)
        if data is None:
            data = await self._rest.get(sha256)
        # They may have moved from the one to the other between the two looks.
        return await self._objects.get(sha256) if data is None else data

    async def forget(self, session: Session, sha256s: Sequence[str]) -> None:
        """Delete what the database holds. Objects stay as orphans: see `app.photos.blobs.discarded`."""
        await self._rest.forget(session, sha256s)

    async def orphans(self) -> list[str]:
        """Objects that are older than the grace period, and bytes in the database, that no photo owns."""
        young = datetime.now(UTC) - GRACE
        stored = await self._objects.stored()
        old = {sha256 for sha256, written in stored.items() if written <= young}
        return sorted((old - await self._rest.owned()).union(await self._rest.orphans()))

    async def remove_orphans(self) -> int:
        """Delete the bytes that `orphans` finds and still no photo owns; how many."""
        removed = 0
        found = await self.orphans()
        for start in range(0, len(found), BATCH):
            async with self._database.writing() as session:
                unowned = await discard_unowned(session, found[start : start + BATCH])
                await self._rest.forget(session, unowned)
            await self._objects.delete(unowned)
            removed += len(unowned)
        return removed
