"""The rules of access: whom a key or a session stands for, and who may make keys for whom."""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from cachetools import TTLCache

from app.access import repository
from app.access.audit.repository import record
from app.access.email import email_address
from app.access.errors import EmailTaken, GrantTooWide, KeyNotFound, SignInFailed
from app.access.repository import EmailTakenError
from app.access.schemas import CurrentKey, KeyCreate, KeyCreated, KeyOut
from app.access.scopes import Scope
from app.access.secrets import digest, new_key, new_token, parse_key
from app.access.tables import ApiKey
from app.acting import Principal, Role, acting, acting_as
from app.api.pagination import Page, cut
from app.errors import CatalogNotFound, DatabaseUnavailable, StartError, Unauthenticated
from app.storage.database import Database, Session

TRUSTED_S = 2.0
"""So long a process goes by what it has read of a key or session: a key that another process revokes ends within it."""

REMEMBERED = 10_000
"""Keys and sessions that a process remembers at a time."""

NOTE_USE_S = 60.0
"""Between two writes of when keys were last used."""

AWAY = timedelta(minutes=10)
"""So long a browser may be away at the sign-in provider."""


class BrowserSession(NamedTuple):
    """A browser that has signed in."""

    principal: Principal
    csrf_token: str
    expires_at: datetime


class NewSession(NamedTuple):
    """What the browser keeps of its session, and the key that it acts as."""

    token: str
    csrf_token: str
    key_id: UUID | None


class CatalogNames(Protocol):
    """What keys need to know of catalogs; the names of those that exist."""

    async def ids(self, session: Session, names: Sequence[str]) -> dict[str, UUID]:
        """The ids of those of these catalogs that there are, by name."""
        ...

    async def names(self, session: Session, ids: Sequence[UUID]) -> dict[UUID, str]:
        """The names of these catalogs."""
        ...


