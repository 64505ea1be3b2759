"""Place, note, time and coordinates that an inspector adds to a photo."""

import uuid
from typing import Any

import httpx
import pytest
from PIL import ExifTags, Image

from app.config import Settings
from tests.drawn import photo, pixels, save
from tests.rest import CLASSIFICATIONS, classify, created, files, nothing_stored, problem, register

GIVEN = {
    "place": "B2, 기둥 14",
    "note": "젖어 있음\nafter rain",
    "taken_at": "2026-11-22T09:30:00+09:00",
    "latitude": "37.5665",
    "longitude": "-126.978",
}


def _from_camera() -> bytes:
    """A photo whose file says when and where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (1.0, 30.0, 0.0),
            ExifTags.GPS.GPSLongitudeRef: "W",
            ExifTags.GPS.GPSLongitude: (2.0, 0.0, 0.0),
        }
    )
    return save(Image.fromarray(pixels("crack", 1)), exif=exif)


async def _send(client: httpx.AsyncClient, data: bytes, key: str = "", **fields: str) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post(CLASSIFICATIONS, data=fields, files=files([data], "photo"), headers=headers)


def _when_and_where(answer: dict[str, Any]) -> tuple[str | None, float | None, float | None]:
    return answer["photo"]["taken_at"], answer["photo"]["latitude"], answer["photo"]["longitude"]


@pytest.fixture
async def crack(client: httpx.AsyncClient) -> dict[str, Any]:
    return await register(client, "crack", [photo()])


@pytest.mark.usefixtures("crack")
async def test_what_is_given_is_kept_and_wins_over_the_file(client: httpx.AsyncClient) -> None:
    answer = created(await _send(client, _from_camera(), **GIVEN))
    assert (answer["place"], answer["note"]) == (GIVEN["place"], GIVEN["note"])
    assert _when_and_where(answer) == (GIVEN["taken_at"], 37.5665, -126.978)
    assert (await client.get(f"/v1/classifications/{answer['id']}")).json() == answer


@pytest.mark.usefixtures("crack")
async def test_each_classification_of_one_photo_has_its_own(client: httpx.AsyncClient) -> None:
    bare = created(await _send(client, _from_camera()))
    there = created(await _send(client, _from_camera(), latitude="0", longitude="0"))
    later = created(await _send(client, _from_camera(), taken_at="2026-01-01T00:00:00Z"))
    assert (bare["place"], bare["note"]) == ("", "")
    assert _when_and_where(bare) == ("2020-01-02T03:04:05", 1.5, -2)
    assert _when_and_where(there) == ("2020-01-02T03:04:05", 0, 0)
    assert _when_and_where(later) == ("2026-01-01T00:00:00+00:00", 1.5, -2)
    assert (await client.get("/v1/classifications")).json()["items"] == [later, there, bare]


@pytest.mark.usefixtures("crack")
async def test_fields_that_a_form_leaves_empty_are_not_given(client: httpx.AsyncClient) -> None:
    answer = created(await _send(client, photo("rust"), place="", note="", taken_at="", latitude="", longitude=""))
    assert (answer["place"], answer["note"], *_when_and_where(answer)) == ("", "", None, None, None)


@pytest.mark.usefixtures("crack")
async def test_line_breaks_of_a_form_and_spaces_around(client: httpx.AsyncClient) -> None:
    answer = created(await _send(client, photo(), place="  3F  ", note="one\r\ntwo\r\n"))
    assert (answer["place"], answer["note"]) == ("3F", "one\ntwo")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-11-22T00:30:05.123Z", "2026-11-22T00:30:05.123000+00:00"),
        ("2026-11-22T09:30", "2026-11-22T09:30:00"),
        ("2026-11-22 09:30:00.123456+09:00", "2026-11-22T09:30:00.123456+09:00"),
    ],
)
@pytest.mark.usefixtures("crack")
async def test_times_in_the_forms_of_iso_8601(client: httpx.AsyncClient, sent: str, kept: str) -> None:
    assert created(await _send(client, photo(), taken_at=sent))["photo"]["taken_at"] == kept


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"place": "x" * 201}, "place"),
        ({"place": "a\nb"}, "place"),
        ({"place": "a\0b"}, "place"),
        ({"place": "a\x1bb"}, "place"),
        ({"note": "x" * 2001}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"note": "a\x85b"}, "note"),
        ({"taken_at": "yesterday"}, "taken_at"),
        ({"taken_at": "2026-11-22"}, "taken_at"),
        ({"taken_at": "1763800000"}, "taken_at"),
        ({"taken_at": "2026-13-22T09:30:00"}, "taken_at"),
        ({"taken_at": "2026-11-22T09:30:00.123456+09:00:15"}, "taken_at"),
        ({"latitude": "1"}, "longitude"),
        ({"longitude": "1"}, "latitude"),
        ({"latitude": "90.001", "longitude": "0"}, "latitude"),
        ({"latitude": "0", "longitude": "-180.5"}, "longitude"),
        ({"latitude": "nan", "longitude": "0"}, "latitude"),
        ({"latitude": "0", "longitude": "inf"}, "longitude"),
        ({"latitude": "north", "longitude": "0"}, "latitude"),
    ],
)
@pytest.mark.usefixtures("crack")
async def test_what_does_not_fit_is_refused_and_nothing_is_kept(
    client: httpx.AsyncClient, settings: Settings, fields: dict[str, str], field: str
) -> None:
    with nothing_stored(settings):
        refused = problem(await _send(client, photo(), **fields), 422, "request-invalid")
    assert [fault["field"] for fault in refused["errors"]] == [f"body.{field}"]


@pytest.mark.parametrize("field", list(GIVEN))
@pytest.mark.usefixtures("crack")
async def test_a_key_covers_what_was_added(client: httpx.AsyncClient, settings: Settings, field: str) -> None:
    first = created(await _send(client, photo(), "basement", **GIVEN))
    other = GIVEN | {field: "2026-11-22T09:30:01+09:00" if field == "taken_at" else "1"}
    with nothing_stored(settings):
        assert created(await _send(client, photo(), "basement", **GIVEN)) == first
        problem(await _send(client, photo(), "basement", **other), 422, "idempotency-key-reused")


@pytest.mark.usefixtures("crack")
async def test_place_and_note_change_afterwards(client: httpx.AsyncClient, settings: Settings) -> None:
    answer = created(await _send(client, photo(), **GIVEN))
    address = f"/v1/classifications/{answer['id']}"
    changes: list[dict[str, str]] = [{"note": "dry by now"}, {"place": "옥상"}, {"place": "", "note": ""}, {}]
    for change in changes:
        answer |= change
        changed = await client.patch(address, json=change)
        assert changed.status_code == 200
        assert changed.json() == answer
        assert (await client.get(address)).json() == answer
    with nothing_stored(settings):
        wrongs: list[dict[str, str | None]] = [{"place": "a\nb"}, {"note": "\0"}, {"place": None}, {"taken_at": ""}]
        for wrong in wrongs:
            problem(await client.patch(address, json=wrong), 422, "request-invalid")
        problem(await client.patch(f"/v1/classifications/{uuid.uuid4()}", json={}), 404, "classification-not-found")
    assert (await client.get(address)).json() == answer


@pytest.mark.usefixtures("crack")
async def test_a_change_keeps_the_word_of_the_inspector(client: httpx.AsyncClient) -> None:
    answer = await classify(client, photo())
    address = f"/v1/classifications/{answer['id']}"
    said = created(await client.post(f"{address}/feedback", json={"verdict": "confirmed"}))
    assert (await client.patch(address, json={"note": "x"})).json() == answer | {"note": "x", "feedback": said}
