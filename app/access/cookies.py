"""The cookies of a session: one that no script reads, and beside it the token that the pages' scripts send back."""

from starlette.responses import Response

from app.access.service import NewSession


class Cookies:
    """Names and flags of the cookies; `secure` where browsers reach the service by HTTPS."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        # With this prefix a browser takes the cookie from this host alone, not from its neighbours under one domain.
        prefix = "__Host-" if secure else ""
        self.session = f"{prefix}haja_session"
        self.away = f"{prefix}haja_sign_in"
        self.csrf = "haja_csrf"

    def begin(self, answer: Response, made: NewSession) -> None:
        """Give the browser its session; it ends with the browser, or when the service says so."""
        self._set(answer, self.session, made.token, httponly=True)
        self._set(answer, self.csrf, made.csrf_token, httponly=False)

    def send_away(self, answer: Response, made: NewSession) -> None:
        """Give the browser what it must bring back from the sign-in provider."""
        self._set(answer, self.away, made.token, httponly=True)

    def end(self, answer: Response) -> None:
        """Take everything back."""
        for name in (self.session, self.away, self.csrf):
            answer.delete_cookie(name, secure=self._secure, httponly=name != self.csrf, samesite="lax")

    def _set(self, answer: Response, name: str, value: str, *, httponly: bool) -> None:
        # Lax and not Strict: the way back from the sign-in provider, and a link in a mail, find the session.
        answer.set_cookie(name, value, secure=self._secure, httponly=httponly, samesite="lax")
