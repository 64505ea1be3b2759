"""What happens to every request: an id, a log line, metrics, and what a browser may do with it."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import answer_error, new_request_id
from app.errors import ForeignPage
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
        request_id = new_request_id()
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


class Protective:
    """Headers that tell browsers what an answer may do: load nothing from elsewhere, run nothing that stands in it."""

    _PAGES = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    # FastAPI writes its script into the page, and Swagger UI its pictures into the styles.
    _DOCS = (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
    )

    def __init__(self, *, is_https: bool) -> None:
        always = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"permissions-policy", b"geolocation=(self), camera=(self), microphone=()"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        if is_https:
            always.append((b"strict-transport-security", b"max-age=31536000"))
        self.of_pages = [(b"content-security-policy", self._PAGES.encode()), *always]
        self.of_docs = [(b"content-security-policy", self._DOCS.encode()), *always]


class Protect:
    """Gives every answer its protective headers, and refuses what a page of another site sends through a browser."""

    def __init__(self, app: ASGIApp, headers: Protective, docs_url: str) -> None:
        self._app = app
        self._headers = headers
        self._docs_url = docs_url

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
        headers = self._headers.of_docs if is_docs else self._headers.of_pages

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, answer)
