"""What every answer says of itself: who may keep it, and that no address leads elsewhere."""

import re

import httpx
import pytest
from fastapi import FastAPI

from tests.drawn import photo, photos
from tests.rest import classify, created, problem, register

pytestmark = pytest.mark.only_on("sqlite", "headers know no database")


async def test_what_says_nothing_else_is_kept_by_nobody(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(2)))
    answered = await classify(client, photo("crack", 3))
    for address in (
        "/v1/catalogs", "/v1/classifications", "/v1/keys/current", "/v1/audit", "/livez", "/readyz", "/metrics",
        "/docs", "/openapi.json", "/", "/catalog", "/catalog/new", "/history", f"/classifications/{answered['id']}",
        "/sign-in", "/offline", "/choose", "/nowhere", "/v1/catalogs/nowhere", "/catalog/nonsense",
    ):  # fmt: skip
        assert (await client.get(address)).headers.get_list("cache-control") == ["no-store"], address
    assert (await client.post("/v1/catalogs", json={"name": "a"})).headers.get_list("cache-control") == ["no-store"]
    assert (await client.post("/v1/catalogs", json={})).headers.get_list("cache-control") == ["no-store"]


async def test_what_says_something_else_keeps_it(client: httpx.AsyncClient, app: FastAPI) -> None:
    await register(client, "crack", photos("crack", range(2)))
    answered = await classify(client, photo("crack", 3))
    a_year = "public, max-age=31536000, immutable"
    for address, said in {
        f"/v1/photos/{answered['photo']['id']}/thumbnail": "private, max-age=31536000, immutable",
        f"/v1/classifications/{answered['id']}/heatmap.png": "private, no-cache",
        "/v1/classifications/export.csv": "private, no-store",
        "/manifest.webmanifest": "private, no-cache",
        "/service-worker.js": "no-cache",
        app.state.pages.address("haja.css"): a_year,
        "/static/older/haja.css": "no-cache",
    }.items():
        assert (await client.get(address)).headers.get_list("cache-control") == [said], address
    # Or else it would be thrown away each time that it is asked after.
    file = app.state.pages.address("haja.css")
    etag = (await client.get(file)).headers["etag"]
    unchanged = await client.get(file, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.headers["cache-control"]) == (304, a_year)


async def test_a_slash_too_many_is_an_address_of_nothing(client: httpx.AsyncClient) -> None:
    """A redirect would lead to whatever name and scheme the request came by."""
    key = created(await client.post("/v1/keys", json={"name": "root", "role": "admin"}))["key"]
    headers = {"Authorization": f"Bearer {key}", "Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    for address in (
        "/history/", "/catalog/new/", "/sign-in/", "/docs/", "/openapi.json/", "/livez/", "/metrics/", "/v1/catalogs/",
        "/v1/catalogs/default/", "/v1/catalogs/default/defect-classes/", "/v1/keys/", "/static/x/js/", "//",
    ):  # fmt: skip
        answer = await client.get(f"http://127.0.0.1{address}", headers=headers)
        problem(answer, 404, "not-found")
        assert "location" not in answer.headers
    answer = await client.post("/v1/catalogs/", json={"name": "a"}, headers=headers)
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


async def test_no_address_of_ours_has_such_a_slash(client: httpx.AsyncClient) -> None:
    """Of those that pages, scripts, the API page and the document name."""
    texts = [
        (await client.get(page)).text for page in ("/", "/catalog", "/catalog/new", "/history", "/sign-in", "/docs")
    ]
    document = (await client.get("/openapi.json")).json()
    linked = {address for text in texts for address in re.findall(r"(?:href|src|action)=\"(/[^\"?#]+)", text)}
    assert len(linked) > 10
    assert [address for address in {*linked, *document["paths"]} if address.endswith("/") and address != "/"] == []
    for address in linked:
        assert (await client.get(address)).status_code in {200, 303, 405}, address
