"""The same Idempotency-Key and body give the same answer once, however often they arrive.

The key is written in the transaction of what it protects: a crash leaves both or neither, no key stays half used, and
of two requests at the same time the second finds the first one's row and repeats its answer.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import Header, Request, Response
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from app.acting import acting
from app.api.idempotency import repository
from app.errors import HajaError
from app.storage.database import Database, SyncSession

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Chosen by the caller, kept for 30 days: the same key and content have their effect only once.",
    ),
]


class IdempotencyKeyReused(HajaError):
    """The key was used before, with another content."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency-key-reused"


class Guard(Protocol):
    """What sees to it that an effect happens once: part of the transaction of the effect."""

    def claim(self, session: SyncSession) -> None:
        """First thing in the transaction; it raises where the effect is there already."""
        ...

    def keep(self, session: SyncSession, answer: BaseModel) -> None:
        """Last thing in the transaction."""
        ...


class Once:
    """One request under its key; without a key, every call does nothing."""

    def __init__(
        self, database: Database, key: str | None, fingerprint: str, status: HTTPStatus = HTTPStatus.CREATED
    ) -> None:
        self._database = database
        self._key = key and _own(key)
        self._fingerprint = fingerprint
        self._status = status

    def claim(self, session: SyncSession) -> None:
        """First thing in the transaction of the effect. Raises `KeyTakenError` where another was quicker."""
        if self._key is not None:
            repository.claim(session, self._key, self._fingerprint)

    def keep(self, session: SyncSession, answer: BaseModel) -> None:
        """Last thing in the transaction of the effect."""
        if self._key is not None:
            repository.keep(session, self._key, answer.model_dump_json().encode())

    async def respond(self, action: Callable[[], Awaitable[BaseModel]]) -> Response:
        """Do `action` and answer it with the status of success, or repeat the answer that this key got before.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
        """
        if (earlier := await self._recall()) is not None:
            return earlier
        try:
            answer = await action()
        except (repository.KeyTakenError, HajaError):
            # The same request may have been quicker elsewhere, and its effect is what this one ran into.
            if (earlier := await self._recall()) is None:
                raise
            return earlier
        return self._response(answer.model_dump_json().encode())

    async def _recall(self) -> Response | None:
        if self._key is None:
            return None
        async with self._database.reading() as session:
            row = await repository.find(session, self._key)
        if row is None:
            return None
        if row.fingerprint != self._fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request: choose a new one for each new request."
            )
        return self._response(row.answer, {"Idempotency-Replayed": "true"})

    def _response(self, answer: bytes, headers: dict[str, str] | None = None) -> Response:
        return Response(answer, self._status, headers, "application/json")


async def once(request: Request, key: str | None, *content: BaseModel | UploadFile | Sequence[UploadFile]) -> Once:
    """Bind a request's key to what it asks for: its address and its parsed content.

    The parsed content and not the bytes of the body, because a client that repeats a multipart request chooses
    another boundary each time.
    """
    database: Database = request.app.state.database
    if key is None:
        return Once(database, None, "")
    parts = address_of(request)
    for item in content:
        if isinstance(item, BaseModel):
            parts.append(item.model_dump(mode="json"))
        elif isinstance(item, UploadFile):
            parts.append(await _describe(item))
        else:
            parts.append([await _describe(upload) for upload in item])
    return Once(database, key, fingerprint(parts))


def address_of(request: Request) -> list[Any]:
    """What of a request's key is bound to its address."""
    return [request.method, request.url.path, request.url.query]


def _own(key: str) -> str:
    """The key as it is stored: two callers who choose the same one do not meet."""
    who = acting().id
    return key if who is None else hashlib.sha256(f"{who} {key}".encode()).hexdigest()


def fingerprint(parts: list[Any]) -> str:
    """What a key is bound to."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def _describe(upload: UploadFile) -> list[str | None]:
    digest = await asyncio.to_thread(hashlib.sha256, await upload.read())
    await upload.seek(0)
    return [upload.filename, digest.hexdigest()]
