"""Registering defect classes and changing them, over the REST interface."""

from uuid import UUID

import httpx
import pytest
from PIL import ExifTags, Image
from sqlalchemy import select

from app.catalogs.tables import Prototype
from app.config import Settings
from tests.drawn import photo, photos, pixels, save
from tests.rest import CLASSES, classify, execute, files, problem, register, row_counts


async def test_five_photos_make_a_class_that_recognises_the_next_one(remote: httpx.AsyncClient) -> None:
    """The whole path through a real server, as the README shows it."""
    for kind in ("crack", "rust", "brick"):
        await register(remote, kind, photos(kind, range(5)))
    for kind in ("crack", "rust", "brick"):
        for seed in (100, 101):
            answer = await classify(remote, photo(kind, seed))
            assert answer["predictions"][0]["defect_class"]["name"] == kind


async def test_the_answer_says_what_was_registered(client: httpx.AsyncClient) -> None:
    wanted = {"title_ko": "균열", "title_en": "Crack", "description": "thin", "severity": "low"}
    answer = await register(client, "crack", photos("crack", range(5)), **wanted)
    assert {field: answer[field] for field in wanted} == wanted
    assert answer["shots"] == 5
    assert answer["catalog_version"] == 2
    assert [outcome["status"] for outcome in answer["photos"]] == ["accepted"] * 5
    assert [outcome["filename"] for outcome in answer["photos"]] == [f"{number}.jpg" for number in range(5)]
    stored = (await client.get(f"/v1/defect-classes/{answer['id']}")).json()
    own = {"catalog_version", "photos", "support_report"}
    assert stored == {field: value for field, value in answer.items() if field not in own}


