"""What a body may take: bytes, and time to arrive."""

import asyncio
from contextlib import ExitStack, suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.acting import acting
from app.api.uploads import BodyKind, body_kind
from app.errors import BodyTooSlow, QueueFull, RequestTooLarge
from app.server.arriving_form import ArrivingForm
from app.server.limits import Limits
from app.server.request_head import declared_bytes, expects_continue, has_body, is_form
from app.server.shares import Holding, Shares

MAX_TEXT_BYTES = 100_000
"""Largest body that is no form with photos: several times the longest description in any encoding."""

MAX_FORM_FIELDS, MAX_FORM_FIELD_BYTES = 20, 40_000
"""Of the text fields beside photos: more than any form has, and more than the longest text in any script."""

LINGER_S = 5
"""How long the rest of a refused body is read and thrown away, for its sender to find the answer."""


class LimitBody:
    """Counts the bytes of a body as they arrive; what Content-Length says may be a lie or missing.

    Large ones are for routes that take photos, and no caller holds more than a share of what all may hold. Both are
    decided when the body is asked for: by then it is known what is asked, and by whom.

    An answer that is given before the body has come ends the connection, or whoever goes on sending would be listened
    to forever. The rest of a body that comes, and whose length is known and allowed, is left to the server, which reads
    over it and keeps the connection: a rush is no time to open new ones.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._held = Shares(limits.held_bytes, limits.held_bytes)
        self._form_memory = Shares(limits.held_bytes, limits.form_memory_bytes)
        self._batch_memory = Shares(limits.held_bytes, limits.batch_memory_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if not has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._limits, self._held, self._form_memory, self._batch_memory)

        async def answer(message: Message) -> None:
            if body.is_end_known():
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

        with body.holdings:
            await self._app(scope, body.receive, answer)


class _Body:
    """One body, and what is held for it until it is answered, in `holdings`."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        limits: Limits,
        held: Shares,
        form_memory: Shares,
        batch_memory: Shares,
    ) -> None:
        self.holdings = ExitStack()
        self._scope = scope
        self._receive = receive
        self._limits = limits
        self._shares = held, form_memory, batch_memory
        self._declared = declared_bytes(scope)
        self._pace = _Pace(limits.body_pause_s, limits.body_rate)
        self._is_begun = False
        self._is_read = False
        self._is_whole = False
        self._held: Holding | None = None
        self._form: ArrivingForm | None = None

    def is_end_known(self) -> bool:
        """Whether the server will find where the next request begins."""
        if self._is_whole or self._declared is None or self._pace.is_lost:
            return self._is_whole
        if not self._is_read and expects_continue(self._scope):
            return False  # its sender may go on with another request instead
        # What nobody has asked for is not kept, whatever is asked.
        most = self._limits.request_bytes if is_form(self._scope) and not self._is_begun else 0
        return self._declared <= max(most, self._max_bytes())

    async def receive(self) -> Message:
        """The next message.

        Raises:
            RequestTooLarge, BodyTooSlow: see their docstrings.
            QueueFull: the caller holds too much already.
        """
        if not self._is_begun:
            self._is_begun = True
            await self._begin()
        if self._form is not None and (message := await self._form.next()) is not None:
            return message
        return await self._receive() if self._is_whole else await self._arrive()

    async def _begin(self) -> None:
        if self._declared is not None and self._declared > self._max_bytes():
            raise _too_large(self._max_bytes())
        # A session acts as its key. Who needs neither is told apart by the address he comes from.
        caller = acting().id or (self._scope.get("client") or ("",))[0]
        held, form_memory, batch_memory = (self.holdings.enter_context(shares.of(caller)) for shares in self._shares)
        kind = self._kind()
        if kind is BodyKind.BATCH:
            # At once: refused later, a thousand photos would have been sent for nothing.
            most = min(self._declared or self._limits.batch_memory_bytes, self._limits.batch_memory_bytes)
            if not (held.take(most) and batch_memory.take(most)):
                raise QueueFull
            return
        self._held = held
        if kind is BodyKind.FORM:
            # What is between its socket and its file takes memory too.
            most = self._limits.form_begun_bytes
            self._hold(min(most if self._declared is None else self._declared, most))
            self._form = await self._whole_form(form_memory)

    async def _whole_form(self, memory: Holding) -> ArrivingForm | None:
        form = self.holdings.enter_context(ArrivingForm(memory))
        while not self._is_whole:
            message = await self._arrive()
            if message["type"] != "http.request":
                return None  # he has hung up, and the server will say so again
            await form.add(message.get("body", b""))
        return form

    async def _arrive(self) -> Message:
        self._is_read = True
        message = await self._pace.keep(self._receive)
        self._is_whole = message["type"] == "http.request" and not message.get("more_body", False)
        if self._pace.received > self._max_bytes():
            raise _too_large(self._max_bytes())
        self._hold(self._pace.received)
        return message

    def _hold(self, count: int) -> None:
        """Hold so many bytes, unless as many are held already."""
        if self._held is not None and not self._held.take(max(0, count - self._held.count)):
            raise QueueFull

    def _kind(self) -> BodyKind:
        return body_kind(self._scope.get("route")) if is_form(self._scope) else BodyKind.TEXT

    def _max_bytes(self) -> int:
        kind = self._kind()
        if kind is BodyKind.BATCH:
            return self._limits.batch_bytes
        return self._limits.request_bytes if kind is BodyKind.FORM else min(MAX_TEXT_BYTES, self._limits.request_bytes)


class _Pace:
    """How slowly a body may come. Only time counts that was spent waiting for it: a batch is worked on in between."""

    def __init__(self, pause_s: float, min_rate: float) -> None:
        self._pause_s = pause_s
        self._min_rate = min_rate
        self._lead_s = 0.0
        self.received = 0
        self.is_lost = False

    async def keep(self, receive: Receive) -> Message:
        """The next message. Raises `BodyTooSlow`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            # What came quickly is a lead, but never one to fall silent on.
            async with asyncio.timeout(self._pause_s + min(0.0, self._lead_s)):
                message = await receive()
        except TimeoutError:
            self.is_lost = True
            raise BodyTooSlow from None
        count = len(message.get("body", b""))
        self.received += count
        # A lead of as long as a pause evens out a bad line; a longer one would pay for hours of next to nothing.
        self._lead_s = min(self._pause_s, self._lead_s + count / self._min_rate - (clock() - began))
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
