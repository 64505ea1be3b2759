"""Signing in to the pages and out: with an API key, or at a sign-in provider."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.access.cookies import Cookies
from app.access.endpoints import Access
from app.access.errors import SignInFailed
from app.access.service import NewSession
from app.access.sign_in_tries import SignInTries
from app.errors import Unauthenticated
from app.web.endpoints import PageRoute, forget_choice, pages_of
from app.web.own_address import own_address

if TYPE_CHECKING:
    from app.access.provider import SignInProvider

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Then = Annotated[str, Query(max_length=2000, description="Where to go on.")]


@router.get("/sign-in")
async def show_sign_in(request: Request, then: Then = "/") -> Response:
    """Ask who it is."""
    return _form(request, own_address(then))


@router.post("/sign-in")
async def sign_in(
    request: Request,
    access: Access,
    key: Annotated[str, Form(max_length=200)],
    then: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Begin a session that acts as the key."""
    before, tries = request.cookies.get(_cookies(request).session), _tries(request)
    await tries.count(request.scope)
    try:
        made = await access.sign_in(await access.by_key(key.strip()), before)
    except Unauthenticated:
        tries.fail(request.scope, "form")
        return _form(request, own_address(then), refused=True)
    answer = RedirectResponse(own_address(then), 303)
    _begin(request, answer, made)
    return answer


@router.post("/sign-out", status_code=204)
async def sign_out(request: Request, access: Access) -> Response:
    """End the session; photos that wait on the phone stay there."""
    cookies = _cookies(request)
    await access.sign_out(request.cookies.get(cookies.session, ""))
    answer = Response(status_code=204, headers={"Clear-Site-Data": '"cache"'})
    cookies.end(answer)
    forget_choice(request, answer)
    return answer


@router.get("/sign-in/provider")
async def go_to_provider(request: Request, access: Access, then: Then = "/") -> Response:
    """To the sign-in provider."""
    provider = _provider(request)
    await _tries(request).count(request.scope)
    answer, memo = await provider.send_away(request)
    _cookies(request).send_away(answer, await access.send_away({"provider": memo, "then": own_address(then)}))
    return answer


@router.get("/sign-in/provider/back")
async def come_back(request: Request, access: Access) -> Response:
    """Back from there, with the word of the provider."""
    cookies = _cookies(request)
    provider = _provider(request)
    try:
        memo = await access.take_back(request.cookies.get(cookies.away, ""))
        email = await provider.verified_email(request, memo["provider"])
        made = await access.sign_in_by_email(email, request.cookies.get(cookies.session))
    except SignInFailed:
        _tries(request).fail(request.scope, "provider")
        raise
    answer = RedirectResponse(memo["then"], 303)
    _begin(request, answer, made)
    return answer


def _form(request: Request, then: str, *, refused: bool = False) -> Response:
    has_provider = request.app.state.sign_in_provider is not None
    shown = {"then": then, "refused": refused, "has_provider": has_provider}
    return pages_of(request).render(request, "sign_in.html", 401 if refused else 200, **shown)


def _begin(request: Request, answer: Response, made: NewSession) -> None:
    cookies = _cookies(request)
    if request.cookies.get(cookies.owner) != str(made.key_id):
        forget_choice(request, answer)
    cookies.begin(answer, made)


def _cookies(request: Request) -> Cookies:
    return request.app.state.cookies  # type: ignore[no-any-return]


def _tries(request: Request) -> SignInTries:
    return request.app.state.sign_in_tries  # type: ignore[no-any-return]


def _provider(request: Request) -> "SignInProvider":
    provider: SignInProvider | None = request.app.state.sign_in_provider
    if provider is None:
        raise SignInFailed("This service has no sign-in provider: sign in with a key.")
    return provider
