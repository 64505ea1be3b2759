"""Every statement about idempotency keys."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.idempotency.tables import IdempotencyKey
from app.storage.database import SyncSession, insert_row

KEPT = timedelta(days=30)
"""Long enough for a phone that spent its holidays without network."""


class KeyTakenError(Exception):
    """Another request with this key was quicker."""


async def find(session: AsyncSession, key: str) -> IdempotencyKey | None:
    """The key's row, or None."""
    return await session.get(IdempotencyKey, key)


def claim(session: SyncSession, key: str, fingerprint: str) -> None:
    """Write the key's row, still without its answer.

    Raises:
        KeyTakenError: the key is there already.
    """
    try:
        row = {"key": key, "fingerprint": fingerprint, "answer": b"", "created_at": datetime.now(UTC)}
        insert_row(session, IdempotencyKey, row)
    except IntegrityError as error:
        raise KeyTakenError from error


def keep(session: SyncSession, key: str, answer: bytes) -> None:
    """Write the answer to a claimed key."""
    session.execute(update(IdempotencyKey).where(IdempotencyKey.key == key).values(answer=answer))


async def forget_old(session: AsyncSession) -> None:
    """Delete keys older than `KEPT`."""
    await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < datetime.now(UTC) - KEPT))
