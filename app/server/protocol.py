"""HTTP/1.1 at the socket, bounded where uvicorn trusts its callers: connections, headers, silence, answers not read."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, NoReturn

import httptools
import structlog
from starlette.types import ASGIApp, Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.problems import answer_error
from app.errors import AddressTooLong, BadRequest, HajaError, HeadersTooLarge, HeadTooSlow, TooManyConnections
from app.server.request_head import declared_bytes

MAX_ADDRESS_BYTES = 8_192
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32_768
"""Of all headers together; also the most that may come without completing anything, such as one endless header."""

REST_S = 60
"""For the rest of a body that was answered before it had come."""

UNREAD_S = 60
"""How long an answer may wait for its reader to take the next piece of it."""

LINGER_S = 2
"""After a refusal: at once, its answer would be lost under a caller who still sends."""

_log = structlog.get_logger("app.requests")

_BODY_BYTES = 1 << 18
"""Read at a time of a body."""

_HEAD_BYTES = 1 << 14
"""Read at a time where a head is due. What comes with it of a body that nobody wants is left in the kernel."""

_NOWHERE = bytearray(1 << 20)
"""Where bytes go that nobody reads, those of all connections."""

_UNREAD = socket.MSG_TRUNC if sys.platform == "linux" else 0
"""With it Linux forgets them where they are, in the kernel, at a fifth of what it costs to copy them out."""


class _Desk(threading.local):
    """Where what comes is parsed, on all connections of an event loop one after the other."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_BODY_BYTES))


