"""Feedback that counts: a photo becomes an example, and agreement is counted."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from app.config import Settings
from app.inspections.tables import Classification
from tests.drawn import photo, photos
from tests.rest import classify, created, execute, nothing_stored, problem, register

ADDRESS = "/v1/catalogs/default/agreement"


@pytest.fixture
async def ids(client: httpx.AsyncClient) -> dict[str, str]:
    return {kind: (await register(client, kind, photos(kind, range(3))))["id"] for kind in ("crack", "rust")}


async def _feedback(client: httpx.AsyncClient, answer: dict[str, Any], **sent: Any) -> dict[str, Any]:
    return created(await client.post(f"/v1/classifications/{answer['id']}/feedback", json=sent))


async def test_a_corrected_photo_becomes_an_example_and_is_recognised(
    client: httpx.AsyncClient, ids: dict[str, str]
) -> None:
    odd = photo("brick", 7)
    answer = await classify(client, odd)
    wrong = answer["predictions"][0]["defect_class"]["id"]
    right = next(each for each in ids.values() if each != wrong)
    kept = await _feedback(client, answer, verdict="corrected", defect_class_id=right, add_to_support=True)
    assert (await client.get(f"/v1/defect-classes/{right}")).json()["shots"] == 4
    again = await classify(client, odd)
    assert again["predictions"][0]["defect_class"]["id"] == right
    assert again["nearest"][0]["support_photo_id"] == kept["support_photo_id"]
    # It can be taken back: then all is as before, and the inspector's word stays.
    assert (await client.delete(f"/v1/support-photos/{kept['support_photo_id']}")).status_code == 204
    # The row of the matrix is another one, and the last bit of a product may depend on that.
    before = [each["similarity"] for each in answer["predictions"]]
    after = [each["similarity"] for each in (await classify(client, odd))["predictions"]]
    assert after == pytest.approx(before, abs=1e-6)
    word = (await client.get(f"/v1/classifications/{answer['id']}")).json()["feedback"]
    assert (word["verdict"], word["support_photo_id"]) == ("corrected", None)


async def test_a_photo_that_is_an_example_already_is_not_added_twice(
    client: httpx.AsyncClient, ids: dict[str, str]
) -> None:
    answer = await classify(client, photo("crack", 1))
    assert answer["predictions"][0]["defect_class"]["id"] == ids["crack"]
    kept = await _feedback(client, answer, verdict="confirmed", add_to_support=True)
    assert kept["support_photo_id"] == answer["nearest"][0]["support_photo_id"]
    assert (await client.get(f"/v1/defect-classes/{ids['crack']}")).json()["shots"] == 3


async def test_a_verdict_without_a_class_adds_nothing(
    client: httpx.AsyncClient, ids: dict[str, str], settings: Settings
) -> None:
    answer = await classify(client, photo("crack", 9))
    first = answer["predictions"][0]["defect_class"]["id"]
    address = f"/v1/classifications/{answer['id']}/feedback"
    with nothing_stored(settings):
        unknown = await client.post(address, json={"verdict": "unknown", "add_to_support": True})
        problem(unknown, 422, "feedback-incomplete")
    await client.delete(f"/v1/defect-classes/{first}")
    assert first in ids.values()
    with nothing_stored(settings):
        gone = await client.post(address, json={"verdict": "confirmed", "add_to_support": True})
        problem(gone, 422, "feedback-incomplete")
        nowhere = "/v1/classifications/00000000-0000-7000-8000-000000000000/feedback"
        missing = await client.post(nowhere, json={"verdict": "confirmed", "add_to_support": True})
        problem(missing, 404, "classification-not-found")


async def test_agreement_is_counted_by_week_and_class(
    client: httpx.AsyncClient, ids: dict[str, str], settings: Settings
) -> None:
    assert (await client.get(ADDRESS)).json() == {"catalog": "default", "judged": 0, "agreed": 0, "rows": []}
    answers = [await classify(client, photo(kind, 1)) for kind in ("crack", "crack", "rust", "crack", "crack")]
    await _feedback(client, answers[0], verdict="confirmed")
    await _feedback(client, answers[1], verdict="confirmed")
    await _feedback(client, answers[1], verdict="corrected", defect_class_id=ids["rust"])  # the newest word counts
    await _feedback(client, answers[2], verdict="unknown")
    await client.patch(f"/v1/defect-classes/{ids['rust']}", json={"threshold": 0.9999})
    await client.patch(f"/v1/defect-classes/{ids['crack']}", json={"threshold": 0.9999})
    strange = await classify(client, photo("brick", 7))
    assert strange["unknown"]
    await _feedback(client, strange, verdict="unknown")
    _make_older(settings, answers[3]["id"], timedelta(days=14))
    await _feedback(client, answers[3], verdict="confirmed")

    found = (await client.get(ADDRESS)).json()
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    this, before = monday.isoformat(), (monday - timedelta(days=14)).isoformat()
    assert (found["judged"], found["agreed"]) == (5, 3)
    assert found["rows"] == [
        {"week": this, "defect_class": "crack", "judged": 2, "agreed": 1},
        {"week": this, "defect_class": "rust", "judged": 1, "agreed": 0},
        {"week": this, "defect_class": None, "judged": 1, "agreed": 1},
        {"week": before, "defect_class": "crack", "judged": 1, "agreed": 1},
    ]
    problem(await client.get("/v1/catalogs/none/agreement"), 404, "catalog-not-found")


def _make_older(settings: Settings, classification_id: str, age: timedelta) -> None:
    its_id = Classification.id == UUID(classification_id)
    ((created_at,),) = execute(settings.database_url, select(Classification.created_at).where(its_id))
    execute(settings.database_url, update(Classification).where(its_id).values(created_at=created_at - age))
