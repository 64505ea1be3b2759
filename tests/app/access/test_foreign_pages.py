"""A page of another site changes nothing, over plain HTTP and behind proxies too."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.config import Settings
from tests.app.access.conftest import MakeKey, bearer
from tests.rest import created, problem

pytestmark = pytest.mark.only_on("sqlite", "no database has a part in it")

PUBLIC_URL: dict[str, Any] = {"public_url": "https://haja.example"}

FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://haja.local:8001"},
    {"Origin": "http://haja.local.evil.example"},
    {"Origin": "http://evil.example/haja.local"},
    {"Origin": "http://haja.local@evil.example"},
    {"Origin": "ftp://haja.local"},
    {"Origin": "http://["},
    {"Origin": "http://haja.local:70000"},
    {"Origin": "nonsense"},
    {"Referer": "http://evil.example/haja.local"},
    {"Referer": "nonsense"},
    {"Origin": "http://evil.example", "Referer": "http://haja.local/sign-in"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://haja.local"},
]
OWN = [
    {},
    {"Origin": "http://haja.local"},
    {"Origin": "http://haja.local:80"},
    {"Origin": "http://HAJA.local"},
    {"Origin": "https://haja.local", "Host": "haja.local:443"},
    {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    {"Origin": "https://haja.local"},  # a proxy speaks HTTPS and does not say so
    {"Referer": "http://haja.local/sign-in?then=/history"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://haja.example"},  # a proxy that puts in a Host of its own
]


@pytest.fixture
async def key(make_key: MakeKey) -> str:
    """A key of an administrator; the service is closed."""
    made: str = (await make_key(name="Kim", role="admin"))["key"]
    return made


async def test_no_foreign_page_signs_in_or_out_or_changes(client: httpx.AsyncClient, key: str) -> None:
    assert (await client.post("/sign-in", data={"key": key})).status_code == 303
    proof = {"X-CSRF-Token": client.cookies["haja_csrf"]}
    changes = [
        ("POST", "/sign-in"), ("POST", "/sign-out"), ("POST", "/v1/catalogs"), ("PATCH", "/v1/catalogs/default"),
        ("DELETE", "/v1/catalogs/default"),
    ]  # fmt: skip
    for headers in FOREIGN:
        here = {"Host": "haja.local"} | headers
        for method, path in changes:
            sent: dict[str, Any] = {"data": {"key": key}} if path == "/sign-in" else {"json": {"name": "towers"}}
            refused = await client.request(method, path, headers=here | proof, **sent)
            assert problem(refused, 403, "foreign-page")["detail"] == (
                "A page of another site sent this request, so nothing was done: use Haja's own pages."
            ), headers
            assert "set-cookie" not in refused.headers
        assert (await client.get("/v1/catalogs", headers=here)).status_code == 200
        assert (await client.get("/history", headers=here | {"Accept": "text/html"})).status_code == 200


async def test_own_pages_and_programs_do(client: httpx.AsyncClient, key: str) -> None:
    for number, headers in enumerate(OWN):
        here = {"Host": "haja.local"} | headers
        assert (await client.post("/sign-in", data={"key": key}, headers=here)).status_code == 303, headers
        proof = {"X-CSRF-Token": client.cookies["haja_csrf"]}
        created(await client.post("/v1/catalogs", json={"name": f"tower-{number}"}, headers=here | proof))
        assert (await client.post("/sign-out", headers=here | proof)).status_code == 204, headers


async def test_a_key_is_sent_by_a_program_wherever_its_page_is_from(client: httpx.AsyncClient, key: str) -> None:
    """No page can make a browser send one, and what passes on its caller's headers keeps working."""
    headers = bearer(key) | {"Origin": "https://portal.example"}
    created(await client.post("/v1/catalogs", json={"name": "towers"}, headers=headers))
    refused = await client.post("/v1/catalogs", json={"name": "b"}, headers=headers | {"Sec-Fetch-Site": "cross-site"})
    problem(refused, 403, "foreign-page")


async def test_the_open_mode_is_shut_to_them_too(client: httpx.AsyncClient) -> None:
    headers = {"Origin": "http://evil.example"}
    problem(await client.post("/v1/keys", json={"name": "x", "role": "admin"}, headers=headers), 403, "foreign-page")
    created(await client.post("/v1/keys", json={"name": "x", "role": "admin"}, headers={"Origin": "http://127.0.0.1"}))


class TestBehindAProxy:
    """`HAJA_PUBLIC_URL` says how browsers reach the service."""

    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings]) -> Settings:
        return make_settings(**PUBLIC_URL)

    async def test_scheme_host_and_port_are_those_that_browsers_use(self, client: httpx.AsyncClient, key: str) -> None:
        for host, origin, status in (
            ("haja.example", "https://haja.example", 303),
            ("haja.example", "https://haja.example:443", 303),
            ("127.0.0.1:8000", "https://haja.example", 303),  # the proxy puts in a Host of its own
            ("127.0.0.1:8000", "http://127.0.0.1:8000", 303),  # on the machine itself, past the proxy
            ("haja.example", "http://haja.example", 403),  # without HTTPS: forged on the way
            ("haja.example", "https://haja.example:8443", 403),
            ("haja.example", "https://www.haja.example", 403),
            ("haja.example", "null", 403),
            ("127.0.0.1:8000", "https://evil.example", 403),
        ):
            headers = {"Host": host, "Origin": origin}
            answer = await client.post("/sign-in", data={"key": key}, headers=headers)
            assert answer.status_code == status, (host, origin)
