"""What can be wrong with who asks."""

from http import HTTPStatus

from app.errors import HajaError


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


class TooManySignIns(HajaError):
    """More tries to sign in than one address may make in a minute."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-sign-ins"

    def __init__(self, per_minute: int, wait_s: int) -> None:
        super().__init__(
            f"From this address somebody has tried to sign in {per_minute} times in a minute: try again in {wait_s} s.",
            {"Retry-After": str(wait_s)},
        )


class SignInUnavailable(HajaError):
    """The sign-in provider cannot be reached."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "sign-in-unavailable"
