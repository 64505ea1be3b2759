"""What an operator and a programmer of a client see: health, metrics, request ids, and the description of the API."""

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from http import HTTPMethod
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from app.config import Settings
from app.main import create_app
from app.photos.decoding.decoders import Decoders
from app.server.security_headers import PAGES, security_headers
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import photo
from tests.rest import CLASSIFICATIONS, classify, execute, files, nothing_stored, problem, register


async def test_a_service_that_runs_is_alive_and_ready(remote: httpx.AsyncClient, settings: Settings) -> None:
    with nothing_stored(settings):
        assert (await remote.get("/livez")).json() == {"status": "ok"}
        ready = await remote.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ok"
    await register(remote, "crack", [photo()])
    assert (await classify(remote, photo()))["backbone_id"] == ready.json()["backbone_id"]


async def test_a_service_without_its_embedder_is_alive_and_not_ready(app: FastAPI, client: httpx.AsyncClient) -> None:
    await app.state.embedder.close()
    problem(await client.get("/readyz"), 503, "embedder-unavailable")
    assert (await client.get("/livez")).status_code == 200


async def test_metrics_count_requests_by_route_and_time_every_stage(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo()])
    for seed in range(3):
        await classify(client, photo(seed=seed))
    await client.get("/v1/catalogs/nowhere")
    await client.get("/v1/no/such/address")
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))

    def requests(method: str, route: str, status: int) -> float:
        return float(values[f'haja_requests_total{{method="{method}",route="{route}",status="{status}"}}'])

    assert requests("POST", "/v1/catalogs/{catalog}/classifications", 201) == 3
    assert requests("GET", "/v1/catalogs/{catalog}", 404) == 1
    assert requests("GET", "none", 404) == 1
    for stage, least in {"decode": 4, "queue": 4, "embed": 1, "score": 3, "store": 3}.items():
        assert float(values[f'haja_stage_seconds_count{{stage="{stage}"}}']) >= least, stage
    assert float(values["haja_embedder_batch_size_sum"]) == 4
    assert float(values["haja_embedder_queue_depth"]) == 0
    assert float(values["haja_photos_in_work"]) == 0
    # An address with an id in it must not become a time series of its own.
    assert "nowhere" not in answer.text


