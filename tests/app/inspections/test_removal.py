"""Answers are deleted with their photos, alone, many at once and by age; for an hour they can be had back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from tests.app.access.conftest import bearer
from tests.drawn import photo
from tests.rest import CLASSIFICATIONS, classify, created, execute, files, problem, register, row_counts

ALL = "/v1/classifications"


@pytest.fixture
async def crack(client: httpx.AsyncClient) -> dict[str, Any]:
    return await register(client, "crack", [photo("crack", 1)])


async def _place(client: httpx.AsyncClient, seed: int, place: str) -> dict[str, Any]:
    sent = files([photo("crack", seed)], "photo")
    return created(await client.post(CLASSIFICATIONS, data={"place": place}, files=sent))


async def _ids(client: httpx.AsyncClient, **query: str) -> list[str]:
    return [each["id"] for each in (await client.get(ALL, params=query)).json()["items"]]


async def _restore(client: httpx.AsyncClient, deletion_id: str) -> int:
    said = await client.post(f"{ALL}/restore", json={"deletion_id": deletion_id})
    return int(created(said)["classifications"])


async def _later(app: FastAPI, **time: float) -> None:
    await app.state.removal_service.remove_due(datetime.now(UTC) + timedelta(**time))


@pytest.mark.usefixtures("crack")
async def test_a_deleted_answer_is_absent_in_every_way_and_comes_back(client: httpx.AsyncClient, app: FastAPI) -> None:
    answer = await classify(client, photo("crack", 5))
    address, picture = f"{ALL}/{answer['id']}", f"/v1/photos/{answer['photo']['id']}/thumbnail"
    gone = await client.delete(address)
    assert gone.status_code == 200, gone.text
    assert gone.json()["classifications"] == 1
    assert await _ids(client) == []
    assert answer["id"] not in (await client.get(f"{ALL}/export.csv")).text
    for said in (
        await client.get(address),
        await client.patch(address, json={"note": "later"}),
        await client.delete(address),
        await client.get(f"{address}/heatmap.png"),
        await client.post(f"{address}/feedback", json={"verdict": "confirmed"}),
    ):
        problem(said, 404, "classification-not-found")
    problem(await client.get(picture), 404, "photo-not-found")
    await _later(app, minutes=59)
    assert await _restore(client, gone.json()["deletion_id"]) == 1
    assert (await client.get(address)).json() == answer
    assert (await client.get(picture)).status_code == 200
    assert await _restore(client, gone.json()["deletion_id"]) == 0


async def test_after_an_hour_nothing_is_left_but_what_others_own(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings, crack: dict[str, Any]
) -> None:
    before = row_counts(settings)
    own, other, shared = [await classify(client, photo("crack", seed)) for seed in (5, 6, 1)]
    example = {"verdict": "confirmed", "add_to_support": True}
    created(await client.post(f"{ALL}/{other['id']}/feedback", json=example))
    gone = created(await client.post(f"{ALL}/delete", json={"ids": [each["id"] for each in (own, other, shared)]}))
    assert gone["classifications"] == 3
    await _later(app, minutes=61)
    assert await _restore(client, gone["deletion_id"]) == 0
    after = row_counts(settings)
    assert after["classifications"] == after["feedback"] == 0
    assert after["photos"] == before["photos"] + 1, "The photo that became an example stays, and the class's own."
    assert after["blobs"] == before["blobs"] + 1
    kept = {row[0] for row in execute(settings.database_url, "SELECT sha256 FROM photos")}
    assert kept == {crack["photos"][0]["photo_id"], other["photo"]["id"]}


@pytest.mark.usefixtures("crack")
async def test_many_are_chosen_by_what_the_history_is_filtered_by(client: httpx.AsyncClient) -> None:
    wrong, right = await _place(client, 5, "wrong site"), await _place(client, 6, "right site")
    key = {"Idempotency-Key": "once"}
    wanted = {"conditions": {"place": "WRONG", "catalog": "default"}}
    gone, again = [await client.post(f"{ALL}/delete", json=wanted, headers=key) for _ in range(2)]
    assert created(gone) == created(again)
    assert created(gone)["classifications"] == 1
    assert await _ids(client) == [right["id"]]
    assert await _restore(client, gone.json()["deletion_id"]) == 1
    assert set(await _ids(client)) == {right["id"], wrong["id"]}
    lines = (await client.get("/v1/audit")).json()["items"][:2]
    assert [line["action"] for line in lines] == ["answers-restored", "answers-deleted"]
    assert lines[1]["detail"]["conditions"] == wanted["conditions"]
    assert lines[0]["subject_id"] == lines[1]["subject_id"] == gone.json()["deletion_id"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "choice-incomplete"),
        ({"ids": []}, "request-invalid"),
        ({"conditions": {}}, "choice-incomplete"),
        ({"conditions": {"plaec": "B2"}}, "request-invalid"),
        ({"ids": ["x"]}, "request-invalid"),
        ({"ids": None}, "choice-incomplete"),
    ],
)
async def test_what_would_choose_everything_or_nothing_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    problem(await client.post(f"{ALL}/delete", json=body), 422, code)


@pytest.mark.usefixtures("crack")
async def test_others_catalogs_are_left_alone(client: httpx.AsyncClient) -> None:
    created(await client.post("/v1/catalogs", json={"name": "theirs"}))
    await register(client, "crack", [photo("crack", 1)], "theirs")
    mine, theirs = await classify(client, photo("crack", 5)), await classify(client, photo("crack", 5), "theirs")
    root = bearer(created(await client.post("/v1/keys", json={"name": "root", "role": "admin"}))["key"])
    wanted = {"name": "A", "catalogs": {"default": "curator", "theirs": "inspector"}}
    some = bearer(created(await client.post("/v1/keys", json=wanted, headers=root))["key"])
    both = {"ids": [mine["id"], theirs["id"]]}
    gone = created(await client.post(f"{ALL}/delete", json=both, headers=some))
    assert gone["classifications"] == 1
    assert (await client.get(f"{ALL}/{theirs['id']}", headers=root)).status_code == 200
    wanted = {"name": "B", "catalogs": {"theirs": "admin"}}
    other = bearer(created(await client.post("/v1/keys", json=wanted, headers=root))["key"])
    back = {"deletion_id": gone["deletion_id"]}
    assert created(await client.post(f"{ALL}/restore", json=back, headers=other)) == {"classifications": 0}
    assert created(await client.post(f"{ALL}/restore", json=back, headers=some)) == {"classifications": 1}


@pytest.mark.usefixtures("crack")
async def test_a_catalog_keeps_answers_for_as_long_as_it_says(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings
) -> None:
    old, new = await classify(client, photo("crack", 5)), await classify(client, photo("crack", 6))
    days_ago = datetime.now(UTC) - timedelta(days=31)
    statement = "UPDATE classifications SET created_at = :at WHERE filename = :file"
    execute(
        settings.database_url,
        "UPDATE classifications SET filename = 'old' WHERE photo_sha256 = :id",
        id=old["photo"]["id"],
    )
    execute(settings.database_url, statement, at=str(days_ago.replace(tzinfo=None)), file="old")
    assert (await client.get("/v1/catalogs/default")).json()["keep_days"] is None
    await _later(app, days=0)
    shown = (await client.get("/v1/catalogs/default/retention", params={"keep_days": 30})).json()
    assert shown["classifications"] == 1
    assert datetime.fromisoformat(shown["oldest"]) == days_ago
    assert await _ids(client, until=shown["until"]) == [old["id"]]
    assert (await client.patch("/v1/catalogs/default", json={"keep_days": 30})).json()["keep_days"] == 30
    await _later(app, days=0)
    assert await _ids(client) == [new["id"]]
    line = (await client.get("/v1/audit")).json()["items"][0]
    assert (line["actor"], line["action"], line["detail"]) == ("retention", "answers-deleted", {"classifications": 1})
    assert await _restore(client, line["subject_id"]) == 1
    await _later(app, days=0)
    await _later(app, minutes=61)
    assert await _restore(client, line["subject_id"]) == 0
    assert await _ids(client) == [new["id"]]
    shown = (await client.get("/v1/catalogs/default/retention", params={"keep_days": 30})).json()
    assert (shown["classifications"], shown["oldest"]) == (0, None)
    problem(await client.get("/v1/catalogs/default/retention", params={"keep_days": 0}), 422, "request-invalid")
