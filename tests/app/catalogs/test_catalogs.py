"""Catalogs: each with its own classes, one named `default` always there."""

import httpx
import pytest

from app.config import Settings
from tests.drawn import photo, photos
from tests.rest import classify, created, nothing_stored, problem, register, row_counts


async def test_an_empty_database_has_the_default_catalog(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/catalogs")).json()
    assert [item["name"] for item in listed["items"]] == ["default"]
    assert (await client.get("/v1/catalogs/default")).json() == listed["items"][0]


async def test_a_catalog_is_made_changed_and_found_under_its_new_name(client: httpx.AsyncClient) -> None:
    made = created(await client.post("/v1/catalogs", json={"name": "tower-b", "title_ko": "B동"}))
    assert made["version"] == 1
    changed = await client.patch("/v1/catalogs/tower-b", json={"name": "tower-c", "title_en": "Tower C"})
    assert changed.json() == made | {"name": "tower-c", "title_en": "Tower C"}
    assert (await client.get("/v1/catalogs/tower-c")).json()["id"] == made["id"]
    problem(await client.get("/v1/catalogs/tower-b"), 404, "catalog-not-found")


async def test_catalogs_do_not_see_each_others_classes(client: httpx.AsyncClient) -> None:
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    await register(client, "crack", photos("crack", range(2)))
    await register(client, "crack", photos("rust", range(2)), catalog="other")
    here, there = await classify(client, photo("crack", 5)), await classify(client, photo("crack", 5), "other")
    assert len(here["predictions"]) == len(there["predictions"]) == 1
    assert here["predictions"][0]["similarity"] > there["predictions"][0]["similarity"]
    assert here["predictions"][0]["defect_class"]["id"] != there["predictions"][0]["defect_class"]["id"]


@pytest.mark.both_databases
async def test_a_deleted_catalog_takes_its_classes_photos_and_history_along(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    await register(client, "crack", photos("crack", range(2)))
    await classify(client, photo("crack", 5))
    before = row_counts(settings)
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    await register(client, "rust", [*photos("rust", range(2)), photo("crack", 0)], catalog="other")
    judged = await classify(client, photo("rust", 5), "other")
    created(await client.post(f"/v1/classifications/{judged['id']}/feedback", json={"verdict": "confirmed"}))
    assert (await client.delete("/v1/catalogs/other")).status_code == 204
    # But for the audit trail, which says of all four what was done.
    assert row_counts(settings) == before | {"audit_entries": before["audit_entries"] + 4}
    problem(await client.get(f"/v1/classifications/{judged['id']}"), 404, "classification-not-found")
    # A catalog that takes the name starts empty.
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    assert (await client.get("/v1/catalogs/other/defect-classes")).json()["items"] == []


async def test_the_default_catalog_stays(client: httpx.AsyncClient, settings: Settings) -> None:
    with nothing_stored(settings):
        problem(await client.delete("/v1/catalogs/default"), 409, "default-catalog-protected")
        renamed = await client.patch("/v1/catalogs/default", json={"name": "mine"})
        problem(renamed, 409, "default-catalog-protected")
    assert (await client.patch("/v1/catalogs/default", json={"title_en": "Ours"})).json()["title_en"] == "Ours"


@pytest.mark.both_databases
async def test_two_catalogs_cannot_share_a_name(client: httpx.AsyncClient, settings: Settings) -> None:
    created(await client.post("/v1/catalogs", json={"name": "tower-b"}))
    with nothing_stored(settings):
        problem(await client.post("/v1/catalogs", json={"name": "tower-b"}), 409, "catalog-name-taken")
        problem(await client.patch("/v1/catalogs/tower-b", json={"name": "default"}), 409, "catalog-name-taken")


@pytest.mark.parametrize("name", ["", "Tower", "a b", "-a", "x" * 64, "a/b", "탑", "a\n", None, 7])
async def test_a_catalog_name_must_fit_into_an_address(
    client: httpx.AsyncClient, settings: Settings, name: object
) -> None:
    with nothing_stored(settings):
        problem(await client.post("/v1/catalogs", json={"name": name}), 422, "request-invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'"a"', b'{"name": "a", "extra": 1}', b'{"name": "a", "\\ud800": 1}',
        b'{"name": "a", "title_en": "\\ud800"}', b'{"name": "a", "title_en": "\\u0000"}', b"\xff\xfe", b"[" * 100_000,
    ],
)  # fmt: skip
async def test_json_that_does_not_fit_is_refused(client: httpx.AsyncClient, settings: Settings, body: bytes) -> None:
    with nothing_stored(settings):
        answer = await client.post("/v1/catalogs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}
        problem(answer, answer.status_code, {400: "bad-request", 422: "request-invalid"}[answer.status_code])


async def test_every_call_on_an_unknown_catalog_is_404(client: httpx.AsyncClient, settings: Settings) -> None:
    with nothing_stored(settings):
        for answer in (
            await client.get("/v1/catalogs/nowhere"),
            await client.patch("/v1/catalogs/nowhere", json={"title_en": "x"}),
            await client.delete("/v1/catalogs/nowhere"),
            await client.get("/v1/catalogs/nowhere/defect-classes"),
            await client.get("/v1/catalogs/%00/defect-classes"),
            await client.post(
                "/v1/catalogs/nowhere/defect-classes", data={"name": "a"}, files={"photos": ("a.jpg", photo())}
            ),
            await client.post("/v1/catalogs/nowhere/classifications", files={"photo": ("a.jpg", photo())}),
        ):
            problem(answer, 404, "catalog-not-found")


@pytest.mark.parametrize(
    "address",
    ["/v1/catalogs/%00", "/v1/classifications?catalog=%00", "/v1/catalogs/a%00b/defect-classes", "/v1/catalogs/%FF"],
)
@pytest.mark.both_databases
async def test_characters_that_no_name_has_find_nothing(client: httpx.AsyncClient, address: str) -> None:
    """SQLite compares a NUL like any other character; PostgreSQL's protocol has no place for it."""
    answer = await client.get(address)
    assert answer.status_code in {200, 404, 422}
