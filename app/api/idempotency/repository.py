"""Every statement about idempotency keys."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.idempotency.tables import IdempotencyKey

KEPT = timedelta(days=30)
"""Long enough for a phone that spent its holidays without network."""


class KeyTakenError(Exception):
    """Another request with this key was quicker."""


async def find(session: AsyncSession, key: str) -> IdempotencyKey | None:
    """The key's row, or None."""
    return await session.get(IdempotencyKey, key)


async def claim(session: AsyncSession, key: str, fingerprint: str) -> None:
    """Write the key's row, still without its answer.

    Raises:
        KeyTakenError: the key is there already.
    """
    try:
        await session.execute(
            insert(IdempotencyKey).values(key=key, fingerprint=fingerprint, answer=b"", created_at=datetime.now(UTC))
        )
    except IntegrityError as error:
        raise KeyTakenError from error


async def keep(session: AsyncSession, key: str, answer: bytes) -> None:
    """Write the answer to a claimed key."""
    await session.execute(update(IdempotencyKey).where(IdempotencyKey.key == key).values(answer=answer))


async def forget_old(session: AsyncSession) -> None:
    """Delete keys older than `KEPT`."""
    await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < datetime.now(UTC) - KEPT))
