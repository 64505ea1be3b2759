"""What a body may take: bytes, and time to arrive."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooSlow, QueueFull, RequestTooLarge
from app.server.limits import Limits
from app.server.request_head import declared_bytes, has_body, is_form

MAX_TEXT_BYTES = 100_000
"""Largest body that is no form with photos: several times the longest description in any encoding."""

MAX_FORM_FIELDS, MAX_FORM_FIELD_BYTES = 20, 40_000
"""Of the text fields beside photos: more than any form has, and more than the longest text in any script."""

MAX_BATCH_HELD_BYTES = 64_000_000
"""Most of a batch that is in memory at a time: it is stored while it arrives."""

LINGER_S = 5
"""How long the rest of a refused body is read and thrown away, for its sender to find the answer."""


class LimitBody:
    """Counts the bytes of a body as they arrive; what Content-Length says may be a lie or missing.

    An answer that is given before the body has come ends the connection, or whoever goes on sending would be listened
    to forever. The rest of a body whose length is known and allowed is left to the server, which reads over it and
    keeps the connection: a rush is no time to open new ones.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if not has_body(scope):
            await self._app(scope, receive, send)
            return
        declared = declared_bytes(scope)
        max_bytes, max_held = self._bounds(scope)
        pace = _Pace(self._limits.body_pause_s, self._limits.body_rate)
        held = 0
        too_large = declared is not None and declared > max_bytes
        ends = declared is not None and not too_large

        async def counted() -> Message:
            nonlocal held, ends
            if too_large:
                raise _too_large(max_bytes)
            message = await pace.keep(receive)
            ends = ends or not message.get("more_body", False)
            if pace.received > max_bytes:
                raise _too_large(max_bytes)
            before, held = held, min(pace.received, max_held)
            self._held += held - before
            if self._held > self._limits.held_bytes:
                raise QueueFull
            return message

        async def answer(message: Message) -> None:
            if ends and not pace.is_lost:
                await send(message)
            elif message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
                await send(message)
            elif message.get("more_body"):
                await send(message)
            else:
                # Closed at once, the connection would be reset under a caller who still writes and has not read.
                message["more_body"] = True
                await send(message)
                await _drain(receive)
                await send({"type": "http.response.body"})

        try:
            await self._app(scope, counted, answer)
        finally:
            self._held -= held

    def _bounds(self, scope: Scope) -> tuple[int, int]:
        """Most bytes of this body, and most of them that are in memory."""
        if scope["path"].endswith("/classifications/batch"):
            return self._limits.batch_bytes, MAX_BATCH_HELD_BYTES
        most = self._limits.request_bytes
        if not is_form(scope):
            most = min(most, MAX_TEXT_BYTES)
        return most, most


class _Pace:
    """How slowly a body may come. Only time counts that was spent waiting for it: a batch is worked on in between."""

    def __init__(self, pause_s: float, min_rate: float) -> None:
        self._pause_s = pause_s
        self._min_rate = min_rate
        self._waited = 0.0
        self.received = 0
        self.is_lost = False

    async def keep(self, receive: Receive) -> Message:
        """The next message. Raises `BodyTooSlow`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        # What came quickly is a lead, but never one to fall silent on.
        lead = self.received / self._min_rate - self._waited
        try:
            async with asyncio.timeout(self._pause_s + min(0.0, lead)):
                message = await receive()
        except TimeoutError:
            self.is_lost = True
            raise BodyTooSlow from None
        self._waited += clock() - began
        self.received += len(message.get("body", b""))
        return message


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The request is larger than {max_bytes / 1e6:g} MB: send fewer or smaller photos, or less text, at a time."
    )


async def _drain(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
