"""Who found what where, and what became of it: filters, many changed at once, and the counts of a team."""

import httpx
import pytest

from tests.app.access.conftest import bearer
from tests.drawn import photo
from tests.rest import CLASSIFICATIONS, created, files, problem, register

ALL = "/v1/classifications"


async def _found(client: httpx.AsyncClient, seed: int, place: str = "") -> str:
    sent = files([photo("crack", seed)], "photo")
    return str(created(await client.post(CLASSIFICATIONS, data={"place": place}, files=sent))["id"])


async def _ids(client: httpx.AsyncClient, **query: str | bool) -> set[str]:
    answer = await client.get(ALL, params=query)
    assert answer.status_code == 200, answer.text
    return {each["id"] for each in answer.json()["items"]}


async def test_places_are_paths_that_are_filtered_listed_and_set_for_many(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo("crack", 1)])
    room, floor, other, none = [
        await _found(client, seed, place)
        for seed, place in enumerate(["Site/101동 /3층/  Bath", "site / 101동", "Site / 1011", ""], 5)
    ]
    assert (await client.get(f"{ALL}/{room}")).json()["place"] == "Site / 101동 / 3층 / Bath"
    assert await _ids(client, under="SITE/101동") == {room, floor}
    assert await _ids(client, under="site") == {room, floor, other}
    assert await _ids(client, under="") == {none}
    recent = ["Site / 1011", "site / 101동", "Site / 101동 / 3층 / Bath"]
    assert (await client.get(f"{ALL}/places")).json() == recent
    both = {"ids": [room, none], "place": "Site/102동", "status": "fixed"}
    assert created(await client.post(f"{ALL}/change", json=both)) == {"classifications": 2}
    assert await _ids(client, under="site/102동") == await _ids(client, status="fixed") == {room, none}
    line = (await client.get("/v1/audit")).json()["items"][0]
    assert (line["action"], line["detail"]["classifications"]) == ("notes-changed", 2)
    one = await client.patch(f"{ALL}/{room}", json={"status": "checked"})
    assert one.json()["status"] == "checked"
    problem(await client.patch(f"{ALL}/{room}", json={"status": "mended"}), 422, "request-invalid")
    exported = (await client.get(f"{ALL}/export.csv", params={"status": "checked"})).text
    assert "checked" in exported


async def test_each_number_of_a_team_opens_what_is_behind_it(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo("crack", 1)])
    rust = (await register(client, "rust", [photo("rust", 1)]))["id"]
    first, second, third, _ = [
        await _found(client, seed, place) for seed, place in enumerate(["A / 1", "A / 2", "B", ""], 5)
    ]
    for answer, word in (
        (first, {"verdict": "corrected", "defect_class_id": rust}),
        (second, {"verdict": "unknown"}),
        (third, {"verdict": "confirmed"}),
    ):
        created(await client.post(f"{ALL}/{answer}/feedback", json=word))
    asked = {"period": "today", "time_zone": "Asia/Seoul", "catalog": "default"}
    counts = (await client.get(f"{ALL}/counts", params=asked)).json()
    assert counts["total"]["classifications"] == 4
    assert counts["not_judged"]["classifications"] == 1
    rows = {name: {row["name"]: row["classifications"] for row in counts[name]} for name in counts if "by_" in name}
    assert rows["by_place"] == {"A": 2, "B": 1, "": 1}
    assert rows["by_class"]["rust"] == 1
    assert rows["by_status"] == {"open": 4}
    assert sum(rows["by_class"].values()) == sum(rows["by_person"].values()) == 4
    every = [counts["total"], counts["not_judged"], counts["disagreement"]]
    for row in [*every, *(row for name in rows for row in counts[name])]:
        assert len(await _ids(client, **row["conditions"])) == row["classifications"], row
    deeper = (await client.get(f"{ALL}/counts", params={"levels": 2})).json()["by_place"]
    assert {row["name"] for row in deeper} == {"A / 1", "A / 2", "B", ""}


@pytest.mark.parametrize("mine", [True, False])
async def test_what_is_mine_is_told_from_what_others_sent(client: httpx.AsyncClient, mine: bool) -> None:
    await register(client, "crack", [photo("crack", 1)])
    before = await _found(client, 5)
    key = created(await client.post("/v1/keys", json={"name": "Kim", "role": "admin"}))["key"]
    client.headers.update(bearer(key))
    own = await _found(client, 6)
    assert await _ids(client, mine=mine) == {own if mine else before}
    assert await _ids(client, by="Kim") == {own}
