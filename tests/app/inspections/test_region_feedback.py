"""The picture of a region, and the inspector's word on it."""

import io
import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import ExifTags, Image

from app.config import Settings
from app.maintenance.check import find_faults
from tests.app.inspections.test_regions import classes, register_parts
from tests.drawn import photo, save, wide_photo
from tests.rest import classify, created, nothing_stored, problem, register, row_counts

BOX = {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.1}


@pytest.fixture
async def judged(client: httpx.AsyncClient) -> dict[str, Any]:
    """An answer whose first region is a crack, in a catalog of cracks, rust and sound walls."""
    for kind in ("crack", "rust"):
        await register_parts(client, kind, range(3))
    answer = await classify(client, wide_photo("crack", 50)[0])
    assert answer["regions"][0]["predictions"][0]["defect_class"]["name"] == "crack"
    return answer


def _address(judged: dict[str, Any], number: int | None = 1) -> str:
    regions = f"/v1/classifications/{judged['id']}/regions"
    return regions if number is None else f"{regions}/{number}/feedback"


async def _ids(client: httpx.AsyncClient) -> dict[str, str]:
    return {name: each["id"] for name, each in (await classes(client)).items()}


def _box(region: dict[str, Any]) -> dict[str, Any]:
    return {side: pytest.approx(region[side], abs=1e-4) for side in ("x", "y", "w", "h")}


async def _again(client: httpx.AsyncClient, judged: dict[str, Any]) -> dict[str, Any]:
    """The answer as it is told now, alone and in the list alike."""
    told: dict[str, Any] = (await client.get(f"/v1/classifications/{judged['id']}")).json()
    assert (await client.get("/v1/classifications")).json()["items"][0] == told
    return told


@pytest.mark.both_databases
async def test_each_verdict_is_kept_with_what_it_means(client: httpx.AsyncClient, judged: dict[str, Any]) -> None:
    ids = await _ids(client)
    answered = _box(judged["regions"][0])
    crack, rust = (ids["crack"], "crack"), (ids["rust"], "rust")
    for sent, box, (class_id, name) in (
        ({"verdict": "confirmed"}, answered, crack),
        ({"verdict": "corrected", "defect_class_id": ids["rust"], "note": "녹물"}, answered, rust),
        # A word changes what it speaks of, and leaves the rest as the word before it.
        ({"verdict": "moved", "box": BOX}, BOX, rust),
        ({"verdict": "corrected", "defect_class_id": ids["crack"]}, BOX, crack),
        ({"verdict": "not-a-defect"}, BOX, (None, None)),
        ({"verdict": "moved", "box": BOX | {"x": 0.5}}, BOX | {"x": 0.5}, crack),
        ({"verdict": "moved", "box": BOX, "defect_class_id": ids["rust"]}, BOX, rust),
        # It takes all that was said back.
        ({"verdict": "confirmed", "defect_class_id": ids["crack"]}, answered, crack),
    ):
        kept = created(await client.post(_address(judged), json=sent))
        assert (kept["verdict"], kept["region"], kept["note"]) == (sent["verdict"], 1, sent.get("note", ""))
        assert kept["box"] == box
        assert (kept["defect_class_id"], kept["defect_class_name"]) == (class_id, name)
        assert (kept["actor"], kept["actor_id"], kept["support_photo_id"]) == ("anybody", None, None)
        told = await _again(client, judged)
        assert told["regions"][0] == judged["regions"][0] | {"feedback": kept}
        assert told | {"regions": None} == judged | {"regions": None}
    # Words on regions are none on the photo.
    assert (await client.get("/v1/catalogs/default/agreement")).json()["judged"] == 0


async def test_what_the_answer_lacks_is_added(
    client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings
) -> None:
    ids, count = await _ids(client), len(judged["regions"])
    for number in (count + 1, count + 2):
        sent = {"box": BOX, "defect_class_id": ids["rust"], "note": "missed"}
        kept = created(await client.post(_address(judged, None), json=sent))
        assert (kept["region"], kept["verdict"], kept["defect_class_name"]) == (number, "added", "rust")
        assert (kept["box"], kept["actor"]) == (BOX, "anybody")
    # Another inspector looks at it: it can be judged as those that were answered.
    moved = created(await client.post(_address(judged, count + 1), json={"verdict": "moved", "box": BOX | {"w": 0.5}}))
    assert (moved["box"]["w"], moved["defect_class_name"]) == (0.5, "rust")
    gone = created(await client.post(_address(judged, count + 2), json={"verdict": "not-a-defect"}))
    told = await _again(client, judged)
    assert told["added_regions"] == [moved, gone]
    assert told["regions"] == judged["regions"]
    confirmed = created(await client.post(_address(judged, count + 1), json={"verdict": "confirmed"}))
    assert (confirmed["box"], confirmed["defect_class_name"]) == (moved["box"], "rust")
    for word in ({"verdict": "confirmed"}, {"verdict": "moved", "box": BOX}):
        with nothing_stored(settings):
            problem(await client.post(_address(judged, count + 2), json=word), 422, "feedback-incomplete")
    assert row_counts(settings)["region_feedback"] == 5


