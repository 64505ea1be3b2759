"""The history by class, time, disagreement and place, alone and together."""

from typing import Any

import httpx
import pytest

from app.config import Settings
from app.storage import schema
from tests.drawn import photo
from tests.rest import CLASSIFICATIONS, classify, created, execute, files, problem, register


async def _ids(client: httpx.AsyncClient, **query: str) -> list[str]:
    answer = await client.get("/v1/classifications", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def _say(client: httpx.AsyncClient, classification_id: str, verdict: str, class_id: str | None = None) -> None:
    word = {"verdict": verdict, "defect_class_id": class_id}
    created(await client.post(f"/v1/classifications/{classification_id}/feedback", json=word))


async def told(client: httpx.AsyncClient) -> tuple[dict[str, str], dict[str, str]]:
    """Ids of the classes crack and rust, and of answers that are named after what they said and what was said of them.

    All answers say `crack`; those named `strange...` were unknown, too.
    """
    classes = {kind: (await register(client, kind, [photo(kind, 1)]))["id"] for kind in ("crack", "rust")}
    answers = {}
    for name in ("plain", "confirmed", "corrected", "refused", "again"):
        answers[name] = (await classify(client, photo("crack", 1)))["id"]
    await client.patch(f"/v1/defect-classes/{classes['crack']}", json={"threshold": 1})
    for name in ("strange", "strange_borne_out", "strange_known"):
        answer = await classify(client, photo("crack", 2))
        assert answer["unknown"]
        assert answer["predictions"][0]["defect_class"]["name"] == "crack"
        answers[name] = answer["id"]
    await _say(client, answers["confirmed"], "confirmed")
    await _say(client, answers["corrected"], "corrected", classes["rust"])
    await _say(client, answers["refused"], "unknown")
    await _say(client, answers["again"], "corrected", classes["rust"])
    await _say(client, answers["again"], "confirmed")
    await _say(client, answers["strange_borne_out"], "unknown")
    await _say(client, answers["strange_known"], "confirmed")
    return classes, answers


@pytest.mark.both_databases
async def test_filters_find_what_they_should(client: httpx.AsyncClient) -> None:
    """On any database."""
    classes, answers = await told(client)

    async def found(**query: str) -> set[str]:
        names = {each: name for name, each in answers.items()}
        return {names[each] for each in await _ids(client, **query)}

    crack, rust = classes["crack"], classes["rust"]
    assert await found(defect_class_id=crack) == {"plain", "confirmed", "again", "strange_known"}
    assert await found(defect_class_id=rust) == {"corrected"}
    contradicted = {"corrected", "refused", "strange_known"}
    assert await found(disagreement="true") == contradicted
    assert await found(disagreement="false") == {"confirmed", "again", "strange_borne_out"}
    assert await found(disagreement="true", unknown="true") == {"strange_known"}
    assert await found(disagreement="true", defect_class_id=rust) == {"corrected"}
    first = (await client.get(f"/v1/classifications/{answers['strange']}")).json()["created_at"]
    assert await found(since=first) == {"strange", "strange_borne_out", "strange_known"}
    assert await found(until=first) == set(answers) - {"strange", "strange_borne_out", "strange_known"}
    assert await found(since=first, until=first) == set()
    assert await found(since=first, disagreement="true") == {"strange_known"}
    assert await found(since="0002-01-01T00:00:00+14:00", until="9998-12-31T23:59:59-14:00") == set(answers)
    for name, place in (("plain", "Bâtiment É, 3층"), ("again", "100%_done"), ("strange", "옥상")):
        await client.patch(f"/v1/classifications/{answers[name]}", json={"place": place})
    for part in ("bÂtiment é", "3층", "É"):
        assert await found(place=part) == {"plain"}
    assert await found(place="%") == await found(place="_") == {"again"}
    assert await found(place="옥상", unknown="true") == {"strange"}
    assert await found(place="옥상", unknown="false") == set()
    assert await found(place="", catalog="default") == set(answers)
    # The class that was removed is still the one that was answered.
    await client.delete(f"/v1/defect-classes/{crack}")
    assert await found(defect_class_id=crack) == {"plain", "confirmed", "again", "strange_known"}


@pytest.fixture
async def places(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Nine classifications on two floors, newest first."""
    await register(client, "crack", [photo()])
    sent = [
        created(await client.post(CLASSIFICATIONS, data={"place": f"{seed % 2}F"}, files=files([photo()], "photo")))
        for seed in range(9)
    ]
    return sent[::-1]


@pytest.mark.both_databases
async def test_pages_of_what_is_filtered(client: httpx.AsyncClient, places: list[dict[str, Any]]) -> None:
    query, items = {"place": "0f", "limit": "2"}, []
    while True:
        page = (await client.get("/v1/classifications", params=query)).json()
        assert len(page["items"]) <= 2
        items += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert items == [each for each in places if each["place"] == "0F"]


@pytest.mark.parametrize(
    "query",
    [
        {"defect_class_id": "crack"},
        {"since": "2026-11-22T09:30:00"},
        {"since": "2026-11-22"},
        {"until": "soon"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-14:00"},
        {"disagreement": "perhaps"},
        {"place": "x" * 201},
        {"place": "a\0b"},
    ],
)
async def test_conditions_that_make_no_sense(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    problem(await client.get("/v1/classifications", params=query), 422, "request-invalid")


@pytest.mark.both_databases
async def test_answers_of_an_older_database_are_found_by_class(client: httpx.AsyncClient, settings: Settings) -> None:
    made = await register(client, "crack", [photo()])
    answer = await classify(client, photo())
    first = "SELECT first_class_id FROM classifications"
    before = execute(settings.database_url, first)
    schema.downgrade(settings.database_url, "0004")
    schema.upgrade(settings.database_url)
    assert execute(settings.database_url, first) == before
    found = await client.get("/v1/classifications", params={"defect_class_id": made["id"]})
    # Who did it was not kept then.
    assert found.json()["items"] == [answer | {"actor_id": None, "actor": "unknown"}]
