"""Adding and removing support photos: a prototype is what its present photos make it, to the bit."""

import uuid

import httpx
import pytest
from sqlalchemy import select

from app.catalogs.tables import Prototype
from app.config import Settings
from tests.drawn import photo, photos
from tests.rest import classify, created, execute, files, nothing_stored, problem, register, row_counts


async def test_removing_what_was_added_leaves_no_trace(client: httpx.AsyncClient, settings: Settings) -> None:
    base = photos("crack", range(4))
    plain = await register(client, "never-had-it", base)
    touched = await register(client, "had-it", base)
    added = created(await client.post(_address(touched), files=files(photos("rust", range(3)))))
    assert added["shots"] == 7
    assert _prototype(settings, touched) != _prototype(settings, plain)
    for outcome in added["photos"]:
        assert (await client.delete(f"/v1/support-photos/{outcome['support_photo_id']}")).status_code == 204
    assert _prototype(settings, touched) == _prototype(settings, plain)
    first, second = (await classify(client, photo("brick", 7)))["predictions"]
    assert first["similarity"] == second["similarity"]
    assert row_counts(settings)["photos"] == 4 + 1


async def test_the_order_of_photos_does_not_matter(client: httpx.AsyncClient, settings: Settings) -> None:
    sent = photos("crack", range(5))
    forward = await register(client, "forward", sent)
    backward = await register(client, "backward", [sent[4]])
    for data in sent[3::-1]:
        created(await client.post(_address(backward), files=files([data])))
    assert _prototype(settings, forward) == _prototype(settings, backward)


async def test_adding_and_removing_takes_effect_in_the_next_answer(client: httpx.AsyncClient) -> None:
    crack = await register(client, "crack", [photo("rust", 0)])
    await register(client, "brick", photos("brick", range(2)))
    query = photo("crack", 9)
    before = (await classify(client, query))["predictions"]
    added = created(await client.post(_address(crack), files=files([photo("crack", 0)])))
    after = (await classify(client, query))["predictions"]
    assert _of("crack", after) > _of("crack", before)
    assert _of("brick", after) == pytest.approx(_of("brick", before), abs=1e-6)
    await client.delete(f"/v1/support-photos/{added['photos'][0]['support_photo_id']}")
    assert _of("crack", (await classify(client, query))["predictions"]) == pytest.approx(_of("crack", before), abs=1e-6)


async def test_a_class_without_photos_is_kept_but_not_recognised(client: httpx.AsyncClient, settings: Settings) -> None:
    made = await register(client, "crack", [photo("crack", 1)])
    await register(client, "rust", [photo("rust", 1)])
    await client.delete(f"/v1/support-photos/{made['photos'][0]['support_photo_id']}")
    assert (await client.get(f"/v1/defect-classes/{made['id']}")).json()["shots"] == 0
    answer = await classify(client, photo("crack", 2))
    assert [found["defect_class"]["name"] for found in answer["predictions"]] == ["rust"]
    assert row_counts(settings)["prototypes"] == 1
    created(await client.post(_address(made), files=files([photo("crack", 3)])))
    answer = await classify(client, photo("crack", 2))
    assert answer["predictions"][0]["defect_class"]["name"] == "crack"


async def test_the_photos_of_a_class_are_listed_in_the_order_they_were_sent(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    created(await client.post(_address(made), files=files([photo("crack", 9)])))
    listed = (await client.get(_address(made))).json()
    assert [item["filename"] for item in listed["items"]] == ["0.jpg", "1.jpg", "2.jpg", "0.jpg"]
    assert [item["id"] for item in listed["items"][:3]] == [row["support_photo_id"] for row in made["photos"]]
    assert listed["next_cursor"] is None


async def test_adding_nothing_but_broken_photos_changes_nothing(client: httpx.AsyncClient, settings: Settings) -> None:
    made = await register(client, "crack", [photo()])
    with nothing_stored(settings):
        problem(await client.post(_address(made), files=files([b"GIF89a"])), 422, "no-usable-photo")
    assert (await client.get("/v1/catalogs/default")).json()["version"] == made["catalog_version"]


async def test_what_is_not_there_cannot_be_added_to_or_removed(client: httpx.AsyncClient, settings: Settings) -> None:
    made = await register(client, "crack", [photo()])
    support = made["photos"][0]["support_photo_id"]
    await client.delete(f"/v1/support-photos/{support}")
    with nothing_stored(settings):
        problem(await client.delete(f"/v1/support-photos/{support}"), 404, "support-photo-not-found")
        nowhere = f"/v1/defect-classes/{uuid.uuid4()}"
        problem(await client.post(f"{nowhere}/support-photos", files=files([photo()])), 404, "defect-class-not-found")
        for answer in (
            await client.get(nowhere),
            await client.get(f"{nowhere}/support-photos"),
            await client.patch(nowhere, json={"name": "x"}),
            await client.delete(nowhere),
        ):
            problem(answer, 404, "defect-class-not-found")


async def test_file_names_are_shown_without_folders_and_control_characters(client: httpx.AsyncClient) -> None:
    sent = [("photos", (name, data, "image/jpeg")) for name, data in zip(
        ("../../etc/passwd", "C:\\site\\벽.jpg", "a\tb.jpg", "x" * 400), photos("crack", range(4)), strict=True
    )]  # fmt: skip
    answer = await client.post("/v1/catalogs/default/defect-classes", data={"name": "crack"}, files=sent)
    names = [outcome["filename"] for outcome in created(answer)["photos"]]
    assert names[:2] == ["passwd", "벽.jpg"]
    assert names[3] == "x" * 255
    assert all(name.isprintable() for name in names)


def _address(made: dict[str, str]) -> str:
    return f"/v1/defect-classes/{made['id']}/support-photos"


def _of(name: str, predictions: list[dict[str, dict[str, str]]]) -> float:
    (found,) = [found["similarity"] for found in predictions if found["defect_class"]["name"] == name]
    return float(found)  # type: ignore[arg-type]


def _prototype(settings: Settings, made: dict[str, str]) -> tuple[bytes, int]:
    query = select(Prototype.embedding_sum, Prototype.shots).where(Prototype.defect_class_id == uuid.UUID(made["id"]))
    ((embedding_sum, shots),) = execute(settings.database_url, query)
    return embedding_sum, shots
