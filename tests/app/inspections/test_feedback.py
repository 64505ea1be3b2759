"""The inspector's word on an answer."""

import uuid
from typing import Any

import httpx
import pytest

from app.config import Settings
from tests.drawn import photo
from tests.rest import classify, created, nothing_stored, problem, register, row_counts


@pytest.fixture
async def judged(client: httpx.AsyncClient) -> dict[str, Any]:
    """A classification in a catalog of two classes, whose first prediction is `crack`."""
    await register(client, "crack", [photo("crack", 1)])
    await register(client, "rust", [photo("rust", 1)])
    answer = await classify(client, photo("crack", 1))
    assert [found["defect_class"]["name"] for found in answer["predictions"]] == ["crack", "rust"]
    return answer


def _ids(judged: dict[str, Any]) -> tuple[str, str]:
    first, second = judged["predictions"]
    return first["defect_class"]["id"], second["defect_class"]["id"]


async def test_each_verdict_is_kept_with_the_class_it_means(client: httpx.AsyncClient, judged: dict[str, Any]) -> None:
    crack, rust = _ids(judged)
    address = f"/v1/classifications/{judged['id']}"
    for sent, class_id, name in (
        ({"verdict": "confirmed"}, crack, "crack"),
        ({"verdict": "confirmed", "defect_class_id": crack}, crack, "crack"),
        ({"verdict": "corrected", "defect_class_id": rust, "note": "녹물"}, rust, "rust"),
        ({"verdict": "corrected", "defect_class_id": crack}, crack, "crack"),
        ({"verdict": "unknown"}, None, None),
        ({"verdict": "sound"}, None, None),
    ):
        kept = created(await client.post(f"{address}/feedback", json=sent))
        assert kept["verdict"] == sent["verdict"]
        assert (kept["defect_class_id"], kept["defect_class_name"]) == (class_id, name)
        assert kept["note"] == sent.get("note", "")
        assert kept["classification_id"] == judged["id"]
        # The newest word is the one that is shown, alone and in the list.
        assert (await client.get(address)).json() == judged | {"feedback": kept}
        assert (await client.get("/v1/classifications")).json()["items"] == [judged | {"feedback": kept}]


async def test_older_words_stay_in_the_database(
    client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings
) -> None:
    for _ in range(3):
        created(await client.post(f"/v1/classifications/{judged['id']}/feedback", json={"verdict": "unknown"}))
    assert row_counts(settings)["feedback"] == 3


async def test_a_word_is_taken_back_and_the_one_before_it_counts_again(
    client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings
) -> None:
    _, rust = _ids(judged)
    address = f"/v1/classifications/{judged['id']}"
    first = created(await client.post(f"{address}/feedback", json={"verdict": "confirmed"}))
    second = created(await client.post(f"{address}/feedback", json={"verdict": "corrected", "defect_class_id": rust}))
    for word, left in ((second, first), (first, None)):
        assert (await client.delete(f"{address}/feedback/{word['id']}")).status_code == 204
        assert (await client.get(address)).json() == judged | {"feedback": left}
    with nothing_stored(settings):
        problem(await client.delete(f"{address}/feedback/{second['id']}"), 404, "feedback-not-found")
    other = await classify(client, photo("rust", 1))
    kept = created(await client.post(f"{address}/feedback", json={"verdict": "sound"}))
    with nothing_stored(settings):
        elsewhere = await client.delete(f"/v1/classifications/{other['id']}/feedback/{kept['id']}")
        problem(elsewhere, 404, "feedback-not-found")
    log = (await client.get("/v1/audit")).json()["items"]
    assert [each["action"] for each in log].count("feedback-withdrawn") == 2


async def test_inspectors_take_back_their_own_words_and_curators_those_of_anybody(
    client: httpx.AsyncClient, judged: dict[str, Any]
) -> None:
    async def key(name: str, role: str, headers: dict[str, str] | None = None) -> dict[str, str]:
        made = created(await client.post("/v1/keys", json={"name": name, "role": role}, headers=headers))
        return {"Authorization": f"Bearer {made['key']}"}

    admin = await key("Lee", "admin")
    kim, park, curator = [
        await key(name, role, admin)
        for name, role in (("Kim", "inspector"), ("Park", "inspector"), ("Choi", "curator"))
    ]
    address = f"/v1/classifications/{judged['id']}/feedback"
    words = [created(await client.post(address, json={"verdict": "unknown"}, headers=kim)) for _ in range(2)]
    refused = await client.delete(f"{address}/{words[0]['id']}", headers=park)
    problem(refused, 403, "feedback-not-yours")
    for word, who in zip(words, (kim, curator), strict=True):
        assert (await client.delete(f"{address}/{word['id']}", headers=who)).status_code == 204


async def test_wrong_combinations_are_refused(
    client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings
) -> None:
    crack, rust = _ids(judged)
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    elsewhere = (await register(client, "rust", [photo("rust", 2)], catalog="other"))["id"]
    for sent, status, code in (
        ({"verdict": "corrected"}, 422, "feedback-incomplete"),
        ({"verdict": "corrected", "defect_class_id": None}, 422, "feedback-incomplete"),
        ({"verdict": "unknown", "defect_class_id": crack}, 422, "feedback-incomplete"),
        ({"verdict": "sound", "defect_class_id": crack}, 422, "feedback-incomplete"),
        ({"verdict": "sound", "add_to_support": True}, 422, "feedback-incomplete"),
        ({"verdict": "confirmed", "defect_class_id": rust}, 422, "feedback-incomplete"),
        ({"verdict": "corrected", "defect_class_id": str(uuid.uuid4())}, 404, "defect-class-not-found"),
        ({"verdict": "corrected", "defect_class_id": elsewhere}, 404, "defect-class-not-found"),
        ({"verdict": "maybe"}, 422, "request-invalid"),
        ({}, 422, "request-invalid"),
        ({"verdict": "unknown", "note": "x" * 4001}, 422, "request-invalid"),
        ({"verdict": "unknown", "score": 1}, 422, "request-invalid"),
    ):
        with nothing_stored(settings):
            answer = await client.post(f"/v1/classifications/{judged['id']}/feedback", json=sent)
            problem(answer, status, code)


async def test_the_word_keeps_the_class_name_when_the_class_is_gone(
    client: httpx.AsyncClient, judged: dict[str, Any]
) -> None:
    crack, rust = _ids(judged)
    address = f"/v1/classifications/{judged['id']}"
    created(await client.post(f"{address}/feedback", json={"verdict": "corrected", "defect_class_id": rust}))
    await client.delete(f"/v1/defect-classes/{rust}")
    kept = (await client.get(address)).json()["feedback"]
    assert (kept["defect_class_id"], kept["defect_class_name"]) == (None, "rust")
    # The first prediction can still be confirmed after its class is gone.
    await client.delete(f"/v1/defect-classes/{crack}")
    late = created(await client.post(f"{address}/feedback", json={"verdict": "confirmed"}))
    assert (late["defect_class_id"], late["defect_class_name"]) == (None, "crack")
