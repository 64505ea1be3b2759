"""Who is let into the house, and how those are turned away for whom there is no place."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import answer_error, new_request_id
from app.errors import HajaError, QueueFull
from app.metrics import Metrics
from app.server.request_head import declared_bytes, has_body, is_form, media_type

_OPERATIONS = {"/livez", "/readyz", "/metrics"}

_log = structlog.get_logger("app.requests")


class Room:
    """So many visitors at a time."""

    def __init__(self, places: int, refusal: Callable[[], HajaError]) -> None:
        self._places = places
        # Who arrives slowly, over a bad line, must not keep the others out while nothing is in work.
        self._places_to_arrive = places // 4
        self._refusal = refusal
        self._arriving: set[object] = set()
        self._inside: set[object] = set()

    def arrive(self, visitor: object) -> None:
        """Come in, or wait for the rest of what one brings. Raises the refusal where the room is full."""
        if visitor not in self._arriving and visitor not in self._inside:
            self.require_place()
        self._inside.discard(visitor)
        self._arriving.add(visitor)

    def settle(self, visitor: object) -> None:
        """Have arrived whole."""
        self._arriving.discard(visitor)
        self._inside.add(visitor)

    def leave(self, visitor: object) -> None:
        """Be in the room no more, or never have been."""
        self._arriving.discard(visitor)
        self._inside.discard(visitor)

    def require_place(self) -> None:
        """Raises the refusal where the room is full."""
        if self.is_full():
            raise self._refusal()

    def is_full(self) -> bool:
        """Whether nobody can come in."""
        return len(self._inside) + min(len(self._arriving), self._places_to_arrive) >= self._places


class Door:
    """Turns requests away, forms before their photos are read, when as many as can be served are in the house.

    Read first and refused later, they would cost under a rush what those inside need.
    """

    def __init__(self, app: ASGIApp, photos: Room, others: Room) -> None:
        self._app = app
        self._photos = photos
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if scope["type"] != "http" or scope["path"] in _OPERATIONS:
            await self._app(scope, receive, send)
            return
        of_photos = is_form(scope)
        room = self._photos if of_photos else self._others
        visitor = object()
        whole = not has_body(scope)

        async def admitted() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            room.arrive(visitor)
            message = await receive()
            whole = not message.get("more_body", False)
            if whole:
                room.settle(visitor)
            return message

        async def answer(message: Message) -> None:
            # Who follows a job may do so for hours, and has places of their own.
            if message["type"] == "http.response.start" and media_type(message).startswith(b"text/event-stream"):
                room.leave(visitor)
            await send(message)

        try:
            # A form takes its place when it is read, if ever; anything else may be work whatever it says of a body.
            if of_photos:
                room.require_place()
            else:
                room.arrive(visitor)
                room.settle(visitor)
        except HajaError as refusal:
            await answer_error(refusal)(scope, receive, send)
            return
        try:
            await self._app(scope, admitted, answer)
        finally:
            room.leave(visitor)


class FullHouse:
    """Answers in the app's place those who bring photos for which there is no place.

    Under a rush they are most of all requests, and what they cost is taken from those inside. So nothing else is done
    for them: the answer is ready but for its id, and the log has one line for all of a second. It is for bodies of a
    length that is known and allowed, which the server throws away and keeps the connection; the others are turned away
    at the door.
    """

    def __init__(self, photos: Room, max_bytes: int, headers: Sequence[tuple[bytes, bytes]], metrics: Metrics) -> None:
        """`headers` are those that every answer has."""
        self._photos = photos
        self._max_bytes = max_bytes
        self._count = 0
        answer = answer_error(QueueFull())
        self._status = answer.status_code
        self._headers = [*((name, value) for name, value in answer.raw_headers if name != b"content-length"), *headers]
        self._problem = bytes(answer.body).removesuffix(b"}")
        self._requests = metrics.requests.labels("POST", "none", self._status)

    def turns_away(self, scope: Scope) -> bool:
        """Whether there is no place for what this request brings."""
        return self._photos.is_full() and scope["method"] == "POST" and is_form(scope) and self._is_known(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - an ASGI app
        """Say so. Awaits nothing but the sending."""
        request_id = new_request_id().encode()
        body = b'%s,"request_id":"%s"}' % (self._problem, request_id)
        own = [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": self._status, "headers": [*self._headers, *own]})
        await send({"type": "http.response.body", "body": body})
        self._requests.inc()
        self._note()

    def _is_known(self, scope: Scope) -> bool:
        length = declared_bytes(scope)
        return length is not None and length <= self._max_bytes

    def _note(self) -> None:
        if not self._count:
            asyncio.get_running_loop().call_later(1, self._log)
        self._count += 1

    def _log(self) -> None:
        _log.warning("photos turned away", code=QueueFull.code, count=self._count)
        self._count = 0
