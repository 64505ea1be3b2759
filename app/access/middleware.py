"""Asks every request who sends it, before its body is read: closed is the rule, and what is public stands here."""

import hmac
from functools import partial
from urllib.parse import urlencode

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.cookies import Cookies
from app.access.foreign_pages import refuse_foreign_page
from app.access.rates import count
from app.access.reached import host_of, require_this_machine
from app.access.service import AccessService
from app.access.sign_in_tries import SignInTries
from app.acting import OPEN, STRANGER, Principal, acting_as
from app.api.problems import answer_error
from app.errors import CsrfTokenInvalid, HajaError, TooManyRequests, Unauthenticated

PUBLIC = {
    "/livez",
    "/readyz",
    "/sign-in",
    "/sign-in/provider",
    "/sign-in/provider/back",
    "/choose",
    "/offline",
    "/manifest.webmanifest",
    "/service-worker.js",
}
"""Neither photos nor answers nor names stand here."""

PUBLIC_FOLDER = "/static/"
_READS = {"GET", "HEAD", "OPTIONS"}


class Authenticate:
    """Finds out who acts, by an API key or a session's cookie, and counts the requests of a key."""

    def __init__(
        self, app: ASGIApp, cookies: Cookies, tries: SignInTries, per_minute: int, public_url: str | None
    ) -> None:
        self._app = app
        self._cookies = cookies
        self._tries = tries
        self._public_url = public_url
        self._per_minute = per_minute
        self._limit = RateLimitItemPerMinute(per_minute)
        self._counts = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access: AccessService = scope["app"].state.access_service
        headers = Headers(scope=scope)
        try:
            host_of(scope)
            refuse_foreign_page(scope, headers, self._public_url)
            principal = await self._who(access, scope, headers)
            _refuse_page_of_another(headers, principal)
            if principal.id is not None:
                await self._count(principal)
        except HajaError as error:
            asks_to_sign_in = isinstance(error, Unauthenticated) and _is_page(scope, headers)
            await (_to_sign_in(scope) if asks_to_sign_in else answer_error(error))(scope, receive, send)
            return
        scope.setdefault("state", {})["ask_again"] = partial(self._who, access, scope, headers)
        with acting_as(principal):
            await self._app(scope, receive, send)

    async def _who(self, access: AccessService, scope: Scope, headers: Headers) -> Principal:
        path = scope["path"]
        if path in PUBLIC or path.startswith(PUBLIC_FOLDER):
            return STRANGER  # without a look into the database: `/livez` answers when it is gone
        if await access.is_open():
            require_this_machine(scope)
            return OPEN
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            try:
                return await access.by_key(text.strip())
            except Unauthenticated:
                self._tries.fail(scope, "key")
                raise
        token = cookie_parser(headers.get("cookie", "")).get(self._cookies.session)
        if token is None:
            raise Unauthenticated
        session = await access.by_session(token)
        sent = headers.get("x-csrf-token", "").encode()
        if scope["method"] not in _READS and not hmac.compare_digest(sent, session.csrf_token.encode()):
            raise CsrfTokenInvalid
        return session.principal

    async def _count(self, principal: Principal) -> None:
        if wait_s := await count(self._counts, self._limit, str(principal.id)):
            raise TooManyRequests(self._per_minute, wait_s)


def _refuse_page_of_another(headers: Headers, principal: Principal) -> None:
    # Tabs share their cookies: a page of whoever was signed in before acts for nobody else.
    owner = headers.get("x-haja-owner")
    if owner is not None and owner != str(principal.id or ""):
        raise CsrfTokenInvalid("The page that sent this is somebody else's, so nothing was done: load the page again.")


def _to_sign_in(scope: Scope) -> RedirectResponse:
    there = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    return RedirectResponse(f"/sign-in?{urlencode({'then': there})}", 303)


def _is_page(scope: Scope, headers: Headers) -> bool:
    return (
        scope["method"] == "GET"
        and not scope["path"].startswith("/v1/")
        and "text/html" in headers.get("accept", "")
        and "authorization" not in headers
    )
