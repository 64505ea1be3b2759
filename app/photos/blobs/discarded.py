"""Which objects may be deleted, so that no photo can ever end without bytes.

Deleting an object is not part of any transaction: while A deletes it, B may upload the same photo again, and B's put
may reach the storage just before A's delete. Neither a look at the rows nor the object's age, however late they are
taken, rules that out. Therefore:

1. Requests never delete an object. What they leave behind is an orphan, which only commands delete.
2. Whoever deletes an object first commits a row in `discarded_blobs`. The transaction that writes it sees every photo
   that was committed before, and discards only what no photo names (or what the database holds as well).
3. The transaction that writes a photo's row looks for that mark afterwards, and keeps the bytes in the database where
   it finds one. Reading falls back to the database, so it does not matter whether B's object survives.

Of A's and B's transactions one is first: either A sees B's photo and does not delete, or B sees A's mark. Marks go
after a day, which no request and no delete lasts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.photos.tables import Blob, DiscardedBlob, Photo
from app.storage.database import SyncSession, insert_absent, lock_tables

KEPT = timedelta(days=1)


async def discard_unowned(session: AsyncSession, sha256s: Sequence[str]) -> list[str]:
    """Mark those that no photo owns; their objects may be deleted once the transaction is committed."""
    await lock_tables(session, Photo)
    owned = set((await session.scalars(select(Photo.sha256).where(Photo.sha256.in_(sha256s)))).all())
    return await _mark(session, [sha256 for sha256 in sha256s if sha256 not in owned])


async def discard_copied(session: AsyncSession, sha256s: Sequence[str]) -> list[str]:
    """Mark those whose bytes are in the database; their objects may be deleted once the transaction is committed."""
    await lock_tables(session, Photo, Blob)
    return await _mark(session, (await session.scalars(select(Blob.sha256).where(Blob.sha256.in_(sha256s)))).all())


def discarded(session: SyncSession, sha256s: Sequence[str]) -> set[str]:
    """Those whose object may be about to be deleted."""
    marked = select(DiscardedBlob.sha256).where(DiscardedBlob.sha256.in_(sha256s))
    return set(session.scalars(marked).all())


async def _mark(session: AsyncSession, sha256s: Sequence[str]) -> list[str]:
    now = datetime.now(UTC)
    old = DiscardedBlob.discarded_at < now - KEPT
    await session.execute(delete(DiscardedBlob).where(old | DiscardedBlob.sha256.in_(sha256s)))
    if sha256s:
        rows = [{"sha256": sha256, "discarded_at": now} for sha256 in sha256s]
        await session.run_sync(insert_absent, DiscardedBlob, rows)
    return list(sha256s)