async def test_a_photo_that_was_looked_at_as_a_whole_takes_regions_too(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", [photo("crack", 1)])
    answer = await classify(client, photo("crack", 2))
    assert answer["regions"] is None
    region = {"box": BOX, "defect_class_id": made["id"], "add_to_support": True}
    kept = created(await client.post(_address(answer, None), json=region))
    told = await _again(client, answer)
    assert (told["regions"], told["sound"], told["added_regions"]) == (None, None, [kept])
    support = (await client.get(f"/v1/defect-classes/{made['id']}/support-photos")).json()["items"]
    assert [each["regions"] for each in support] == [[], [BOX]]
    assert support[1]["id"] == kept["support_photo_id"]


@pytest.mark.both_databases
async def test_regions_become_examples(client: httpx.AsyncClient, app: FastAPI, judged: dict[str, Any]) -> None:
    ids, count = await _ids(client), len(judged["regions"])
    first = created(await client.post(_address(judged), json={"verdict": "confirmed", "add_to_support": True}))
    region = {"box": BOX, "defect_class_id": ids["crack"], "add_to_support": True}
    second = created(await client.post(_address(judged, None), json=region))
    third = created(await client.post(_address(judged, None), json=region | {"defect_class_id": ids["rust"]}))

    async def of_photo(name: str) -> list[dict[str, Any]]:
        items = (await client.get(f"/v1/defect-classes/{ids[name]}/support-photos")).json()["items"]
        return [each for each in items if each["photo_id"] == judged["photo"]["id"]]

    # A photo is an example of a class once: both cracks are in it, and both words say so.
    (cracks,), (rust,) = await of_photo("crack"), await of_photo("rust")
    assert cracks["id"] == second["support_photo_id"] != first["support_photo_id"]
    assert sorted(each["x"] for each in cracks["regions"]) == sorted([BOX["x"], first["box"]["x"]])
    assert (rust["id"], rust["regions"]) == (third["support_photo_id"], [BOX])
    told = await _again(client, judged)
    assert told["regions"][0]["feedback"]["support_photo_id"] == cracks["id"]
    assert [each["support_photo_id"] for each in told["added_regions"]] == [cracks["id"], rust["id"]]
    # Said again, it is the same example.
    again = created(await client.post(_address(judged), json={"verdict": "confirmed", "add_to_support": True}))
    assert again["support_photo_id"] == cracks["id"]
    # What is no defect is an example of sound surfaces.
    sent = {"verdict": "not-a-defect", "add_to_support": True}
    sound = created(await client.post(_address(judged, count + 2), json=sent))
    ((wall,),) = [await of_photo("sound")]
    assert (wall["id"], wall["regions"]) == (sound["support_photo_id"], [BOX])
    # The next photo is judged by all of them, and they can be taken back.
    assert (await classify(client, wide_photo("crack", 51)[0]))["catalog_version"] > judged["catalog_version"]
    assert (await client.delete(f"/v1/support-photos/{cracks['id']}")).status_code == 204
    told = (await client.get(f"/v1/classifications/{judged['id']}")).json()
    assert told["regions"][0]["feedback"]["support_photo_id"] is None
    blobs = app.state.inspection_service._photos.archive._blobs
    assert await find_faults(app.state.database, blobs) == []


@pytest.mark.usefixtures("judged")
async def test_a_new_defect_is_left_out_of_the_sound_rest(client: httpx.AsyncClient) -> None:
    ids = await _ids(client)
    data, box = wide_photo("crack", 0)  # an example, whose rest is sound
    other = {"x": 0.0, "y": 0.0, "w": 0.1, "h": 0.1} if box[0] > 0.2 else {"x": 0.9, "y": 0.9, "w": 0.1, "h": 0.1}
    answer = await classify(client, data)

    async def rest() -> list[dict[str, Any]]:
        items = (await client.get(f"/v1/defect-classes/{ids['sound']}/support-photos")).json()["items"]
        return [each for each in items if each["photo_id"] == answer["photo"]["id"]]

    assert [len(each["regions"]) for each in await rest()] == [1]
    region = {"box": other, "defect_class_id": ids["rust"], "add_to_support": True}
    created(await client.post(_address(answer, None), json=region))
    ((smaller),) = await rest()
    assert other in smaller["regions"]
    assert len(smaller["regions"]) == 2
    # Where the rest of a photo is sound already, a part of it adds nothing.
    sent = {"verdict": "not-a-defect", "add_to_support": True}
    word = created(await client.post(_address(answer), json=sent))
    assert word["support_photo_id"] == smaller["id"]
    # Where too little is left, nothing of the photo is sound.
    region = {"box": {"x": 0, "y": 0, "w": 1, "h": 1}, "defect_class_id": ids["rust"], "add_to_support": True}
    created(await client.post(_address(answer, None), json=region))
    assert await rest() == []


async def test_a_sound_class_is_made_where_there_is_none(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", [photo("crack", 1)])
    answer = await classify(client, wide_photo("crack", 2)[0])
    created(await client.post(_address(answer, None), json={"box": BOX, "defect_class_id": made["id"]}))
    number = len(answer["regions"] or []) + 1
    sent = {"verdict": "not-a-defect", "add_to_support": True}
    kept = created(await client.post(_address(answer, number), json=sent))
    sound = (await classes(client))["sound"]
    assert (sound["kind"], sound["shots"]) == ("sound", 1)
    assert kept["support_photo_id"]


async def test_wrong_combinations_are_refused(
    client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings
) -> None:
    ids = await _ids(client)
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    elsewhere = (await register(client, "rust", [photo("rust", 2)], catalog="other"))["id"]
    nobody = str(uuid.uuid4())
    for sent, status, code in (
        ({"verdict": "corrected"}, 422, "feedback-incomplete"),
        ({"verdict": "moved"}, 422, "feedback-incomplete"),
        ({"verdict": "confirmed", "box": BOX}, 422, "feedback-incomplete"),
        ({"verdict": "confirmed", "defect_class_id": ids["rust"]}, 422, "feedback-incomplete"),
        ({"verdict": "not-a-defect", "defect_class_id": ids["crack"]}, 422, "feedback-incomplete"),
        ({"verdict": "corrected", "defect_class_id": nobody}, 404, "defect-class-not-found"),
        ({"verdict": "corrected", "defect_class_id": nobody, "add_to_support": True}, 404, "defect-class-not-found"),
        ({"verdict": "moved", "box": BOX, "defect_class_id": elsewhere}, 404, "defect-class-not-found"),
        ({"verdict": "added", "box": BOX}, 422, "request-invalid"),
        ({"verdict": "unknown"}, 422, "request-invalid"),
        ({"verdict": "confirmed", "score": 1}, 422, "request-invalid"),
        ({"verdict": "confirmed", "note": "x" * 4001}, 422, "request-invalid"),
        ({}, 422, "request-invalid"),
    ):
        with nothing_stored(settings):
            problem(await client.post(_address(judged), json=sent), status, code)
    for sent, status, code in (
        ({"box": BOX}, 422, "request-invalid"),
        ({"defect_class_id": ids["crack"]}, 422, "request-invalid"),
        ({"box": BOX, "defect_class_id": nobody}, 404, "defect-class-not-found"),
        ({"box": BOX, "defect_class_id": elsewhere, "add_to_support": True}, 404, "defect-class-not-found"),
    ):
        with nothing_stored(settings):
            problem(await client.post(_address(judged, None), json=sent), status, code)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ('{"x": 512, "y": 300, "w": 100, "h": 80}', "x: "),
        ('{"x": 0.9, "y": 0, "w": 0.2, "h": 0.1}', "it reaches beyond the photo"),
        ('{"x": 0.1, "y": 0.1, "w": 0, "h": 0.1}', "w: "),
        ('{"x": NaN, "y": 0.1, "w": 0.1, "h": 0.1}', "x: "),
        ('{"x": -0.1, "y": 0.1, "w": 0.1, "h": 0.1}', "x: "),
        ('{"x": 0.1, "y": 0.1, "w": 0.1, "h": Infinity}', "h: "),
        ('{"x": 0.1}', "y: "),
        ("[0.1, 0.1, 0.1, 0.1]", ""),
        ("null", ""),
    ],
)
@pytest.mark.only_on("sqlite", "nothing comes to the database")
async def test_a_box_that_is_none_is_refused(
    client: httpx.AsyncClient, settings: Settings, box: str, said: str
) -> None:
    made = await register(client, "crack", [photo("crack", 1)])
    answer = await classify(client, photo("crack", 2))
    for text in (f'"verdict": "moved", "box": {box}', f'"defect_class_id": "{made["id"]}", "box": {box}'):
        is_word = "verdict" in text
        if is_word and box == "null":
            continue  # no box, which is another fault
        with nothing_stored(settings):
            refused = await client.post(
                _address(answer, 1 if is_word else None),
                content=f"{{{text}}}",
                headers={"Content-Type": "application/json"},
            )
            body = problem(refused, 422, "request-invalid")
        assert f"body.box: Value error, {said}" in body["detail"]
        assert "in fractions of the upright photo's sides" in body["detail"]
        assert body["errors"][0]["field"] == "body.box"


