"""Every statement about API keys, their grants and sessions."""

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.scopes import Scope
from app.access.tables import ApiKey, ApiKeyGrant, SignIn
from app.acting import Role
from app.storage.tables import new_id


class EmailTakenError(Exception):
    """Another key has this address."""


async def catalogs_of(session: AsyncSession, scope: Scope, value: UUID | str) -> set[UUID]:
    """The catalogs that a thing is in; none where there is no such thing."""
    if "\0" in str(value):
        return set()  # PostgreSQL refuses even to compare such a text
    return set(await session.scalars(scope.catalogs(value)))


async def any_key(session: AsyncSession) -> bool:
    """Whether there has ever been a key."""
    return await session.scalar(select(ApiKey.id).limit(1)) is not None


async def add_key(session: AsyncSession, fields: dict[str, Any], grants: dict[UUID, Role]) -> ApiKey:
    """Insert a key with what it may do. Raises `EmailTakenError`."""
    key = ApiKey(id=new_id(), created_at=datetime.now(UTC), last_used_at=None, revoked_at=None, **fields)
    session.add(key)
    try:
        await session.flush()
    except IntegrityError as error:
        raise EmailTakenError from error
    rows = [{"api_key_id": key.id, "catalog_id": catalog_id, "role": role} for catalog_id, role in grants.items()]
    if rows:
        await session.execute(insert(ApiKeyGrant), rows)
    return key


async def key_of_prefix(session: AsyncSession, prefix: str) -> ApiKey | None:
    """The key that begins so, or None."""
    return await session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))


async def key_of_email(session: AsyncSession, email: str) -> ApiKey | None:
    """The key of whoever signs in with this address, in the form of `email_address`, or None."""
    return await session.scalar(select(ApiKey).where(ApiKey.email == email))


async def key(session: AsyncSession, key_id: UUID) -> ApiKey | None:
    """The key with this id, or None."""
    return await session.get(ApiKey, key_id, populate_existing=True)


async def key_within(session: AsyncSession, catalogs: Set[UUID] | None, key_id: UUID) -> ApiKey | None:
    """The key with this id, where it is one of `keys`, or None."""
    return await session.scalar(_within(catalogs).where(ApiKey.id == key_id))


async def keys(session: AsyncSession, catalogs: Set[UUID] | None, after: UUID | None, limit: int) -> Sequence[ApiKey]:
    """Keys for these catalogs and no others (None: all keys), in the order they were made, after an id.

    One more than `limit`.
    """
    query = _within(catalogs).order_by(ApiKey.id).limit(limit + 1)
    return (await session.scalars(query if after is None else query.where(ApiKey.id > after))).all()


async def grants(session: AsyncSession, key_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, Role]]:
    """What each of these keys may do in which catalog."""
    rows = await session.scalars(select(ApiKeyGrant).where(ApiKeyGrant.api_key_id.in_(key_ids)))
    found: dict[UUID, dict[UUID, Role]] = {key_id: {} for key_id in key_ids}
    for row in rows:
        found[row.api_key_id][row.catalog_id] = Role(row.role)
    return found


async def revoke(session: AsyncSession, key_id: UUID) -> None:
    """Let a key end now, with the sessions that it signed in."""
    query = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    await session.execute(query.values(revoked_at=datetime.now(UTC)))
    await session.execute(delete(SignIn).where(SignIn.api_key_id == key_id))


async def note_use(session: AsyncSession, used: dict[UUID, datetime]) -> None:
    """Write when keys were last used."""
    for key_id, moment in sorted(used.items()):
        later = func.coalesce(ApiKey.last_used_at, moment) <= moment
        await session.execute(update(ApiKey).where(ApiKey.id == key_id, later).values(last_used_at=moment))


async def add_sign_in(session: AsyncSession, **fields: Any) -> None:
    """Insert a session, and delete those that are over."""
    await session.execute(delete(SignIn).where(SignIn.expires_at < datetime.now(UTC)))
    await session.execute(insert(SignIn).values(**fields))


async def sign_in(session: AsyncSession, token_sha256: bytes) -> SignIn | None:
    """The session of this token that is not over, or None."""
    row = await session.get(SignIn, token_sha256, populate_existing=True)
    return row if row is not None and row.expires_at > datetime.now(UTC) else None


async def end_sign_in(session: AsyncSession, token_sha256: bytes) -> SignIn | None:
    """Delete a session; what it was, where it was not over."""
    row = await sign_in(session, token_sha256)
    await session.execute(delete(SignIn).where(SignIn.token_sha256 == token_sha256))
    return row


def _within(catalogs: Set[UUID] | None) -> Select[ApiKey]:
    if catalogs is None:
        return select(ApiKey)
    granted = exists().where(ApiKeyGrant.api_key_id == ApiKey.id)
    inside = ApiKeyGrant.catalog_id.in_(catalogs)
    return select(ApiKey).where(ApiKey.role.is_(None), granted.where(inside), ~granted.where(~inside))
