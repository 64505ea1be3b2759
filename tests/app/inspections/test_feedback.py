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