async def test_what_is_not_there(client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings) -> None:
    beyond = len(judged["regions"]) + 1
    nothing = {"id": str(uuid.uuid4())}
    with nothing_stored(settings):
        for sent in ({"verdict": "confirmed"}, {"verdict": "confirmed", "add_to_support": True}):
            problem(await client.post(_address(judged, beyond), json=sent), 404, "region-not-found")
            problem(await client.post(_address(nothing), json=sent), 404, "classification-not-found")
        for number in (beyond, 1000):
            crop = f"/v1/classifications/{judged['id']}/regions/{number}/crop.jpg"
            problem(await client.get(crop), 404, "region-not-found")
        problem(
            await client.get(f"/v1/classifications/{nothing['id']}/regions/1/crop.jpg"), 404, "classification-not-found"
        )
        for text in ("0", "-1", "x", "1" + "0" * 30):
            crop = f"/v1/classifications/{judged['id']}/regions/{text}/crop.jpg"
            problem(await client.get(crop), 422, "request-invalid")


@pytest.mark.both_databases
async def test_a_class_that_goes_leaves_its_name(
    client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings
) -> None:
    ids = await _ids(client)
    created(await client.post(_address(judged), json={"verdict": "corrected", "defect_class_id": ids["rust"]}))
    await client.delete(f"/v1/defect-classes/{ids['rust']}")
    await client.delete(f"/v1/defect-classes/{ids['crack']}")
    word = (await _again(client, judged))["regions"][0]["feedback"]
    assert (word["defect_class_id"], word["defect_class_name"]) == (None, "rust")
    with nothing_stored(settings):
        sent: dict[str, Any] = {"verdict": "confirmed", "add_to_support": True}
        problem(await client.post(_address(judged), json=sent), 422, "feedback-incomplete")
        sent = {"verdict": "corrected", "defect_class_id": ids["rust"]}
        problem(await client.post(_address(judged), json=sent), 404, "defect-class-not-found")
    late = created(await client.post(_address(judged), json={"verdict": "moved", "box": BOX}))
    assert (late["defect_class_id"], late["defect_class_name"]) == (None, "rust")