@pytest.mark.both_databases
async def test_a_database_that_was_migrated_meanwhile_makes_the_service_unready(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    """By a newer version beside this one: what still fits goes on, and whoever looks after it is told to restart it."""
    await register(client, "crack", [photo()])
    execute(settings.database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert "restart the service" in problem(await client.get("/readyz"), 503, "schema-changed")["detail"]
    await classify(client, photo())
    assert (await client.get("/livez")).status_code == 200


async def test_every_answer_has_its_own_request_id(client: httpx.AsyncClient) -> None:
    ids = [(await client.get(address)).headers["x-request-id"] for address in ("/livez", "/livez", "/none", "/docs")]
    assert len(set(ids)) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", request_id) for request_id in ids)


async def test_an_unexpected_failure_is_told_with_its_request_id_and_no_more(app: FastAPI) -> None:
    """The sentence asks for the request_id, so it must be there; what went wrong stays in the log."""

    class Broken:
        async def list_catalogs(self, *_: object) -> None:
            raise RuntimeError("secret detail")

    app.state.catalog_service = Broken()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/v1/catalogs")
        assert "secret" not in answer.text
        problem(answer, 500, "internal-error")
        for name, value in [*security_headers(PAGES, is_https=False), (b"cache-control", b"no-store")]:
            assert answer.headers.get_list(name.decode()) == [value.decode()]
        # And the service goes on.
        assert (await client.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1", 404, "not-found"),
        ("DELETE", "/v1/catalogs", 405, "method-not-allowed"),
        ("PUT", "/livez", 405, "method-not-allowed"),
        ("GET", "/v1/defect-classes/no-uuid", 422, "request-invalid"),
    ],
)
async def test_wrong_addresses_are_problems_too(
    client: httpx.AsyncClient, method: str, address: str, status: int, code: str
) -> None:
    problem(await client.request(method, address), status, code)


@pytest.mark.only_on("sqlite", "the routes are the same")
async def test_every_405_names_what_the_address_takes_and_nothing_else(app: FastAPI, client: httpx.AsyncClient) -> None:
    paths = {re.sub(r"{\w*id(:uuid)?}", str(uuid.uuid4()), path) for path in _paths(app.routes)}
    assert len(paths) > 50
    assert {"/livez", "/docs", "/history", "/static/7/js/api.js", "/v1/catalogs/{catalog}"} <= paths
    for path in sorted(paths):
        refused, taken = [], set()
        for method in HTTPMethod:
            answer = await client.request(method, path, headers={"Content-Length": "0"})
            if answer.status_code == 405:
                if method is not HTTPMethod.HEAD:
                    problem(answer, 405, "method-not-allowed")
                refused.append(answer.headers["allow"].split(", "))
            else:
                taken.add(method)
        assert refused, path
        assert all(sorted(taken) == allow for allow in refused), (path, taken, refused)


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    """Every address of the app; of each folder of files, one of a file and one of none."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _paths(route.original_router.routes)
        elif isinstance(route, Mount):
            folder = route.path.replace("{version}", "7")
            yield from (f"{folder}/{name}" for name in ("js/api.js", "favicon.png", "none", "catalog"))
        else:
            yield route.path


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/metrics"])
async def test_head_answers_as_get_without_a_body(server: str, address: str) -> None:
    told = []
    with closing(HTTPConnection(server.removeprefix("http://"), timeout=60)) as connection:
        for method in ("GET", "HEAD", "GET"):
            connection.request(method, address)
            answer = connection.getresponse()
            told.append((answer.status, answer.getheader("content-type"), len(answer.read())))
    (status, media_type, size), head, _ = told
    assert (status, size > 0) == (200, True)
    assert head == (200, media_type, 0)


@pytest.mark.only_on("sqlite", "no database is asked")
@pytest.mark.parametrize("public_url", [None, "https://haja.example"])
async def test_a_trailing_slash_is_not_redirected(
    make_settings: MakeSettings, backbone: Backbone, decoders: Decoders, public_url: str | None
) -> None:
    app = create_app(make_settings(public_url=public_url), backbone, decoders)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
    ):
        answer = await client.get("/v1/catalogs/")
    problem(answer, 404, "not-found")
    assert "location" not in answer.headers


class TestDescription:
    @pytest.fixture
    async def openapi(self, client: httpx.AsyncClient) -> dict[str, Any]:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        return document

    async def test_operation_ids_are_stable_and_unique(self, openapi: dict[str, Any]) -> None:
        """Client generators make method names of them: a change here breaks every client, so it must be meant."""
        ids = [operation["operationId"] for _, _, operation in _operations(openapi)]
        assert len(set(ids)) == len(ids)
        assert set(ids) >= {
            "create_catalog", "list_catalogs", "get_catalog", "change_catalog", "delete_catalog",
            "register_defect_class", "list_defect_classes", "get_defect_class", "change_defect_class",
            "delete_defect_class", "add_support_photos", "list_support_photos", "delete_support_photo",
            "classify_photo", "list_classifications", "get_classification", "give_feedback",
            "get_photo_thumbnail", "get_liveness", "get_readiness", "get_metrics",
        }  # fmt: skip

    async def test_the_calls_of_the_design_are_there(self, openapi: dict[str, Any]) -> None:
        calls = {(method.upper(), path) for method, path, _ in _operations(openapi)}
        assert calls >= {
            ("POST", "/v1/catalogs"), ("GET", "/v1/catalogs"),
            ("PATCH", "/v1/catalogs/{catalog}"), ("DELETE", "/v1/catalogs/{catalog}"),
            ("POST", "/v1/catalogs/{catalog}/defect-classes"),
            ("PATCH", "/v1/defect-classes/{class_id}"), ("DELETE", "/v1/defect-classes/{class_id}"),
            ("POST", "/v1/defect-classes/{class_id}/support-photos"),
            ("DELETE", "/v1/support-photos/{support_photo_id}"),
            ("POST", "/v1/catalogs/{catalog}/classifications"), ("GET", "/v1/classifications"),
            ("GET", "/v1/classifications/{classification_id}"),
            ("GET", "/v1/classifications/{classification_id}/heatmap.png"),
            ("POST", "/v1/classifications/{classification_id}/feedback"),
            ("GET", "/v1/photos/{photo_id}/thumbnail"),
        }  # fmt: skip

    async def test_every_reference_resolves(self, openapi: dict[str, Any]) -> None:
        references = list(_references(openapi))
        assert "#/components/schemas/Problem" in references
        for reference in references:
            found: Any = openapi
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
            assert found

    async def test_every_operation_is_described_and_its_errors_are_problems(self, openapi: dict[str, Any]) -> None:
        for method, path, operation in _operations(openapi):
            assert operation.get("description"), (method, path)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"] == {
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                    }, (method, path, status)

    async def test_a_documented_error_is_what_comes(self, client: httpx.AsyncClient, openapi: dict[str, Any]) -> None:
        sent = {
            404: await client.post("/v1/catalogs/nowhere/classifications", files=files([photo()], "photo")),
            409: await client.post(CLASSIFICATIONS, files=files([photo()], "photo")),
            422: await client.post(CLASSIFICATIONS),
        }
        documented = openapi["paths"]["/v1/catalogs/{catalog}/classifications"]["post"]["responses"]
        fields = openapi["components"]["schemas"]["Problem"]
        for status, answer in sent.items():
            assert answer.status_code == status
            assert answer.json()["code"] in documented[str(status)]["description"]
            assert answer.json().keys() <= fields["properties"].keys()
            assert answer.json().keys() >= set(fields["required"])

    async def test_the_schema_has_examples(self, openapi: dict[str, Any]) -> None:
        schemas = openapi["components"]["schemas"]
        for name in ("CatalogCreate", "FeedbackCreate", "ClassificationOut", "Problem"):
            assert "example" in schemas[name], name

    async def test_the_page_is_served(self, client: httpx.AsyncClient) -> None:
        page = await client.get("/docs")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "/openapi.json" in page.text
        # Offline it must work too: nothing comes from another site.
        assert "http://" not in page.text
        assert "https://" not in page.text
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert (await client.get(address)).status_code == 200, address


def _operations(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
