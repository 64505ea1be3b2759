"""What happens to every request: an id, a log line, metrics, and what a browser may do with its answer."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import answer_unexpected, new_request_id
from app.metrics import Metrics
from app.server.request_head import OPERATIONS
from app.server.security_headers import DOCS, PAGES, security_headers

_log = structlog.get_logger("app.requests")

_NO_STORE = [(b"cache-control", b"no-store")]


class RequestContext:
    """Gives a request its id and its answer the headers of all, and says in log and metrics how it went."""

    def __init__(self, app: ASGIApp, metrics: Metrics, docs_url: str, *, is_https: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._docs_url = docs_url
        self._is_https = is_https
        self._of_pages = security_headers(PAGES, is_https=is_https)
        self._of_docs = security_headers(DOCS, is_https=is_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._is_https:
            scope["scheme"] = "https"  # a proxy speaks it, and may not say so
        request_id = new_request_id()
        # Never unbound: each request is a task with a context of its own, and what the server logs of an unexpected
        # error it logs after this has ended.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        path = scope["path"]
        is_docs = path == self._docs_url or path.startswith(f"{self._docs_url}/")
        headers = [*(self._of_docs if is_docs else self._of_pages), (b"x-request-id", request_id.encode())]
        started = time.perf_counter()
        status = None

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message["headers"])
                # What says nothing of it is for this caller and this moment.
                is_silent = all(name != b"cache-control" for name, _ in own)
                message["headers"] = own + headers + (_NO_STORE if is_silent else [])
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            _log.error("unexpected error", exc_info=error)
            if status is None:
                await answer_unexpected()(scope, receive, answer)
            raise  # so that the server ends the connection
        finally:
            self._record(scope, status or 500, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's pattern, not the address: ids would give every request a time series of its own.
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.request_seconds.labels(scope["method"], route).observe(seconds)
        log = _log.debug if scope["path"] in OPERATIONS else _log.info
        log("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1))
