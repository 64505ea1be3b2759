"""Which requests are worked on, and for how long."""

import asyncio
import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import answer_error
from app.errors import DeadlineExceeded, HajaError, ServiceBusy
from app.server.concurrency_limit import ConcurrencyLimit
from app.server.limits import Limits
from app.server.request_head import OPERATIONS, has_body, is_form, media_type


class Admission:
    """Admits a request while fewer than a limit are worked on, and gives it up when the work on it takes too long.

    A form is refused before its photos are read: read first and refused later, under a rush they would cost what those
    need that were admitted. Waiting for the caller is no work: how slowly a body may come is `LimitBody`'s, and an
    answer that has begun may take as long as it is read. So the photos of a batch and of a report have this time each.
    """

    def __init__(self, app: ASGIApp, photos: ConcurrencyLimit, limits: Limits) -> None:
        """`photos` is the limit of forms."""
        self._app = app
        self._photos = photos
        self._others = ConcurrencyLimit(limits.requests, ServiceBusy)
        # Operators ask most when the service can do least.
        self._operations = ConcurrencyLimit(sys.maxsize, ServiceBusy)
        self._work_s = limits.work_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope)
        work = _Work(limit, self._work_s, scope, receive, send)
        try:
            # A form is held from when it is read, if ever; anything else may be work whatever it says of a body.
            if limit is self._photos:
                limit.require_free()
            else:
                limit.hold(work, is_whole=True)
        except HajaError as refusal:
            await answer_error(refusal)(scope, receive, send)
            return
        await work.run(self._app)

    def _limit_of(self, scope: Scope) -> ConcurrencyLimit:
        if scope["path"] in OPERATIONS:
            return self._operations
        return self._photos if is_form(scope) else self._others


class _Work:
    """The work on one request: counted by a limit, and timed while the caller is not waited for."""

    def __init__(self, limit: ConcurrencyLimit, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        self._limit = limit
        self._seconds = seconds
        self._scope = scope
        self._receive = receive
        self._send = send
        self._timeout = asyncio.timeout(seconds)
        self._is_whole = not has_body(scope)
        self._is_answered = False

    async def run(self, app: ASGIApp) -> None:
        """Let `app` do it."""
        try:
            async with self._timeout:
                await app(self._scope, self._receive_counted, self._answer)
        except TimeoutError:
            if self._is_answered or not self._timeout.expired():
                raise
            await answer_error(DeadlineExceeded())(self._scope, self._receive, self._send)
        finally:
            self._limit.release(self)

    async def _receive_counted(self) -> Message:
        if not self._is_whole:
            self._limit.hold(self, is_whole=False)
        self._give_up_at(None)
        try:
            message = await self._receive()
        finally:
            if not self._is_answered:
                self._give_up_at(asyncio.get_running_loop().time() + self._seconds)
        if not self._is_whole and not message.get("more_body", False):
            self._is_whole = True
            self._limit.hold(self, is_whole=True)
        return message

    async def _answer(self, message: Message) -> None:
        self._is_answered = True
        self._give_up_at(None)
        # Who follows a job may do so for hours, and has a limit of its own.
        if message["type"] == "http.response.start" and media_type(message).startswith(b"text/event-stream"):
            self._limit.release(self)
        await self._send(message)

    def _give_up_at(self, when: float | None) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(when)
