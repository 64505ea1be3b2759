"""Signing in at an OpenID Connect provider: authorization code with PKCE, by authlib."""

from typing import Any, Self

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request, Response
from joserfc.errors import JoseError

from app.access.errors import SignInFailed, SignInUnavailable
from app.config import Settings

BACK = "/sign-in/provider/back"
TIMEOUT_S = 10


class SignInProvider:
    """One provider; it vouches for addresses of people, and what they may do is kept here."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, public_url: str) -> None:
        self._back = f"{public_url}{BACK}"
        self._client = OAuth().register(
            "provider",
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_id=client_id,
            client_secret=client_secret,
            client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "timeout": TIMEOUT_S},
        )

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The provider of the settings, if there is one."""
        if settings.oidc_issuer is None or settings.public_url is None:
            return None
        secret = settings.oidc_client_secret.get_secret_value()
        return cls(settings.oidc_issuer, settings.oidc_client_id, secret, settings.public_url)

    async def send_away(self, request: Request) -> tuple[Response, dict[str, Any]]:
        """The way to the provider, and what the browser must bring back from there.

        Raises:
            SignInUnavailable: the provider does not answer.
        """
        memo: dict[str, Any] = {}
        request.scope["session"] = memo  # where authlib keeps its state
        try:
            return await self._client.authorize_redirect(request, self._back), memo
        except (httpx2.HTTPError, AuthlibBaseError, RuntimeError, ValueError) as error:
            raise _unavailable() from error

    async def verified_email(self, request: Request, memo: dict[str, Any]) -> str:
        """The address that the provider vouches for, of whoever comes back from it.

        Raises:
            SignInFailed: it vouches for nobody, or for an address that it has not verified.
            SignInUnavailable: it does not answer.
        """
        request.scope["session"] = memo
        try:
            token = await self._client.authorize_access_token(request)
        except httpx2.HTTPError as error:
            raise _unavailable() from error
        except (AuthlibBaseError, JoseError, ValueError, KeyError) as error:
            raise SignInFailed("The sign-in provider did not vouch for you: begin again.") from error
        claims = token.get("userinfo") or {}
        if not claims.get("email") or claims.get("email_verified") is not True:
            raise SignInFailed("The sign-in provider has not verified your address.")
        return str(claims["email"])


def _unavailable() -> SignInUnavailable:
    return SignInUnavailable("The sign-in provider cannot be reached: try again, or sign in with a key.")
