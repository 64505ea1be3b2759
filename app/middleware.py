"""What happens to every request: an id, a bound on its body, a log line, metrics, and what a browser may do with it."""

import asyncio
import time
import uuid
from contextlib import suppress

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ForeignPage, QueueFull, RequestTooLarge, answer_error
from app.metrics import Metrics

_log = structlog.get_logger("app.requests")
_QUIET = {"/livez", "/readyz", "/metrics"}


class Observe:
    """Gives a request its id, and says in log and metrics how it went."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex[:16]
        # Never unbound: each request is a task with a context of its own, and what Starlette answers to an unexpected
        # error it answers after this has ended.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's pattern, not the address: ids would give every request a time series of its own.
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.request_seconds.labels(scope["method"], route).observe(seconds)
        log = _log.debug if scope["path"] in _QUIET else _log.info
        log("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1))


class Protect:
    """Tells browsers what the answers may do: load nothing from elsewhere, run nothing that stands in a page.

    And refuses what a page of another site sends through a visitor's browser.
    """

    _PAGES = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    # FastAPI writes its script into the page, and Swagger UI its pictures into the styles.
    _DOCS = (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
    )

    def __init__(self, app: ASGIApp, docs_url: str, *, is_https: bool) -> None:
        self._app = app
        self._docs_url = docs_url
        self._always = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"permissions-policy", b"geolocation=(self), camera=(self), microphone=()"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        if is_https:
            self._always.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Browsers say from where a request comes, and no page can say otherwise; programs say nothing.
        origin = dict(scope["headers"]).get(b"sec-fetch-site", b"none")
        if scope["method"] not in {"GET", "HEAD"} and origin not in {b"same-origin", b"none"}:
            refusal = ForeignPage(
                "A page of another site sent this request, so nothing was done: use Haja's own pages."
            )
            await answer_error(refusal)(scope, receive, send)
            return
        path = scope["path"]
        is_docs = path == self._docs_url or path.startswith(f"{self._docs_url}/")
        headers = [(b"content-security-policy", (self._DOCS if is_docs else self._PAGES).encode()), *self._always]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, answer)


LINGER_S = 5
"""How long the rest of a refused body is read and thrown away, for its sender to find the answer."""


class LimitBody:
    """Counts the bytes of a body as they arrive; what Content-Length says may be a lie or missing.

    An answer that is given before the body has come ends the connection, or whoever goes on sending would be listened
    to forever. The rest of a body whose length is known and allowed is left to the server, which reads over it at a
    fraction of the cost and keeps the connection: a rush is no time to open new ones.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_batch_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_batch_bytes = max_batch_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        declared = headers.get(b"content-length", b"")
        # A batch is never in memory as a whole.
        max_bytes = self._max_batch_bytes if scope["path"].endswith("/classifications/batch") else self._max_bytes
        received = 0
        too_large = declared.isdigit() and int(declared) > max_bytes
        ends = declared.isdigit() and not too_large

        async def counted() -> Message:
            nonlocal received, ends
            if too_large:
                raise _too_large(max_bytes)
            message = await receive()
            received += len(message.get("body", b""))
            ends = ends or not message.get("more_body", False)
            if received > max_bytes:
                raise _too_large(max_bytes)
            return message

        async def answer(message: Message) -> None:
            if ends:
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

        await self._app(scope, counted, answer)


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The request is larger than {max_bytes / 1e6:.0f} MB: send fewer or smaller photos at a time."
    )


async def _drain(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass


class Door:
    """Turns forms away before their photos are read, when as many as can be served are in the house.

    Read first and refused later, they would cost under a rush what those inside need.
    """

    def __init__(self, app: ASGIApp, places: int) -> None:
        self._app = app
        self._places = places
        # Who arrives slowly, over a bad line, must not keep the others out while nothing is in work.
        self._places_to_arrive = places // 4
        self._arriving = 0
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        if not headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
            await self._app(scope, receive, send)
            return
        arriving = inside = False

        async def admitted() -> Message:
            nonlocal arriving, inside
            if not arriving and not inside:
                if self._inside + min(self._arriving, self._places_to_arrive) >= self._places:
                    raise QueueFull
                arriving = True
                self._arriving += 1
            message = await receive()
            if arriving and not message.get("more_body", False):
                arriving, inside = False, True
                self._arriving -= 1
                self._inside += 1
            return message

        try:
            await self._app(scope, admitted, send)
        finally:
            self._arriving -= arriving
            self._inside -= inside