async def test_one_broken_photo_of_five_leaves_four(client: httpx.AsyncClient) -> None:
    sent = photos("crack", range(5))
    sent[2] = sent[2][: len(sent[2]) // 2]
    answer = await register(client, "crack", sent)
    assert answer["shots"] == 4
    assert [outcome["status"] for outcome in answer["photos"]] == ["accepted"] * 2 + ["rejected"] + ["accepted"] * 2
    refused = answer["photos"][2]
    assert refused["filename"] == "2.jpg"
    assert refused["problem"]["code"] == "photo-damaged"
    assert refused["photo_id"] is None


async def test_without_a_good_photo_nothing_is_registered(client: httpx.AsyncClient, settings: Settings) -> None:
    before = row_counts(settings)
    answer = await client.post(CLASSES, data={"name": "crack"}, files=files([b"", b"no photo", photo()[:300]]))
    body = problem(answer, 422, "no-usable-photo")
    assert [fault["problem"]["code"] for fault in body["errors"]] == [
        "photo-empty", "photo-type-unsupported", "photo-damaged",
    ]  # fmt: skip
    assert row_counts(settings) == before
    await register(client, "crack", [photo()])


async def test_a_photo_sent_twice_is_stored_once_and_counted_once(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    first, second = photo(seed=1), photo(seed=2)
    twice = await register(client, "twice", [first, second, first])
    assert [outcome["status"] for outcome in twice["photos"]] == ["accepted", "accepted", "duplicate"]
    assert twice["photos"][0]["support_photo_id"] == twice["photos"][2]["support_photo_id"]
    assert twice["shots"] == 2
    once = await register(client, "once", [second, first])
    assert once["shots"] == 2
    again = await client.post(f"/v1/defect-classes/{once['id']}/support-photos", files=files([first]))
    assert again.json()["photos"][0]["status"] == "duplicate"
    assert again.json()["shots"] == 2
    counts = row_counts(settings)
    assert (counts["photos"], counts["blobs"], counts["embeddings"], counts["support_photos"]) == (2, 2, 2, 4)
    assert _sums(settings, once["id"]) == _sums(settings, twice["id"])


async def test_a_new_name_shows_in_the_next_answer(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", [photo()])
    await classify(client, photo())
    change = {"name": "hairline", "title_ko": "미세 균열", "severity": "high"}
    answer = await client.patch(f"/v1/defect-classes/{made['id']}", json=change)
    assert answer.status_code == 200
    named = (await classify(client, photo()))["predictions"][0]["defect_class"]
    assert named == {"id": made["id"], "name": "hairline", "title_ko": "미세 균열", "title_en": "", "severity": "high"}


async def test_a_patch_changes_only_what_it_names(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", [photo()], title_en="Crack", description="thin", severity="low")
    address = f"/v1/defect-classes/{made['id']}"
    changed = (await client.patch(address, json={"description": "wide"})).json()
    same = {"name", "title_ko", "title_en", "severity", "threshold", "shots", "created_at"}
    assert {field: changed[field] for field in same} == {field: made[field] for field in same}
    assert changed["description"] == "wide"
    # Null is a value for what may be absent, and none for what may not.
    assert (await client.patch(address, json={"severity": None})).json()["severity"] is None
    problem(await client.patch(address, json={"name": None}), 422, "request-invalid")
    problem(await client.patch(address, json={"shots": 9}), 422, "request-invalid")


async def test_a_name_can_be_had_again_after_its_class_is_gone(client: httpx.AsyncClient) -> None:
    first = await register(client, "crack", [photo("crack", 1)])
    other = await register(client, "rust", [photo("rust", 1)])
    taken = await client.patch(f"/v1/defect-classes/{other['id']}", json={"name": "crack"})
    problem(taken, 409, "defect-class-name-taken")
    await client.delete(f"/v1/defect-classes/{first['id']}")
    again = await register(client, "crack", [photo("crack", 2)])
    assert again["id"] != first["id"]


async def test_a_deleted_class_is_not_recognised_any_more_and_frees_its_photos(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    shared = photo("crack", 3)
    crack = await register(client, "crack", [*photos("crack", range(3)), shared])
    await register(client, "rust", [*photos("rust", range(2)), shared])
    judged = await classify(client, photo("crack", 0))
    assert judged["predictions"][0]["defect_class"]["name"] == "crack"
    assert (await client.delete(f"/v1/defect-classes/{crack['id']}")).status_code == 204
    answer = await classify(client, photo("crack", 9))
    assert [found["defect_class"]["name"] for found in answer["predictions"]] == ["rust"]
    problem(await client.get(f"/v1/defect-classes/{crack['id']}"), 404, "defect-class-not-found")
    counts = row_counts(settings)
    # Three of rust, one of them shared; crack 0 because it was classified; the last query.
    assert (counts["photos"], counts["blobs"]) == (5, 5)
    assert counts["support_photos"] == 3
    assert counts["prototypes"] == 1
    # Its name stays in the answers that were given.
    kept = (await client.get(f"/v1/classifications/{judged['id']}")).json()
    assert kept == judged


@pytest.mark.parametrize("name", ["", "   ", "a\u0000b", "x" * 101])
async def test_a_name_that_cannot_be_read_is_refused(client: httpx.AsyncClient, settings: Settings, name: str) -> None:
    before = row_counts(settings)
    problem(await client.post(CLASSES, data={"name": name}, files=files([photo()])), 422, "request-invalid")
    assert row_counts(settings) == before


async def test_two_ways_to_write_the_same_korean_are_one_name(client: httpx.AsyncClient) -> None:
    """macOS sends file names and typed text decomposed; the inspector sees no difference."""
    await register(client, "균열", [photo()])
    decomposed = "\u1100\u1172\u11ab\u110b\u1167\u11af"
    answer = await client.post(CLASSES, data={"name": decomposed}, files=files([photo()]))
    problem(answer, 409, "defect-class-name-taken")


async def test_a_camera_s_strange_time_does_not_break_the_storing(client: httpx.AsyncClient) -> None:
    """Longer than its column: SQLite would not mind."""
    exif = Image.Exif()
    fields = exif.get_ifd(ExifTags.IFD.Exif)
    fields[ExifTags.Base.DateTimeOriginal] = "2026:11:22 09:30:05"
    fields[ExifTags.Base.OffsetTimeOriginal] = "+09:00:15.123456"
    await register(client, "crack", [save(Image.fromarray(pixels("crack", 1)), exif=exif)])


def _sums(settings: Settings, class_id: str) -> bytes:
    query = select(Prototype.embedding_sum).where(Prototype.defect_class_id == UUID(class_id))
    ((stored,),) = execute(settings.database_url, query)
    assert isinstance(stored, bytes)
    return stored