@pytest.mark.both_databases
async def test_a_repeated_word_is_one(client: httpx.AsyncClient, judged: dict[str, Any], settings: Settings) -> None:
    ids = await _ids(client)
    headers = {"Idempotency-Key": "once"}
    sent = {"box": BOX, "defect_class_id": ids["crack"], "add_to_support": True}
    first = created(await client.post(_address(judged, None), json=sent, headers=headers))
    with nothing_stored(settings):
        again = await client.post(_address(judged, None), json=sent, headers=headers)
        assert created(again) == first
        assert again.headers["idempotency-replayed"] == "true"
        other = await client.post(_address(judged), json={"verdict": "confirmed"}, headers=headers)
        problem(other, 422, "idempotency-key-reused")


async def test_no_more_regions_than_a_photo_may_have(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inspections.regions.MAX_REGIONS", 3)
    monkeypatch.setattr("app.catalogs.examples.MAX_REGIONS", 2)
    made = await register(client, "crack", [photo("crack", 1)])
    answer = await classify(client, photo("crack", 2))
    sent = {"defect_class_id": made["id"], "add_to_support": True}
    boxes = [BOX | {"x": place / 10} for place in range(4)]
    for box in boxes[:2]:
        created(await client.post(_address(answer, None), json=sent | {"box": box}))
    with nothing_stored(settings):
        problem(await client.post(_address(answer, None), json=sent | {"box": boxes[2]}), 409, "too-many-regions")
    created(await client.post(_address(answer, None), json=sent | {"box": boxes[2], "add_to_support": False}))
    with nothing_stored(settings):
        refused = await client.post(_address(answer, None), json=sent | {"box": boxes[3], "add_to_support": False})
        problem(refused, 409, "too-many-regions")


async def test_words_leave_their_lines_in_the_audit_trail(client: httpx.AsyncClient, judged: dict[str, Any]) -> None:
    sent = {"verdict": "not-a-defect", "add_to_support": True}
    created(await client.post(_address(judged), json=sent))
    line = (await client.get("/v1/audit")).json()["items"][0]
    assert (line["action"], line["subject_id"]) == ("feedback-given", judged["id"])
    box = " ".join(f"{judged['regions'][0][side]:.4f}" for side in ("x", "y", "w", "h"))
    assert line["detail"] == {
        "region": 1, "verdict": "not-a-defect", "class": None, "box": f"in {box}", "example": judged["photo"]["id"],
    }  # fmt: skip


def _marked(orientation: int) -> bytes:
    """A grey photo of 2400 x 1800 pixels, upright, with a red field at a tenth from left and top; kept on its side."""
    image = Image.new("RGB", (2400, 1800), (128, 128, 128))
    image.paste((220, 20, 20), (240, 180, 720, 360))
    turns = {1: None, 6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}
    turn = turns[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "secret-camera"
    return save(image if turn is None else image.transpose(turn), exif=exif, quality=90)


@pytest.mark.parametrize("orientation", [1, 6, 3])
async def test_the_picture_of_a_region(client: httpx.AsyncClient, orientation: int) -> None:
    made = await register(client, "crack", [photo("crack", 1)])
    answer = await classify(client, _marked(orientation))
    number = len(answer["regions"] or []) + 1
    red = {"x": 0.1, "y": 0.1, "w": 0.2, "h": 0.1}
    created(await client.post(_address(answer, None), json={"box": red, "defect_class_id": made["id"]}))
    # Words that come later do not change the picture, which is kept for good.
    created(await client.post(_address(answer, number), json={"verdict": "moved", "box": BOX}))
    shown = await client.get(f"/v1/classifications/{answer['id']}/regions/{number}/crop.jpg")
    assert shown.status_code == 200
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert shown.headers["content-disposition"] == f'inline; filename="region-{answer["id"]}-{number}.jpg"'
    assert b"secret" not in shown.content
    with Image.open(io.BytesIO(shown.content)) as image:
        # A tenth of its sides is added all around, at the photo's own size.
        assert (image.format, image.size) == ("JPEG", (576, 216))
        assert not image.getexif()
        middle, edge = image.getpixel((288, 108)), image.getpixel((10, 10))
    assert isinstance(middle, tuple)
    assert isinstance(edge, tuple)
    assert middle[0] > 180
    assert middle[1] < 80
    assert abs(edge[0] - edge[1]) < 20


async def test_a_large_region_s_picture_is_small(client: httpx.AsyncClient) -> None:
    made = await register(client, "crack", [photo("crack", 1)])
    answer = await classify(client, _marked(1))
    number = len(answer["regions"] or []) + 1
    for box, size in (
        ({"x": 0, "y": 0, "w": 1, "h": 1}, (1024, 768)),
        ({"x": 0.9999, "y": 0.9999, "w": 0.0001, "h": 0.0001}, (1, 1)),
    ):
        created(await client.post(_address(answer, None), json={"box": box, "defect_class_id": made["id"]}))
        shown = await client.get(f"/v1/classifications/{answer['id']}/regions/{number}/crop.jpg")
        with Image.open(io.BytesIO(shown.content)) as image:
            assert image.size == size
        number += 1


async def test_regions_that_were_answered_have_pictures(client: httpx.AsyncClient, judged: dict[str, Any]) -> None:
    region = judged["regions"][0]
    shown = await client.get(f"/v1/classifications/{judged['id']}/regions/1/crop.jpg")
    with Image.open(io.BytesIO(shown.content)) as image:
        assert abs(image.width - 960 * min(1.0, 1.2 * region["w"])) < 960 * 0.11 * region["w"] + 2
