"""The same Idempotency-Key and content have their effect once, however often and however close together they arrive."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response

from app.api.idempotency.service import Once
from app.catalogs.schemas import CatalogCreate, DefectClassCreate
from app.config import Settings
from app.storage.database import Database
from tests.drawn import photo, photos
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, files, nothing_stored, problem, register, row_counts

KEY = {"Idempotency-Key": "from-a-phone-in-a-tunnel"}


def _calls(judged: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every POST of the interface, as arguments of `httpx`."""
    first = judged["predictions"][0]["defect_class"]["id"]
    return {
        "catalog": {"url": "/v1/catalogs", "json": {"name": "tower-b"}},
        "class": {"url": CLASSES, "data": {"name": "rust"}, "files": files(photos("rust", range(3)))},
        "support": {"url": f"/v1/defect-classes/{first}/support-photos", "files": files([photo(seed=7)])},
        "classification": {"url": CLASSIFICATIONS, "files": files([photo(seed=8)], "photo")},
        "feedback": {"url": f"/v1/classifications/{judged['id']}/feedback", "json": {"verdict": "confirmed"}},
    }


CALLS = ["catalog", "class", "support", "classification", "feedback"]


async def _start(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    await register(client, "crack", [photo()])
    return _calls(await classify(client, photo()))


@pytest.mark.parametrize("call", CALLS)
async def test_the_second_time_repeats_the_first_answer(
    client: httpx.AsyncClient, settings: Settings, call: str
) -> None:
    arguments = (await _start(client))[call]
    first = await client.post(**arguments, headers=KEY)
    created(first)
    assert "idempotency-replayed" not in first.headers
    with nothing_stored(settings):
        second = await client.post(**arguments, headers=KEY)
    assert second.status_code == 201
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["idempotency-replayed"] == "true"


async def test_another_multipart_boundary_is_the_same_content(client: httpx.AsyncClient, settings: Settings) -> None:
    arguments = (await _start(client))["class"]
    requests = [client.build_request("POST", **arguments, headers=KEY) for _ in range(2)]
    assert requests[0].headers["content-type"] != requests[1].headers["content-type"]
    first = await client.send(requests[0])
    with nothing_stored(settings):
        assert created(await client.send(requests[1])) == created(first)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.both_databases
async def test_eight_at_the_same_time_have_one_effect(remote: httpx.AsyncClient, settings: Settings, call: str) -> None:
    arguments = (await _start(remote))[call]
    before = row_counts(settings)
    answers = await asyncio.gather(*(remote.post(**arguments, headers=KEY) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    after = row_counts(settings)
    assert after["idempotency_keys"] == before["idempotency_keys"] + 1
    table = {"catalog": "catalogs", "class": "defect_classes", "support": "support_photos", "feedback": "feedback"}
    assert after[table.get(call, "classifications")] == before[table.get(call, "classifications")] + 1


async def test_another_content_under_the_same_key_is_refused(client: httpx.AsyncClient, settings: Settings) -> None:
    calls = await _start(client)
    created(await client.post(**calls["class"], headers=KEY))
    with nothing_stored(settings):
        for arguments in (
            calls["class"] | {"data": {"name": "rust", "severity": "low"}},
            calls["class"] | {"files": files(photos("rust", range(2)))},
            calls["class"] | {"files": files(photos("rust", range(3))[::-1])},
            calls["class"] | {"url": "/v1/catalogs/other/defect-classes"},
            calls["support"],
            calls["classification"],
            calls["classification"] | {"params": {"top_k": "2"}},
            calls["feedback"],
            calls["catalog"],
        ):
            problem(await client.post(**arguments, headers=KEY), 422, "idempotency-key-reused")


async def test_without_a_key_or_with_another_one_every_request_counts(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    arguments = (await _start(client))["classification"]
    before = row_counts(settings)["classifications"]
    answers = [created(await client.post(**arguments, headers=headers)) for headers in ({}, {}, KEY)]
    answers.append(created(await client.post(**arguments, headers={"Idempotency-Key": "another"})))
    assert len({answer["id"] for answer in answers}) == 4
    assert row_counts(settings)["classifications"] == before + 4


async def test_a_request_that_failed_does_not_use_its_key_up(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", [photo()])
    taken: dict[str, Any] = {"url": CLASSES, "data": {"name": "crack"}, "files": files([photo(seed=3)])}
    with nothing_stored(settings):
        problem(await client.post(**taken, headers=KEY), 409, "defect-class-name-taken")
        broken: dict[str, Any] = {"url": CLASSES, "data": {"name": "rust"}, "files": files([b"GIF89a"])}
        problem(await client.post(**broken, headers=KEY), 422, "no-usable-photo")
        problem(await client.post("/v1/catalogs", json={"name": "default"}, headers=KEY), 409, "catalog-name-taken")
    good: dict[str, Any] = {"url": CLASSES, "data": {"name": "rust"}, "files": files([photo("rust")])}
    assert created(await client.post(**good, headers=KEY))["name"] == "rust"


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_1_to_255_characters(client: httpx.AsyncClient, settings: Settings, key: str) -> None:
    with nothing_stored(settings):
        answer = await client.post("/v1/catalogs", json={"name": "a"}, headers={"Idempotency-Key": key})
        problem(answer, 422, "request-invalid")


async def test_an_answer_is_repeated_also_after_what_it_tells_of_is_gone(client: httpx.AsyncClient) -> None:
    """The phone that never got the answer must not register the class anew."""
    arguments = (await _start(client))["class"]
    made = created(await client.post(**arguments, headers=KEY))
    await client.delete(f"/v1/defect-classes/{made['id']}")
    assert created(await client.post(**arguments, headers=KEY)) == made
    listed = (await client.get(CLASSES)).json()["items"]
    assert [item["name"] for item in listed] == ["crack"]


@pytest.mark.both_databases
async def test_the_slower_of_two_equal_registrations_gets_the_answer_of_the_quicker(app: FastAPI) -> None:
    """The quicker one finishes just after the slower one has looked for the key and before it looks for the name."""
    database: Database = app.state.database
    service = app.state.catalog_service
    wanted = DefectClassCreate(name="crack")

    class Sent:
        filename = "a.jpg"
        size = None

        async def read(self) -> bytes:
            return photo()

    async def register_once() -> Response:
        quick = Once(database, "key", "content")
        return await quick.respond(lambda: service.register("default", wanted, [Sent()], quick))

    slow = Once(database, "key", "content")
    quicker: list[Response] = []

    async def overtaken() -> Any:
        quicker.append(await register_once())
        return await service.register("default", wanted, [Sent()], slow)

    answer = await slow.respond(overtaken)
    assert answer.status_code == 201
    assert answer.body == quicker[0].body


@pytest.mark.both_databases
async def test_the_slower_of_two_equal_catalogs_gets_the_answer_of_the_quicker(app: FastAPI) -> None:
    database: Database = app.state.database
    service = app.state.catalog_service
    wanted = CatalogCreate(name="tower-b")
    quick, slow = Once(database, "key", "content"), Once(database, "key", "content")
    quicker: list[Response] = []

    async def overtaken() -> Any:
        quicker.append(await quick.respond(lambda: service.create_catalog(wanted, quick)))
        return await service.create_catalog(wanted, slow)

    answer = await slow.respond(overtaken)
    assert answer.body == quicker[0].body
