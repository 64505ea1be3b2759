"""What is wrong with the examples of a class."""

from typing import Any
from uuid import uuid4

import httpx
import numpy as np
from numpy.typing import NDArray

from app.config import Settings
from app.photos.reading import encode_jpeg
from tests.drawn import photo, photos
from tests.rest import execute, files, problem, register


async def _report(client: httpx.AsyncClient, class_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/defect-classes/{class_id}/support-report")
    assert answer.status_code == 200
    report: dict[str, Any] = answer.json()
    return report


def _codes(report: dict[str, Any]) -> set[str]:
    return {each["code"] for each in report["warnings"]}


def _textured(seed: int, side: int = 300, low: int = 60, high: int = 200) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(low, high, (30, 30, 3), dtype=np.uint8)
    return coarse.repeat(side // 30, axis=0).repeat(side // 30, axis=1)


async def test_good_examples_have_no_warnings(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(6)))
    mosaic = await register(client, "mosaic", [encode_jpeg(_textured(seed)) for seed in range(6)])
    report = await _report(client, mosaic["id"])
    assert report["warnings"] == []
    assert (report["shots"], report["recall"]["value"], report["recall"]["photos"]) == (6, 1.0, 6)
    assert report["confused_with"]["name"] == "crack"


async def test_one_photo_sent_again_and_again_is_not_five_examples(client: httpx.AsyncClient) -> None:
    first, others = _textured(0), [encode_jpeg(_textured(seed)) for seed in range(1, 5)]
    copies = [encode_jpeg(first, quality) for quality in (95, 80, 60)]
    made = await register(client, "mosaic", [*copies, *others])
    (warning,) = (await _report(client, made["id"]))["warnings"]
    assert warning["code"] == "near-duplicates"
    listed = (await client.get(f"/v1/defect-classes/{made['id']}/support-photos")).json()["items"]
    assert warning["support_photo_ids"] == [each["id"] for each in listed[:3]]


async def test_the_answer_to_a_registration_has_the_report(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(6)))
    first, others = _textured(0), [encode_jpeg(_textured(seed)) for seed in range(1, 5)]
    made = await register(client, "mosaic", [encode_jpeg(first, 95), encode_jpeg(first, 60), *others])
    assert made["support_report"] == await _report(client, made["id"])
    (warning,) = made["support_report"]["warnings"]
    assert warning["support_photo_ids"] == [each["support_photo_id"] for each in made["photos"][:2]]
    assert made["support_report"]["confused_with"]["name"] == "crack"
    more = await client.post(
        f"/v1/defect-classes/{made['id']}/support-photos", files=files([encode_jpeg(first, 80)], "photos")
    )
    (warning,) = more.json()["support_report"]["warnings"]
    assert len(warning["support_photo_ids"]) == 3
    assert more.json()["support_report"]["shots"] == 7


async def test_dark_blurred_and_small_photos_are_named(client: httpx.AsyncClient) -> None:
    sent = [
        encode_jpeg(_textured(1, low=0, high=40)),
        encode_jpeg(np.full((300, 300, 3), 150, np.uint8)),
        encode_jpeg(_textured(2, side=120)),
    ]
    made = await register(client, "mosaic", sent)
    report = await _report(client, made["id"])
    ids = [each["id"] for each in (await client.get(f"/v1/defect-classes/{made['id']}/support-photos")).json()["items"]]
    named = {each["code"]: each["support_photo_ids"] for each in report["warnings"]}
    assert named == {"few-photos": [], "too-dark": [ids[0]], "blurred": [ids[1]], "too-small": [ids[2]]}
    messages = {each["code"]: each["message"] for each in report["warnings"]}
    assert messages["too-dark"].startswith("Photo 1 (0.jpg) is very dark")
    assert messages["blurred"].startswith("Photo 2 (1.jpg) is blurred")
    assert messages["too-small"].startswith("Photo 3 (2.jpg) has 120 x 120 pixels")
    assert [each["examples"] for each in report["warnings"][1:2]] == [[{"number": 1, "filename": "0.jpg"}]]
    assert report["recall"] is None  # there is no other class to be confused with


async def test_a_photo_of_another_class_is_named(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(5)))
    made = await register(client, "rust", [*photos("rust", range(5)), photo("crack", 20)])
    report = await _report(client, made["id"])
    found = next(each for each in report["warnings"] if each["code"] == "looks-like-another-class")
    assert found["defect_class"]["name"] == "crack"
    listed = (await client.get(f"/v1/defect-classes/{made['id']}/support-photos")).json()["items"]
    assert listed[5]["id"] in found["support_photo_ids"]
    assert report["recall"]["value"] < 1


async def test_photos_from_before_they_were_measured_and_classes_without_any(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    made = await register(client, "crack", photos("crack", range(2)))
    execute(settings.database_url, "UPDATE photos SET brightness = NULL, sharpness = NULL, fingerprint = NULL")
    assert _codes(await _report(client, made["id"])) <= {"few-photos", "too-small"}
    for each in (await client.get(f"/v1/defect-classes/{made['id']}/support-photos")).json()["items"]:
        await client.delete(f"/v1/support-photos/{each['id']}")
    empty = await _report(client, made["id"])
    assert (empty["shots"], _codes(empty), empty["confused_with"]) == (0, {"few-photos"}, None)
    problem(await client.get(f"/v1/defect-classes/{uuid4()}/support-report"), 404, "defect-class-not-found")
