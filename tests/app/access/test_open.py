"""A service without keys answers its own machine only, and closes with the first key."""

import http.client
import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.errors import StartError
from app.main import create_app
from models.backbones import Backbone
from tests.app.access.conftest import bearer
from tests.rest import created, problem

pytestmark = pytest.mark.only_on("sqlite", "keys in both databases are tried in test_keys.py and test_matrix.py")


@pytest.mark.parametrize("host", ["haja.example", "127.0.0.1.example", "10.0.0.1:8000", "localhost.example:80"])
async def test_another_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    """Or else any page could give its own name the address of this machine, and read everything."""
    problem(await client.get("/v1/catalogs", headers={"Host": host}), 403, "host-refused")


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8000", "localhost:", "127.0.0.1:80", "127.9.9.9", "[::1]:8000"]
)
async def test_names_of_this_machine_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/v1/catalogs", headers={"Host": host})).status_code == 200


BY_PROXIES = (
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded", "Forwarded", "Via", "X-Real-IP",
    "CF-Connecting-IP", "CF-Ray", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Host",
    "X-Original-URL", "X-Rewrite-URL", "X-Envoy-External-Address", "Fastly-Client-IP", "Fly-Client-IP", "CDN-Loop",
     "X-Amzn-Trace-Id", "X-Azure-ClientIP", "Tailscale-User-Login", "X-Scheme", "x-real-ip",
)  # fmt: skip


async def test_what_a_proxy_brings_is_refused(client: httpx.AsyncClient) -> None:
    for name in BY_PROXIES:
        problem(await client.get("/v1/catalogs", headers={name: "10.0.0.1"}), 403, "host-refused")
        assert (await client.get("/v1/catalogs", headers={f"Not-{name}": "10.0.0.1"})).status_code == 200


NO_HOSTS = (
    "[::1]evil", "localhost:80@evil.example", "evil.example@localhost", "localhost/", "localhost?", "localhost#",
    "localhost evil", "localhost:8000:1", "localhost:x", "localhost:-1", "[::1", "::1", "[]", "[localhost]",
    "[127.0.0.1]", "[::1%25lo]", "[::::]", "localhost,evil.example:x", "", "\xe9vil", "%zz", "a" * 256,
)  # fmt: skip


@pytest.mark.parametrize("is_open", [True, False])
async def test_what_is_no_host_is_refused_everywhere(client: httpx.AsyncClient, is_open: bool) -> None:
    key = {} if is_open else bearer(created(await client.post("/v1/keys", json={"name": "a", "role": "admin"}))["key"])
    for host in NO_HOSTS:
        for address in ("/v1/catalogs", "/livez", "/sign-in", "/nowhere"):
            headers = [(b"Host", host.encode("latin-1")), *((a.encode(), b.encode()) for a, b in key.items())]
            answer = await client.get(address, headers=headers)
            said = problem(answer, 400, "bad-request")
            assert said["detail"].startswith("The header Host must come once and be a name or an address")


def _ask(server: str, head: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a head as it is written here."""
    port = int(server.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        with http.client.HTTPResponse(connection) as answer:
            answer.begin()
            return answer.status, json.loads(answer.read())


def test_a_request_says_once_whom_it_is_for(server: str) -> None:
    for hosts in ("Host: localhost\nHost: localhost", "Host: localhost\nhost: evil.example", "X-Host-Not: localhost"):
        status, said = _ask(server, f"GET /v1/catalogs HTTP/1.1\n{hosts}")
        assert (status, said["code"]) == (400, "bad-request")


def test_a_proxy_that_says_nothing_is_told_by_its_old_http(server: str) -> None:
    """What nginx sent for twenty years where `proxy_pass` was all that it was told."""
    old = "HTTP/1.0\nHost: 127.0.0.1:8000\nConnection: close"
    status, said = _ask(server, f"GET /v1/catalogs {old}")
    assert (status, said["code"]) == (403, "host-refused")
    assert _ask(server, f"GET /livez {old}")[0] == 200
    status, said = _ask(server, f"POST /v1/keys {old}\nContent-Type: application/json\nContent-Length: 0")
    assert (status, said["code"]) == (403, "host-refused")


def test_http_1_0_needs_no_host_where_keys_are_asked_for(server: str) -> None:
    made = created(httpx.post(f"{server}/v1/keys", json={"name": "first", "role": "admin"}))
    assert _ask(server, "GET /livez HTTP/1.0") == (200, {"status": "ok"})
    assert _ask(server, f"GET /v1/catalogs HTTP/1.0\nAuthorization: Bearer {made['key']}")[0] == 200


async def test_the_first_key_closes_it_for_ever(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/catalogs")).status_code == 200
    key = created(await client.post("/v1/keys", json={"name": "first", "role": "admin"}))
    problem(await client.get("/v1/catalogs"), 401, "unauthenticated")
    assert (await client.delete(f"/v1/keys/{key['id']}", headers=bearer(key["key"]))).status_code == 204
    problem(await client.get("/v1/catalogs"), 401, "unauthenticated")
    problem(await client.get("/v1/catalogs", headers=bearer(key["key"])), 401, "unauthenticated")
    # Closed, it answers under any name.
    problem(await client.get("/v1/catalogs", headers={"Host": "haja.example"}), 401, "unauthenticated")


async def test_it_does_not_start_open_on_another_address(
    make_settings: Callable[..., Settings], backbone: Backbone
) -> None:
    service = create_app(make_settings(host="0.0.0.0"), backbone)  # noqa: S104 - refused, which is the test
    with pytest.raises(StartError, match="haja keys create"):
        async with service.router.lifespan_context(service):
            pass


async def test_it_starts_on_another_address_once_there_is_a_key(
    make_settings: Callable[..., Settings], backbone: Backbone, client: httpx.AsyncClient
) -> None:
    created(await client.post("/v1/keys", json={"name": "first", "role": "admin"}))
    service = create_app(make_settings(host="0.0.0.0"), backbone)  # noqa: S104 - nobody listens
    async with service.router.lifespan_context(service):
        assert not await service.state.access_service.is_open()


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/sign-in", "/manifest.webmanifest", "/service-worker.js", "/offline"]
)
@pytest.mark.usefixtures("root")
async def test_what_is_public_stays_so(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/catalog", "/catalog/new", "/history", "/docs"])
@pytest.mark.usefixtures("root")
async def test_pages_lead_to_the_sign_in(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?then={path.replace('/', '%2F')}"


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(requests_per_minute=5)


async def test_a_key_has_so_many_requests_a_minute(client: httpx.AsyncClient, root: dict[str, str]) -> None:
    other = created(await client.post("/v1/keys", json={"name": "x", "role": "inspector"}, headers=root))["key"]
    for _ in range(5):
        assert (await client.get("/v1/catalogs", headers=bearer(other))).status_code == 200
    answer = await client.get("/v1/catalogs", headers=bearer(other))
    problem(answer, 429, "too-many-requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await client.get("/v1/catalogs", headers=root)).status_code == 200
