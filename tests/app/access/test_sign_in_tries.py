"""Sign-ins that fail are noted with their address, and nobody may try for ever."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.access.sign_in_tries import SignInTries
from app.config import Settings
from tests.app.access.conftest import MakeKey, bearer
from tests.rest import problem

pytestmark = pytest.mark.only_on("sqlite", "no database has a part in it")

WRONG = f"haja_{'0' * 12}_{'0' * 64}"


TRIES = 5
"""As many as a test makes in a minute, however slow the machine is."""


@pytest.fixture
def _few_tries(app: FastAPI) -> None:
    app.state.sign_in_tries = SignInTries(app.state.metrics, TRIES)


def caller(app: FastAPI, address: str) -> httpx.AsyncClient:
    """A client whose connection comes from this address."""
    transport = httpx.ASGITransport(app, client=(address, 12345))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def noted(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Way, address and level of each failure in the log."""
    lines: list[dict[str, Any]] = [vars(line) for line in caplog.records if line.message == "sign-in failed"]
    return [(line["way"], line["address"], line["levelname"]) for line in lines]


async def counted(client: httpx.AsyncClient, way: str, headers: dict[str, str]) -> float:
    """What the metric says of a way."""
    text = (await client.get("/metrics", headers=headers)).text
    values = [line.rpartition(" ")[2] for line in text.splitlines() if f'failed_sign_ins_total{{way="{way}"}}' in line]
    return float(values[0]) if values else 0.0


async def test_failures_are_logged_with_their_address_and_counted(
    app: FastAPI, client: httpx.AsyncClient, make_key: MakeKey, root: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    made = await make_key(role="inspector")
    caplog.set_level(logging.INFO)
    async with caller(app, "192.0.2.7") as stranger:
        for wrong in (WRONG, made["key"][:-1] + "x", "nonsense", "' OR 1=1 --"):
            assert (await stranger.post("/sign-in", data={"key": wrong})).status_code == 401
            problem(await stranger.get("/v1/catalogs", headers=bearer(wrong)), 401, "unauthenticated")
        assert (await stranger.post("/sign-in", data={"key": made["key"]})).status_code == 303
        assert (await client.delete(f"/v1/keys/{made['id']}", headers=root)).status_code == 204
        assert (await stranger.post("/sign-in", data={"key": made["key"]})).status_code == 401
        problem(await stranger.get("/v1/catalogs", headers=bearer(made["key"])), 401, "unauthenticated")
    expected = [(way, "192.0.2.7", "WARNING") for _ in range(5) for way in ("form", "key")]
    assert noted(caplog) == expected
    assert await counted(client, "form", root) == 5
    assert await counted(client, "key", root) == 5
    assert made["key"].split("_")[2] not in caplog.text


async def test_who_sends_nothing_has_not_failed(
    client: httpx.AsyncClient, root: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert root
    problem(await client.get("/v1/catalogs"), 401, "unauthenticated")
    problem(await client.get("/v1/catalogs", headers={"Cookie": "haja_session=over"}), 401, "unauthenticated")
    assert not noted(caplog)


@pytest.mark.usefixtures("_few_tries")
async def test_an_address_may_try_so_often_a_minute(
    app: FastAPI, make_key: MakeKey, caplog: pytest.LogCaptureFixture
) -> None:
    key = (await make_key(role="inspector"))["key"]
    async with caller(app, "192.0.2.7") as stranger, caller(app, "192.0.2.8") as neighbour:
        for _ in range(TRIES):
            assert (await stranger.post("/sign-in", data={"key": WRONG})).status_code == 401
        for path, tried in (("/sign-in", key), ("/sign-in", WRONG)):
            refused = await stranger.post(path, data={"key": tried}, headers={"Accept-Language": "ko"})
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert refused.headers["content-type"].startswith("text/html")
            assert "로그인 시도가 너무 많았습니다" in refused.text
            assert "haja_session" not in stranger.cookies
        assert (await stranger.get("/sign-in/provider")).status_code == 403  # there is none here, so it is no try
        assert (await stranger.get("/sign-in")).status_code == 200
        # Keys that come with requests are not held up: one caller's mistake must not stop a whole site.
        assert (await stranger.get("/v1/catalogs", headers=bearer(key))).status_code == 200
        assert (await neighbour.post("/sign-in", data={"key": key})).status_code == 303
    assert len(noted(caplog)) == TRIES


@pytest.mark.usefixtures("_few_tries")
async def test_a_household_of_ipv6_is_one_address(app: FastAPI, make_key: MakeKey) -> None:
    key = (await make_key(role="inspector"))["key"]
    for number in range(TRIES):
        async with caller(app, f"2001:db8:0:1::{number:x}") as stranger:
            assert (await stranger.post("/sign-in", data={"key": WRONG})).status_code == 401
    async with caller(app, "2001:db8:0:1:ffff::1") as stranger, caller(app, "2001:db8:0:2::1") as neighbour:
        assert (await stranger.post("/sign-in", data={"key": key})).status_code == 429
        assert (await neighbour.post("/sign-in", data={"key": key})).status_code == 303


class TestWithAProvider:
    """Going there costs a row and a request to it."""

    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings]) -> Settings:
        return make_settings(
            oidc_issuer="http://127.0.0.1:9", oidc_client_id="haja", oidc_client_secret="s",  # noqa: S106
            public_url="http://127.0.0.1",
        )  # fmt: skip

    @pytest.mark.usefixtures("_few_tries")
    async def test_going_there_is_a_try_and_coming_back_from_nowhere_a_failure(
        self, app: FastAPI, client: httpx.AsyncClient, root: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with caller(app, "192.0.2.7") as stranger:
            assert (await stranger.get("/sign-in/provider/back?code=x&state=y")).status_code == 403
            for _ in range(TRIES):
                assert (await stranger.get("/sign-in/provider")).status_code == 503
            assert (await stranger.get("/sign-in/provider")).status_code == 429
            assert (await stranger.post("/sign-in", data={"key": WRONG})).status_code == 429
        assert noted(caplog) == [("provider", "192.0.2.7", "WARNING")]
        assert await counted(client, "provider", root) == 1
