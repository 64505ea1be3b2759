"""Where photo bytes live: in the database. They are found by the SHA-256 of their content."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.archive.tables import Blob
from app.database import insert_absent


class DatabaseBlobs:
    """Photo bytes in the table `blobs`, in the transaction of the rows that name them."""

    async def put(self, session: AsyncSession, contents: dict[str, bytes]) -> None:
        """Keep bytes by their SHA-256; those that are there already stay as they are."""
        await insert_absent(session, Blob, [{"sha256": sha256, "bytes": data} for sha256, data in contents.items()])

    async def get(self, session: AsyncSession, sha256: str) -> bytes | None:
        """The bytes with this SHA-256, or None."""
        return await session.scalar(select(Blob.bytes).where(Blob.sha256 == sha256))

    async def delete(self, session: AsyncSession, sha256s: Sequence[str]) -> None:
        """Forget the bytes with these SHA-256."""
        await session.execute(delete(Blob).where(Blob.sha256.in_(sha256s)))