_DESK = _Desk()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What a request costs before there is a request, no middleware can see."""

    max_connections: ClassVar[int]
    head_timeout_s: ClassVar[float]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # One at a time: who is late with a head, has no body to come.
        self._timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._in_parser = False
        self._in_head = False
        self._in_body = False
        self._refusal: HajaError | None = None
        self._header_bytes = 0
        self._incomplete_bytes = 0
        self._missing = 0
        """Bytes of the body that have not come, where its length was said."""
        self._rest: _Rest | None = None

    def wanted(self) -> int:
        """How many bytes to read next, at most."""
        return _BODY_BYTES if self._in_body else _HEAD_BYTES

    # What the transport tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await a head, or refuse a connection too many."""
        super().connection_made(transport)
        transport.set_protocol(_Reading(self))
        if len(self.connections) > 2 * self.max_connections:
            transport.abort()  # not even places to refuse are left
        elif len(self.connections) > self.max_connections:
            self._refuse(TooManyConnections())
        else:
            self._start_timer(self.head_timeout_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        self._stop_unread_timer()
        if self._rest is not None:
            self._rest.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and bound what makes no progress."""
        if self._refusal is not None:
            return
        self._incomplete_bytes += len(data)
        self._in_parser = True
        super().data_received(data)
        self._in_parser = False
        if self._refusal is not None or self.transport.is_closing():
            return
        if self._incomplete_bytes > MAX_HEADER_BYTES:
            self._refuse(HeadersTooLarge())
        elif self._timer is None and not self._in_body and (self.cycle is None or self.cycle.response_complete):
            # The first bytes of the next request; from here on uvicorn's time for idle connections does not run.
            self._start_timer(self.head_timeout_s, self._head_is_late)
        elif self._in_body and self.cycle.response_complete and self._rest is None:
            self._throw_rest_away()

    def pause_writing(self) -> None:
        """The reader is slower than we are."""
        super().pause_writing()
        self._start_unread_timer()

    def resume_writing(self) -> None:
        """The reader has taken most of what waited."""
        self._stop_unread_timer()
        super().resume_writing()

    # What the parser tells

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)
        self._incomplete_bytes = 0
        if len(self.url) > MAX_ADDRESS_BYTES:
            self._stop(AddressTooLong())

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after a body in chunks."""
        super().on_header(name, value)
        self._incomplete_bytes = 0
        self._header_bytes += len(name) + len(value)
        if len(self.headers) > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._stop(HeadersTooLarge())

    def on_headers_complete(self) -> None:
        """The head is there: the app begins."""
        self._stop_timer()
        self._incomplete_bytes = 0
        self._in_head, self._in_body = False, True
        self._missing = declared_bytes(self.scope) or 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._incomplete_bytes = 0
        self._missing -= len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """The next chunk of a body begins."""
        self._incomplete_bytes = 0

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stop_timer()
        self._incomplete_bytes = 0
        self._in_body = False
        super().on_message_complete()

    # What uvicorn does when a request's turn has come

    def at_once(self, scope: Scope) -> ASGIApp | None:
        """What answers this request in the app's place, without waiting for anything, its body included."""
        raise NotImplementedError

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        brief = None if self.flow.write_paused else self.at_once(cycle.scope)  # type: ignore[arg-type]
        if brief is None:
            super()._start_asgi_task(cycle, app)
            return
        # No task, and nothing that comes with the head is kept for a reader who does not exist.
        with suppress(StopIteration):
            cycle.run_asgi(brief).send(None)  # type: ignore[arg-type]

    # What the app and uvicorn's timer tell

    def on_response_complete(self) -> None:
        """The answer is written, which need not mean that anybody has read it, or that the request is whole."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_unread_timer()
        elif self._in_body and self.cycle.response_complete:
            self._start_timer(REST_S, self.transport.abort)
            if not self._in_parser:
                self._throw_rest_away()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing has come since the last answer."""
        super().timeout_keep_alive_handler()
        self._start_unread_timer()

    def send_400_response(self, msg: str) -> None:
        """The parser has stopped, by itself or by us."""
        self._refuse(self._refusal or BadRequest(f"This is no request that can be read: {msg}"))

    # The rest of a body that was answered before it had come

    def _throw_rest_away(self) -> None:
        if self._missing <= 0:
            return  # in chunks: nobody knows how much it is
        try:
            self._rest = _Rest(self.loop, self.transport, self._missing, self._rest_is_whole)
        except OSError:
            return  # no descriptor is left: the parser reads over it, at its price
        self.flow.pause_reading()
        self._unset_keepalive_if_required()  # the caller is not idle

    def _rest_is_whole(self) -> None:
        self._rest = None
        self.parser = httptools.HttpRequestParser(self)  # the other one still waits for that body
        self.flow.resume_reading()
        self.on_message_complete()
        self._start_timer(self.head_timeout_s, self._head_is_late)

    def _stop(self, refusal: HajaError) -> NoReturn:
        self._refusal = refusal
        raise refusal  # the way out of the parser, which ends in send_400_response

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse(HeadTooSlow())
        else:
            self.transport.close()  # never said a word, as connections that browsers open in advance

    def _refuse(self, refusal: HajaError) -> None:
        self._refusal = refusal
        self._stop_timer()
        _log.info("refused", code=refusal.code, client=self.client)
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or not self._in_body:
                self.cycle.keep_alive = False  # another answer is due, and after it there is none
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        answer = answer_error(refusal)
        head = [STATUS_LINE[answer.status_code], *(b"%s: %s\r\n" % header for header in answer.raw_headers)]
        self.transport.write(b"".join([*head, b"connection: close\r\n\r\n", bytes(answer.body)]))
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    def _start_timer(self, seconds: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_unread_timer(self) -> None:
        self._stop_unread_timer()
        self._unread_timer = self.loop.call_later(UNREAD_S, self.transport.abort)

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


class _Reading(asyncio.BufferedProtocol):
    """Reads for a connection, without a copy of its own and no more at a time than is wanted."""

    def __init__(self, connection: BoundedProtocol) -> None:
        self._connection = connection
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - a wish of the transport
        """Where to."""
        return _DESK.view[: self._connection.wanted()]

    def buffer_updated(self, nbytes: int) -> None:
        """Something has come."""
        self._connection.data_received(_DESK.view[:nbytes])  # type: ignore[arg-type]


class _Rest:
    """Throws the rest of a body away as it comes.

    Under a rush that is most of what comes, and a parser would take each byte into its hands three times.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        missing: int,
        on_whole: Callable[[], None],
    ) -> None:
        """`transport` must not read until `on_whole` is called. Raises OSError: no descriptor is left."""
        self._loop = loop
        self._transport = transport
        self._missing = missing
        self._on_whole = on_whole
        theirs = transport.get_extra_info("socket")
        # A descriptor of our own, since from a transport's the loop lets nobody else read.
        self._socket = socket.fromfd(theirs.fileno(), theirs.family, theirs.type)
        self._await(missing)
        loop.add_reader(self._socket, self._throw_away)

    def stop(self) -> None:
        """Read no more."""
        if self._socket.fileno() >= 0:
            self._await(1)  # what the next reader of this connection awaits
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _await(self, size: int) -> None:
        """Be woken when as much has come, or what fits: each waking costs more than what it throws away."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(size, len(_NOWHERE)))

    def _throw_away(self) -> None:
        try:
            # No more than the rest, since what follows it is the next request.
            size = self._socket.recv_into(_NOWHERE, min(self._missing, len(_NOWHERE)), _UNREAD)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        self._missing -= size
        if size and self._missing:
            self._await(self._missing)
            return
        self.stop()
        if size:
            self._on_whole()
        else:
            self._transport.close()  # the caller is gone
