"""The cookies of a session: one that no script reads, the token that the pages' scripts send back, and whose it is."""

from collections.abc import Mapping
from uuid import UUID

from starlette.responses import Response

from app.access.service import NewSession

A_YEAR_S = 31_536_000


class Cookies:
    """Names and flags of the cookies; `secure` where browsers reach the service by HTTPS."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        # With this prefix a browser takes the cookie from this host alone, not from its neighbours under one domain.
        prefix = "__Host-" if secure else ""
        self.session = f"{prefix}haja_session"
        self.away = f"{prefix}haja_sign_in"
        self.csrf = "haja_csrf"
        self.owner = "haja_owner"

    def begin(self, answer: Response, made: NewSession) -> None:
        """Give the browser its session; it ends with the browser, or when the service says so."""
        self._set(answer, self.session, made.token, httponly=True)
        self._set(answer, self.csrf, made.csrf_token, httponly=False)
        self._set(answer, self.owner, str(made.key_id), httponly=False, max_age=A_YEAR_S)

    def name_owner(self, answer: Response, sent: Mapping[str, str], key_id: UUID | None) -> None:
        """Tell the pages' scripts whose key acts, or that none is asked for.

        It outlasts the session: a phone without network still knows whose photos it takes. `sent` are the request's.
        """
        if key_id is None and self.owner in sent:
            answer.delete_cookie(self.owner, secure=self._secure, samesite="lax")
        elif key_id is not None and sent.get(self.owner) != str(key_id):
            self._set(answer, self.owner, str(key_id), httponly=False, max_age=A_YEAR_S)

    def send_away(self, answer: Response, made: NewSession) -> None:
        """Give the browser what it must bring back from the sign-in provider."""
        self._set(answer, self.away, made.token, httponly=True)

    def end(self, answer: Response) -> None:
        """Take everything back."""
        for name in (self.session, self.away, self.csrf, self.owner):
            hidden = name in {self.session, self.away}
            answer.delete_cookie(name, secure=self._secure, httponly=hidden, samesite="lax")

    def _set(self, answer: Response, name: str, value: str, *, httponly: bool, max_age: int | None = None) -> None:
        # Lax and not Strict: the way back from the sign-in provider, and a link in a mail, find the session.
        answer.set_cookie(name, value, max_age, secure=self._secure, httponly=httponly, samesite="lax")
