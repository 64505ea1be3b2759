"""HTTP/1.1 at the socket, bounded where uvicorn trusts its callers: connections, headers, silence, answers not read."""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Literal, NoReturn

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import errors
from app.api.problems import answer_error

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


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What a request costs before there is a request, no middleware can see.

    A subclass, because uvicorn has settings for none of this but the pause between two requests: its
    `limit_concurrency` answers requests and not connections, without a problem, and limits of heads are h11's alone.
    It builds on what asyncio and httptools call, and beyond that on `cycle` and `send_400_response`.
    """

    max_connections: ClassVar[int]
    head_timeout_s: ClassVar[float]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._parsing: Literal["nothing", "head", "body"] = "nothing"
        # One at a time: who is late with a head, has no body to come.
        self._request_timer = _Timer()
        self._unread_timer = _Timer()
        self._refusal: errors.HajaError | None = None
        self._header_bytes = 0
        self._incomplete_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await a head, or refuse a connection too many."""
        super().connection_made(transport)
        if len(self.connections) > 2 * self.max_connections:
            transport.abort()  # not even places to refuse are left
        elif len(self.connections) > self.max_connections:
            self._refuse(errors.TooManyConnections())
        else:
            self._request_timer.start(self.head_timeout_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._request_timer.stop()
        self._unread_timer.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and bound what makes no progress."""
        if self._refusal is not None:
            return
        self._incomplete_bytes += len(data)
        super().data_received(data)
        if self._refusal is not None or self.transport.is_closing():
            return
        if self._incomplete_bytes > MAX_HEADER_BYTES:
            self._refuse(errors.HeadersTooLarge())
        elif not self._request_timer.is_running() and self._parsing != "body" and not self._is_answer_due():
            # The first bytes of the next request; from here on uvicorn's time for idle connections does not run.
            self._request_timer.start(self.head_timeout_s, self._head_is_late)

    def pause_writing(self) -> None:
        """The reader is slower than we are."""
        super().pause_writing()
        self._unread_timer.start(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader has taken most of what waited."""
        if not self.transport.is_closing():
            self._unread_timer.stop()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._parsing = "head"
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)
        self._incomplete_bytes = 0
        if len(self.url) > MAX_ADDRESS_BYTES:
            self._stop_parser(errors.AddressTooLong())

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after a body in chunks."""
        super().on_header(name, value)
        self._incomplete_bytes = 0
        self._header_bytes += len(name) + len(value)
        if len(self.headers) > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._stop_parser(errors.HeadersTooLarge())

    def on_headers_complete(self) -> None:
        """The head is there: the app begins."""
        if self.parser.get_http_version() not in {"1.0", "1.1"}:
            self._stop_parser(errors.BadRequest("This service speaks HTTP/1.0 and HTTP/1.1: send one of them."))
        if not _is_for_host(self.url, self.headers):
            self._stop_parser(errors.BadRequest("The address names another host than the header Host: send a path."))
        self._request_timer.stop()
        self._parsing = "body"
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._incomplete_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._request_timer.stop()
        self._parsing = "nothing"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written, which need not mean that anybody has read it, or that the request is whole."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._unread_timer.start(UNREAD_S, self.transport.abort)
        elif self._parsing == "body" and not self._is_answer_due():
            self._request_timer.start(REST_S, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing has come since the last answer."""
        if self._parsing != "body":  # else the rest of a body may come, within its own time
            super().timeout_keep_alive_handler()
            self._unread_timer.start(UNREAD_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """The parser has stopped, by itself or by us."""
        self._refuse(self._refusal or errors.BadRequest(f"This is no request that can be read: {msg}"))

    def _stop_parser(self, refusal: errors.HajaError) -> NoReturn:
        self._refusal = refusal
        raise refusal  # the way out of the parser, which ends in send_400_response

    def _is_answer_due(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_is_late(self) -> None:
        if self._parsing == "head":
            self._refuse(errors.HeadTooSlow())
        else:
            self.transport.close()  # never said a word, as connections that browsers open in advance

    def _refuse(self, refusal: errors.HajaError) -> None:
        self._refusal = refusal
        self._request_timer.stop()
        _log.info("refused", code=refusal.code, client=self.client)
        if self._is_answer_due():
            if self.cycle.response_started or self._parsing != "body":
                self.cycle.keep_alive = False  # another answer is due, and after it there is none
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        answer = answer_error(refusal)
        status = HTTPStatus(answer.status_code)
        head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n%sconnection: close\r\n\r\n%s" % (status, status.phrase.encode(), head, answer.body)
        )
        self.transport.write_eof()
        self._request_timer.start(LINGER_S, self.transport.abort)


def _is_for_host(url: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether an address in full, which is otherwise read as its path alone, says the same as the header Host."""
    _, in_full, rest = url.partition(b"://")
    if url.startswith(b"/") or not in_full:
        return True
    authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    return [authority.lower()] == [value.lower() for name, value in headers if name == b"host"]


class _Timer:
    """Calls an action after a while, unless it is stopped or started anew before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(seconds, action)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def is_running(self) -> bool:
        return self._handle is not None
