"""The quick refusal of photos while as many as can be worked on are."""

import asyncio

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import answer_error, new_request_id
from app.errors import QueueFull
from app.metrics import Metrics
from app.server.concurrency_limit import ConcurrencyLimit
from app.server.limits import Limits
from app.server.request_head import declared_bytes, expects_continue, is_form
from app.server.security_headers import PAGES, security_headers

_log = structlog.get_logger("app.requests")


class LoadShedding:
    """Refuses forms before anything else is done for them while the limit of photos is reached.

    Under a rush they are most of all requests, and what they cost is taken from those that were admitted. So the answer
    is ready but for its id, and the log has one line for all of a second. It is for bodies that come unasked, of a
    length that is known and allowed: the server reads over them and keeps the connection. The others are refused by
    `Admission`.
    """

    def __init__(
        self, app: ASGIApp, photos: ConcurrencyLimit, limits: Limits, metrics: Metrics, *, is_https: bool
    ) -> None:
        """`photos` is the limit of forms."""
        self._app = app
        self._photos = photos
        self._max_bytes = limits.request_bytes
        self._count = 0
        answer = answer_error(QueueFull())
        self._status = answer.status_code
        self._headers = [header for header in answer.raw_headers if header[0] != b"content-length"]
        self._headers += security_headers(PAGES, is_https=is_https)
        self._problem = bytes(answer.body).removesuffix(b"}")
        self._requests = metrics.requests.labels("POST", "none", self._status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if not self._photos.is_reached() or not self._is_for(scope):
            await self._app(scope, receive, send)
            return
        request_id = new_request_id().encode()
        body = b'%s,"request_id":"%s"}' % (self._problem, request_id)
        own = [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": self._status, "headers": [*self._headers, *own]})
        await send({"type": "http.response.body", "body": body})
        self._requests.inc()
        if not self._count:
            asyncio.get_running_loop().call_later(1, self._log)
        self._count += 1

    def _is_for(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or not is_form(scope) or expects_continue(scope):
            return False
        length = declared_bytes(scope)
        return length is not None and length <= self._max_bytes

    def _log(self) -> None:
        _log.warning("photos turned away", code=QueueFull.code, count=self._count)
        self._count = 0
