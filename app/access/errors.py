"""What can be wrong with who asks."""

from http import HTTPStatus

from app.error_base import HajaError


class Unauthenticated(HajaError):
    """No valid API key or session came with the request."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(
            "Send an API key that is valid, as `Authorization: Bearer haja_...`, or sign in at /sign-in.",
            {"WWW-Authenticate": "Bearer"},
        )


class RoleInsufficient(HajaError):
    """The API key or session may not do this here."""

    status = HTTPStatus.FORBIDDEN
    code = "role-insufficient"


class CsrfTokenInvalid(HajaError):
    """A request with a session's cookie lacks the session's token."""

    status = HTTPStatus.FORBIDDEN
    code = "csrf-token-invalid"

    def __init__(self) -> None:
        super().__init__(
            "The header X-CSRF-Token is not the one of this session, so nothing was done: load the page again."
        )


class HostRefused(HajaError):
    """A service without keys was reached by another name than this machine's own."""

    status = HTTPStatus.FORBIDDEN
    code = "host-refused"

    def __init__(self) -> None:
        super().__init__(
            "This service asks nobody for a key, so it answers on its own machine only, as localhost: make a key with "
            "`haja keys create` to open it to others."
        )


class TooManyRequests(HajaError):
    """More requests in a minute than one key may make."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-requests"

    def __init__(self, per_minute: int, wait_s: int) -> None:
        super().__init__(
            f"This key has made its {per_minute} requests of a minute: go on in {wait_s} s.",
            {"Retry-After": str(wait_s)},
        )


class KeyNotFound(HajaError):
    """No API key that the caller may see has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "key-not-found"


class GrantTooWide(HajaError):
    """A key may not be given more than its maker has."""

    status = HTTPStatus.FORBIDDEN
    code = "grant-too-wide"


class EmailTaken(HajaError):
    """Another key belongs to whoever signs in with this address."""

    status = HTTPStatus.CONFLICT
    code = "email-taken"


class SignInFailed(HajaError):
    """The sign-in provider did not vouch for anybody who has a key."""

    status = HTTPStatus.FORBIDDEN
    code = "sign-in-failed"


class SignInUnavailable(HajaError):
    """The sign-in provider cannot be reached."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "sign-in-unavailable"
