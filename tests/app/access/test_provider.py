"""Signing in at an OpenID Connect provider: a real one, on loopback."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI

from app.access.provider import SignInProvider
from app.config import Settings
from tests.app.access.conftest import MakeKey
from tests.rest import execute, problem
from tests.service_process import free_port

HERE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of a provider that knows Kim, whose address it has verified, and Lee, whose it has not."""
    port = free_port()
    users = [
        {"sub": "kim", "email": "Kim@example.org", "email_verified": True},
        {"sub": "lee", "email": "lee@example.org", "email_verified": False},
        {"sub": "nobody", "email": "nobody@example.org", "email_verified": True},
    ]
    known = [part for user in users for part in ("--user-claims", json.dumps(user))]
    server = subprocess.Popen([sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *known])
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(f"{address}/.well-known/openid-configuration")
            break
        except httpx.TransportError:
            time.sleep(0.1)
    yield address
    server.terminate()
    server.wait(10)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], provider: str) -> Settings:
    return make_settings(oidc_issuer=provider, oidc_client_id="haja", oidc_client_secret="secret", public_url=HERE)  # noqa: S106


async def go(client: httpx.AsyncClient, who: str) -> httpx.Response:
    """Go to the provider, say there who one is, and come back; the answer to coming back."""
    away = await client.get("/sign-in/provider", params={"then": "/history"})
    assert away.status_code == 302
    async with httpx.AsyncClient() as outside:
        said = await outside.post(away.headers["location"], data={"sub": who})
    assert said.headers["location"].startswith(f"{HERE}/sign-in/provider/back?")
    return await client.get(said.headers["location"])


async def test_a_verified_address_acts_as_its_key(client: httpx.AsyncClient, make_key: MakeKey) -> None:
    await make_key(name="Kim", role="inspector", email="kim@example.org")
    answer = await go(client, "kim")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/history"
    assert (await client.get("/v1/keys/current")).json()["name"] == "Kim"


@pytest.mark.parametrize("who", ["lee", "nobody"])
async def test_nobody_else_gets_in(client: httpx.AsyncClient, make_key: MakeKey, who: str) -> None:
    await make_key(role="inspector", email="lee@example.org")
    answer = await go(client, who)
    assert answer.status_code == 403
    assert "haja_session" not in client.cookies
    problem(await client.get("/v1/catalogs"), 401, "unauthenticated")


async def test_what_comes_back_must_belong_to_the_browser(
    client: httpx.AsyncClient, make_key: MakeKey, settings: Settings
) -> None:
    """A link that somebody else began signs nobody in; nor does one twice."""
    await make_key(role="inspector", email="kim@example.org")
    away = await client.get("/sign-in/provider")
    async with httpx.AsyncClient() as outside:
        back = (await outside.post(away.headers["location"], data={"sub": "kim"})).headers["location"]
    victim = httpx.AsyncClient(transport=client._transport, base_url=HERE)
    assert (await victim.get(back)).status_code == 403
    await victim.get("/sign-in/provider")
    assert (await victim.get(back)).status_code == 403
    assert "haja_session" not in victim.cookies
    assert (await client.get(back)).status_code == 303
    assert (await client.get(back)).status_code == 403
    await victim.aclose()
    assert execute(settings.database_url, "SELECT count(*) FROM sign_ins WHERE api_key_id IS NULL") == [(0,)]


async def test_a_provider_that_is_gone_leaves_the_keys(
    app: FastAPI, client: httpx.AsyncClient, make_key: MakeKey, make_settings: Callable[..., Settings]
) -> None:
    key = (await make_key(role="inspector"))["key"]
    gone = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": "haja", "oidc_client_secret": "s"}
    app.state.sign_in_provider = SignInProvider.of(make_settings(public_url=HERE, **gone))
    assert (await client.get("/sign-in/provider")).status_code == 503
    assert (await client.post("/sign-in", data={"key": key})).status_code == 303
