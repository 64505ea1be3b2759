"""A service without keys answers its own machine only, and closes with the first key."""

from collections.abc import Callable

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


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "127.9.9.9", "[::1]:8000"])
async def test_names_of_this_machine_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/v1/catalogs", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(("name", "value"), [("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1")])
async def test_what_a_proxy_brings_is_refused(client: httpx.AsyncClient, name: str, value: str) -> None:
    problem(await client.get("/v1/catalogs", headers={name: value}), 403, "host-refused")


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