class AccessService:
    """API keys and sessions."""

    def __init__(self, database: Database, catalogs: CatalogNames, session_hours: float) -> None:
        self._database = database
        self._catalogs = catalogs
        self._session_time = timedelta(hours=session_hours)
        self._keys: TTLCache[str, tuple[bytes, Principal]] = TTLCache(REMEMBERED, TRUSTED_S)
        self._sessions: TTLCache[bytes, BrowserSession] = TTLCache(REMEMBERED, TRUSTED_S)
        self._closed = False
        self._open_until = 0.0
        self._used: dict[UUID, datetime] = {}

    async def is_open(self) -> bool:
        """Whether the service asks nobody for a key: until the first one is made."""
        if not self._closed and time.monotonic() >= self._open_until:
            async with self._database.reading() as session:
                self._closed = await repository.any_key(session)
            self._open_until = time.monotonic() + TRUSTED_S
        return not self._closed

    async def refuse_open(self, host: str) -> None:
        """Check that a service without keys is about to listen on this machine only.

        Raises:
            StartError: others could reach it.
        """
        if not is_loopback(host) and await self.is_open():
            raise StartError(
                f"HAJA_HOST={host} can be reached by others, and there is no key yet, so nobody would have to sign in: "
                "make one with `haja keys create NAME --role admin`, or keep 127.0.0.1."
            )

    async def by_key(self, text: str) -> Principal:
        """Whom an API key stands for. Raises `Unauthenticated`."""
        parts = parse_key(text)
        if parts is None:
            raise Unauthenticated
        if (known := self._keys.get(parts.prefix)) is None:
            async with self._database.reading() as session:
                key = await repository.key_of_prefix(session, parts.prefix)
                if key is None or key.revoked_at is not None:
                    raise Unauthenticated
                known = self._keys[parts.prefix] = key.secret_sha256, await _principal(session, key)
        secret_sha256, principal = known
        if not hmac.compare_digest(secret_sha256, digest(parts.secret)):
            raise Unauthenticated
        return self._live(principal)

    async def by_session(self, token: str) -> BrowserSession:
        """Whom a session's cookie stands for. Raises `Unauthenticated`."""
        token_sha256 = digest(token)
        if (known := self._sessions.get(token_sha256)) is None:
            async with self._database.reading() as session:
                row = await repository.sign_in(session, token_sha256)
                key = None if row is None or row.api_key_id is None else await repository.key(session, row.api_key_id)
                if row is None or key is None or key.revoked_at is not None:
                    raise Unauthenticated
                known = BrowserSession(await _principal(session, key), row.csrf_token, row.expires_at)
                self._sessions[token_sha256] = known
        if known.expires_at <= datetime.now(UTC):
            raise Unauthenticated
        self._live(known.principal)
        return known

    async def sign_in(self, key: Principal, before: str | None) -> NewSession:
        """Begin a session that acts as a key, and ends with it; end the browser's session of `before`, if any."""
        async with self._database.writing() as session:
            if before is not None:
                await self._end_session(session, before)
            made = await self._add_session(session, key.id, None, self._session_time)
            with acting_as(key):
                record(session, "signed-in", None, key.id)
        return made

    async def sign_in_by_email(self, email: str, before: str | None) -> NewSession:
        """Begin a session of whoever the sign-in provider knows by this verified address, as `sign_in` does.

        Raises:
            SignInFailed: nobody has a key with it, or it has not the form of `email_address`.
        """
        try:
            address = email_address(email)
        except ValueError as error:
            raise SignInFailed(f"Nobody can be known here as {email}: {error}.") from None
        async with self._database.reading() as session:
            key = await repository.key_of_email(session, address)
            principal = None if key is None or key.revoked_at is not None else await _principal(session, key)
        if principal is None:
            raise SignInFailed(f"Nobody here is known as {email}: ask an administrator for a key with this address.")
        return await self.sign_in(self._live(principal), before)

    async def sign_out(self, token: str) -> None:
        """End a session."""
        async with self._database.writing() as session:
            await self._end_session(session, token)

    async def send_away(self, memo: dict[str, Any]) -> NewSession:
        """Remember what a browser must bring back from the sign-in provider."""
        async with self._database.writing() as session:
            return await self._add_session(session, None, memo, AWAY)

    async def take_back(self, token: str) -> dict[str, Any]:
        """What was remembered of a browser, once. Raises `SignInFailed`."""
        async with self._database.writing() as session:
            row = await repository.end_sign_in(session, digest(token))
        if row is None or row.memo is None:
            raise SignInFailed("This sign-in took too long or was used before: begin again.")
        return row.memo

    async def catalogs_of(self, scope: Scope, value: UUID | str) -> set[UUID]:
        """The catalogs that a thing is in; none where there is no such thing."""
        async with self._database.reading() as session:
            return await repository.catalogs_of(session, scope, value)

    async def current(self) -> CurrentKey:
        """Who is acting, and what they may do."""
        who = acting()
        async with self._database.reading() as session:
            names = await self._catalogs.names(session, list(who.grants))
        catalogs = {name: who.grants[catalog_id] for catalog_id, name in names.items()}
        return CurrentKey(id=who.id, name=who.name, role=who.everywhere, catalogs=catalogs, expires_at=who.expires_at)

    async def create_key(self, wanted: KeyCreate) -> KeyCreated:
        """Make a key that may do no more, and no longer, than whoever makes it.

        Raises:
            CatalogNotFound, GrantTooWide, EmailTaken: see their docstrings.
        """
        maker = acting()
        text = new_key()
        async with self._database.writing() as session:
            ids = await self._catalogs.ids(session, list(wanted.catalogs))
            grants = {ids[name]: role for name, role in wanted.catalogs.items() if name in ids}
            for name in wanted.catalogs:
                if name not in ids or not maker.may(Role.INSPECTOR, ids[name]):
                    raise CatalogNotFound.named(name)
            _refuse_wider(maker, wanted, grants)
            fields = wanted.model_dump(include={"name", "role", "email", "expires_at"})
            own = {"prefix": text.prefix, "secret_sha256": digest(text.secret), "created_by": maker.name}
            try:
                key = await repository.add_key(session, fields | own, grants)
            except EmailTakenError:
                raise EmailTaken(f"Another key belongs to {wanted.email}: revoked ones count as well.") from None
            # A line for each catalog, which says nothing of the others: whoever administers one reads its lines.
            said = wanted.model_dump(mode="json", exclude={"email"})
            lines: list[tuple[UUID | None, dict[str, Any]]] = [
                (catalog_id, {"role": None, "catalogs": {name: wanted.catalogs[name]}})
                for name, catalog_id in ids.items()
            ]
            if wanted.role is not None:
                lines.append((None, {"catalogs": {}}))
            for catalog_id, own_detail in lines:
                record(session, "key-created", catalog_id, key.id, **said | own_detail)
            out = KeyCreated(**_fields(key, wanted.catalogs), key=str(text))
        self._closed = True
        return out

    async def list_keys(self, after: UUID | None, limit: int) -> Page[KeyOut]:
        """A page of the keys that whoever is acting may revoke."""
        mine = acting().catalogs(Role.ADMIN)
        async with self._database.reading() as session:
            rows, cursor = cut(await repository.keys(session, mine, after, limit), limit)
            grants = await repository.grants(session, [row.id for row in rows])
            ids = {catalog_id for held in grants.values() for catalog_id in held}
            names = await self._catalogs.names(session, list(ids))
        items = [
            KeyOut(**_fields(row, {names[catalog_id]: role for catalog_id, role in grants[row.id].items()}))
            for row in rows
        ]
        return Page(items=items, next_cursor=cursor)

    async def revoke_key(self, key_id: UUID) -> None:
        """End a key and its sessions for ever. Raises `KeyNotFound`."""
        mine = acting().catalogs(Role.ADMIN)
        async with self._database.writing() as session:
            key = await repository.key_within(session, mine, key_id)
            if key is None:
                raise KeyNotFound("There is no key with this id that you may revoke. GET /v1/keys lists them.")
            if key.revoked_at is None:
                grants = (await repository.grants(session, [key_id]))[key_id]
                await repository.revoke(session, key_id)
                for catalog_id in grants or [None]:
                    record(session, "key-revoked", catalog_id, key_id, name=key.name)
        self._keys.clear()
        self._sessions.clear()

    async def id_of_prefix(self, prefix: str) -> UUID:
        """The id of the key that begins so. Raises `KeyNotFound`."""
        async with self._database.reading() as session:
            key = await repository.key_of_prefix(session, prefix)
        if key is None:
            raise KeyNotFound(f"No key begins with {prefix}: `haja keys list` shows them.")
        return key.id

    @asynccontextmanager
    async def noting_use(self) -> AsyncIterator[None]:
        """While the block lasts, and at its end, write when keys were last used."""
        task = asyncio.create_task(self._note_always())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self._note_use()

    def _live(self, principal: Principal) -> Principal:
        now = datetime.now(UTC)
        if principal.expires_at is not None and principal.expires_at <= now:
            raise Unauthenticated
        if principal.id is not None:
            self._used[principal.id] = now
        return principal

    async def _note_always(self) -> None:
        while True:
            await asyncio.sleep(NOTE_USE_S)
            await self._note_use()

    async def _note_use(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.writing() as session:
                await repository.note_use(session, used)
        except DatabaseUnavailable:
            self._used = used | self._used

    async def _end_session(self, session: Session, token: str) -> None:
        self._sessions.pop(digest(token), None)
        row = await repository.end_sign_in(session, digest(token))
        key = None if row is None or row.api_key_id is None else await repository.key(session, row.api_key_id)
        if key is not None:
            with acting_as(await _principal(session, key)):
                record(session, "signed-out", None, key.id)

    async def _add_session(
        self, session: Session, key_id: UUID | None, memo: dict[str, Any] | None, lasts: timedelta
    ) -> NewSession:
        made = NewSession(new_token(), new_token(), key_id)
        await repository.add_sign_in(
            session,
            token_sha256=digest(made.token),
            api_key_id=key_id,
            csrf_token=made.csrf_token,
            memo=memo,
            expires_at=datetime.now(UTC) + lasts,
        )
        return made


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


async def _principal(session: Session, key: ApiKey) -> Principal:
    grants = (await repository.grants(session, [key.id]))[key.id]
    return Principal(key.id, key.name, Role(key.role) if key.role else None, grants, key.expires_at)


def _refuse_wider(maker: Principal, wanted: KeyCreate, grants: dict[UUID, Role]) -> None:
    if not all(maker.may(Role.ADMIN, catalog_id) for catalog_id in grants):
        raise GrantTooWide("Keys for a catalog are made by those who are admin in it.")
    if (wanted.role is not None or wanted.email is not None) and not maker.may(Role.ADMIN):
        raise GrantTooWide("Keys for every catalog, or for an address, are made by those who are admin in every one.")
    if maker.expires_at is not None and (wanted.expires_at is None or wanted.expires_at > maker.expires_at):
        raise GrantTooWide(f"Your key ends at {maker.expires_at:%Y-%m-%d %H:%M} UTC, and so must the ones it makes.")


def _fields(key: ApiKey, catalogs: dict[str, Role]) -> dict[str, Any]:
    names = KeyOut.model_fields.keys() - {"catalogs"}
    return {name: getattr(key, name) for name in names} | {"catalogs": catalogs}
