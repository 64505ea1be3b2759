"""The audit trail says who changed what and when, and nobody takes that back."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from app.config import Settings
from tests.drawn import photo
from tests.rest import classify, execute, files, problem, register


async def trail(client: httpx.AsyncClient, **query: str) -> list[dict[str, object]]:
    """What the trail says, oldest first."""
    answer = await client.get("/v1/audit", params={"limit": "200"} | query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items[::-1]


async def test_every_change_leaves_a_line(client: httpx.AsyncClient) -> None:
    began = datetime.now(UTC)
    assert (await client.post("/v1/catalogs", json={"name": "towers"})).status_code == 201
    assert (await client.patch("/v1/catalogs/towers", json={"title_en": "Towers"})).status_code == 200
    crack = await register(client, "crack", [photo("crack", 0), photo("crack", 1)], "towers")
    more = await client.post(f"/v1/defect-classes/{crack['id']}/support-photos", files=files([photo("crack", 2)]))
    await client.patch(f"/v1/defect-classes/{crack['id']}", json={"severity": "high"})
    answer = await classify(client, photo("crack", 3), "towers")
    asked = f"/v1/classifications/{answer['id']}"
    assert (await client.patch(asked, json={"note": "north"})).status_code == 200
    verdict = {"verdict": "confirmed", "add_to_support": True}
    assert (await client.post(f"{asked}/feedback", json=verdict)).status_code == 201
    await client.delete(f"/v1/support-photos/{more.json()['photos'][0]['support_photo_id']}")
    await client.delete(f"/v1/defect-classes/{crack['id']}")
    await client.delete("/v1/catalogs/towers")
    lines = await trail(client)
    assert [line["action"] for line in lines] == [
        "catalog-created", "catalog-changed", "class-registered", "examples-added", "class-changed", "notes-changed",
        "feedback-given", "example-removed", "class-deleted", "catalog-deleted",
    ]  # fmt: skip
    assert {line["actor"] for line in lines} == {"anybody"}
    assert len({line["catalog_id"] for line in lines}) == 1
    registered = lines[2]
    assert registered["subject_id"] == crack["id"]
    assert registered["detail"] == {"name": "crack", "photos": [each["photo_id"] for each in crack["photos"]]}
    assert lines[4]["detail"] == {"name": "crack", "changed": {"severity": "high"}}
    times = [datetime.fromisoformat(str(line["at"])) for line in lines]
    assert began <= times[0]
    assert times == sorted(times)


async def test_what_failed_leaves_none(client: httpx.AsyncClient) -> None:
    problem(await client.delete("/v1/catalogs/default"), 409, "default-catalog-protected")
    problem(await client.post("/v1/catalogs", json={"name": "default"}), 409, "catalog-name-taken")
    assert await trail(client) == []


async def test_a_repeated_request_leaves_one(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        answer = await client.post("/v1/catalogs", json={"name": "towers"}, headers={"Idempotency-Key": "once"})
        assert answer.status_code == 201
    assert len(await trail(client)) == 1


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"])
@pytest.mark.both_databases
async def test_nobody_changes_or_deletes_a_line(client: httpx.AsyncClient, settings: Settings, statement: str) -> None:
    assert (await client.post("/v1/catalogs", json={"name": "towers"})).status_code == 201
    before = await trail(client)
    with pytest.raises(DBAPIError, match="append-only"):
        execute(settings.database_url, statement)
    assert await trail(client) == before


@pytest.mark.both_databases
async def test_it_is_filtered_and_paged(client: httpx.AsyncClient) -> None:
    for number in range(5):
        assert (await client.post("/v1/catalogs", json={"name": f"c{number}"})).status_code == 201
    await client.delete("/v1/catalogs/c0")
    assert len(await trail(client, action="catalog-deleted")) == 1
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await trail(client, since=soon) == []
    assert len(await trail(client, until=soon)) == 6
    seen, cursor = [], ""
    for _ in range(3):
        page = (await client.get("/v1/audit", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [line["id"] for line in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert len(set(seen)) == 6
    problem(await client.get("/v1/audit", params={"action": "x"}), 422, "request-invalid")


async def test_keys_and_sessions_leave_lines_without_secrets(client: httpx.AsyncClient, settings: Settings) -> None:
    key = (await client.post("/v1/keys", json={"name": "Kim", "role": "admin"})).json()
    await client.post("/sign-in", data={"key": key["key"]})
    await client.post("/sign-out", headers={"X-CSRF-Token": client.cookies["haja_csrf"]})
    headers = {"Authorization": f"Bearer {key['key']}"}
    lines = (await client.get("/v1/audit", headers=headers)).json()["items"][::-1]
    assert [(line["action"], line["actor"]) for line in lines] == [
        ("key-created", "anybody"), ("signed-in", "Kim"), ("signed-out", "Kim"),
    ]  # fmt: skip
    assert not re.search(r"[0-9a-f]{40}", str(execute(settings.database_url, "SELECT detail FROM audit_entries")))
