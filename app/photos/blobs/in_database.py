"""Photo bytes in the database, which is the default."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.photos.tables import Blob, Photo
from app.storage.database import Database, SyncSession, insert_absent, lock_tables


class DatabaseBlobs:
    """Photo bytes in the table `blobs`, in the transaction of the rows that name them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check_ready(self) -> None:
        """Nothing to say: without the database the service does not start."""

    async def ping(self) -> None:
        """Nothing to ask beyond the database itself."""

    async def store(self, contents: Mapping[str, bytes]) -> None:
        """Nothing: the transaction brings the bytes."""

    def keep(self, session: SyncSession, contents: Mapping[str, bytes]) -> None:
        """Keep bytes by their SHA-256; those that are there already stay as they are."""
        insert_absent(session, Blob, [{"sha256": sha256, "bytes": data} for sha256, data in contents.items()])

    async def get(self, sha256: str) -> bytes | None:
        """The bytes with this SHA-256, or None."""
        async with self._database.reading() as session:
            return await session.scalar(select(Blob.bytes).where(Blob.sha256 == sha256))

    async def forget(self, session: AsyncSession, sha256s: Sequence[str]) -> None:
        """Delete the bytes with these SHA-256."""
        await session.execute(delete(Blob).where(Blob.sha256.in_(sha256s)))

    async def owned(self) -> set[str]:
        """The SHA-256 of all photos."""
        async with self._database.reading() as session:
            return set((await session.scalars(select(Photo.sha256))).all())

    async def orphans(self) -> list[str]:
        """The SHA-256 of bytes that no photo owns."""
        async with self._database.reading() as session:
            unowned = select(Blob.sha256).where(Blob.sha256.not_in(select(Photo.sha256))).order_by(Blob.sha256)
            return list((await session.scalars(unowned)).all())

    async def remove_orphans(self) -> int:
        """Delete the bytes that no photo owns; how many."""
        async with self._database.writing() as session:
            # One who is about to keep such a photo found its bytes here and relies on them.
            await lock_tables(session, Photo)
            unowned = delete(Blob).where(Blob.sha256.not_in(select(Photo.sha256)))
            return len((await session.scalars(unowned.returning(Blob.sha256))).all())
