"""Defects in wide photos, over the REST interface: parts of photos as examples, and answers that name regions."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.config import Settings
from app.inspections.replay import ReplayService
from app.inspections.tables import Classification
from app.maintenance.check import find_faults
from tests.drawn import Box, photo, photos, wide_photo
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, execute, files, nothing_stored, problem, register

CATALOG = "/v1/catalogs/default"


def box_of(place: int, box: Box) -> dict[str, float]:
    """A region of one of a request's photos."""
    return dict(zip(("photo", "x", "y", "w", "h"), (place, *box), strict=True))


async def register_parts(
    client: httpx.AsyncClient, kind: str, seeds: Sequence[int], *, rest_is_sound: bool = True
) -> dict[str, Any]:
    """Register a class by parts of wide photos."""
    drawn = [wide_photo(kind, seed) for seed in seeds]
    regions = json.dumps([box_of(place, box) for place, (_, box) in enumerate(drawn)])
    sound = {"rest_is_sound": "true"} if rest_is_sound else {}
    return await register(client, kind, [data for data, _ in drawn], regions=regions, **sound)


async def classes(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """The classes of the default catalog by name."""
    return {each["name"]: each for each in (await client.get(CLASSES)).json()["items"]}


@pytest.fixture
async def made(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Two classes of three parts each, whose rests are sound."""
    return {kind: await register_parts(client, kind, range(3)) for kind in ("crack", "rust")}


async def test_a_defect_is_found_where_it_is(client: httpx.AsyncClient, made: dict[str, dict[str, Any]]) -> None:
    assert [outcome["status"] for outcome in made["crack"]["photos"]] == ["accepted"] * 3
    for kind in ("crack", "rust"):
        data, (x, y, w, h) = wide_photo(kind, 50)
        answer = await classify(client, data)
        assert answer["predictions"][0]["defect_class"]["name"] == kind
        assert answer["sound"] is False
        first = answer["regions"][0]
        assert first["predictions"][0]["defect_class"]["name"] == kind
        assert first["defect"] >= 0.5
        assert x - 0.1 < first["x"] + first["w"] / 2 < x + w + 0.1
        assert y - 0.1 < first["y"] + first["h"] / 2 < y + h + 0.1
        assert first["nearest"]["defect_class_id"] == made[kind]["id"]
        listed = (await client.get(f"/v1/defect-classes/{made[kind]['id']}/support-photos")).json()["items"]
        drawn = {each["id"]: each["regions"] for each in listed}
        assert first["nearest"]["regions"] == drawn[first["nearest"]["support_photo_id"]] != []
        assert sum(each["probability"] for each in answer["predictions"]) == pytest.approx(1, abs=1e-4)
        assert (await client.get(f"/v1/classifications/{answer['id']}")).json() == answer


async def test_a_sound_wall_is_sound(client: httpx.AsyncClient, made: dict[str, dict[str, Any]]) -> None:
    answer = await classify(client, wide_photo(None, 60)[0])
    assert answer["sound"] is True
    assert answer["regions"] == []
    assert answer["unknown"] is True
    # What is sound is no name of a defect.
    assert {each["defect_class"]["name"] for each in answer["predictions"]} == set(made)


async def test_the_rest_of_a_photo_is_a_sound_example(client: httpx.AsyncClient) -> None:
    await register_parts(client, "crack", range(2))
    found = await classes(client)
    assert found["sound"]["kind"] == "sound"
    assert found["sound"]["shots"] == 2
    assert found["sound"]["title_ko"] == "이상 없음"
    support = (await client.get(f"/v1/defect-classes/{found['sound']['id']}/support-photos")).json()["items"]
    of_cracks = (await client.get(f"/v1/defect-classes/{found['crack']['id']}/support-photos")).json()["items"]
    assert [each["regions"] for each in support] == [each["regions"] for each in of_cracks]
    assert [len(each["regions"]) for each in support] == [1, 1]
    # A second defect on the same photo: what is sound becomes smaller, also where nobody says it again.
    data, box = wide_photo("crack", 0)
    other = (0.0, 0.0, 0.1, 0.1) if box[0] > 0.2 else (0.9, 0.9, 0.1, 0.1)
    await register(client, "stain", [data], regions=json.dumps([box_of(0, other)]))
    support = (await client.get(f"/v1/defect-classes/{found['sound']['id']}/support-photos")).json()["items"]
    assert sorted(len(each["regions"]) for each in support) == [1, 2]


async def test_a_rest_of_which_too_little_is_left_is_sound_no_more(client: httpx.AsyncClient) -> None:
    data, box = wide_photo("crack", 0)
    for name, region in (("crack", box), ("damp", (0.0, 0.0, 1.0, 1.0))):
        await register(client, name, [data], regions=json.dumps([box_of(0, region)]), rest_is_sound="true")
        assert (await classes(client))["sound"]["shots"] == (1 if name == "crack" else 0)
    await register_parts(client, "rust", [5])
    assert (await classes(client))["sound"]["shots"] == 1
    await register(client, "whole", [wide_photo("rust", 5)[0]])
    assert (await classes(client))["sound"]["shots"] == 0


async def test_without_the_word_nothing_is_sound(client: httpx.AsyncClient) -> None:
    await register_parts(client, "crack", range(2), rest_is_sound=False)
    assert set(await classes(client)) == {"crack"}
    # Surfaces that come with the checkpoint stand in.
    answer = await classify(client, wide_photo("crack", 50)[0])
    assert answer["regions"] is None or answer["predictions"][0]["defect_class"]["name"] == "crack"


@pytest.mark.both_databases
async def test_examples_that_go_take_their_rests_along(
    client: httpx.AsyncClient, app: FastAPI, made: dict[str, dict[str, Any]]
) -> None:
    assert (await classes(client))["sound"]["shots"] == 6
    one = made["crack"]["photos"][0]["support_photo_id"]
    assert (await client.delete(f"/v1/support-photos/{one}")).status_code == 204
    assert (await classes(client))["sound"]["shots"] == 5
    assert (await client.delete(f"/v1/defect-classes/{made['rust']['id']}")).status_code == 204
    assert (await classes(client))["sound"]["shots"] == 2
    blobs = app.state.inspection_service._photos.archive._blobs
    assert await find_faults(app.state.database, blobs) == []


@pytest.mark.usefixtures("made")
async def test_the_mode_of_a_catalog_decides(client: httpx.AsyncClient) -> None:
    data = wide_photo("crack", 50)[0]
    before = (await client.get(CATALOG)).json()
    assert before["mode"] is None
    for mode, is_whole in (("quick", True), ("scan", False), (None, False)):
        changed = (await client.patch(CATALOG, json={"mode": mode})).json()
        assert changed["mode"] == mode
        assert changed["version"] > before["version"]
        answer = await classify(client, data)
        assert (answer["regions"] is None) is is_whole
        assert (answer["sound"] is None) is is_whole


async def test_catalogs_of_whole_photos_answer_as_ever(client: httpx.AsyncClient) -> None:
    for kind in ("crack", "rust"):
        await register(client, kind, photos(kind, range(4)))
    answer = await classify(client, photo("rust", 30))
    assert answer["regions"] is None
    assert answer["sound"] is None
    # A small photo shows nothing in windows that it does not show as a whole, whatever the mode.
    await client.patch(CATALOG, json={"mode": "scan"})
    again = await classify(client, photo("rust", 30))
    assert again["regions"] is None
    assert again["predictions"] == answer["predictions"]


@pytest.mark.both_databases
async def test_regions_come_out_again(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings, made: dict[str, dict[str, Any]]
) -> None:
    inspections = app.state.inspection_service
    replays = ReplayService(app.state.database, inspections, inspections._photos)
    answers = [await classify(client, wide_photo(kind, 50)[0]) for kind in ("crack", "rust", None)]
    # The past of the catalog counts, not what it is now.
    await client.delete(f"/v1/defect-classes/{made['rust']['id']}")
    for answer in answers:
        assert (await replays.replay(UUID(answer["id"]))).differences == []
    first = UUID(answers[0]["id"])
    ((regions,),) = execute(settings.database_url, select(Classification.regions).where(Classification.id == first))
    regions[0]["x"] += 0.1
    changed = update(Classification).where(Classification.id == first).values(regions=regions)
    execute(settings.database_url, changed)
    (difference,) = (await replays.replay(first)).differences
    assert difference.startswith("x of region 1: ")


async def test_photos_with_and_without_regions_go_together(client: httpx.AsyncClient) -> None:
    data, box = wide_photo("crack", 1)
    sent = [photo("crack", 1), data]
    answer = await register(
        client, "crack", sent, regions=json.dumps([box_of(1, box), box_of(1, (0.5, 0.5, 0.2, 0.2))])
    )
    assert [len(each["regions"]) for each in answer["photos"]] == [0, 2]
    assert answer["shots"] == 2
    again = created(
        await client.post(
            f"/v1/defect-classes/{answer['id']}/support-photos", files=files([data]), data={"regions": "[]"}
        )
    )
    assert [each["status"] for each in again["photos"]] == ["duplicate"]


GOOD = {"photo": 1, "x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2}


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ([GOOD | {"x": 512}], "1.jpg: x: "),
        ([GOOD, GOOD | {"w": 0}], "1.jpg: w: "),
        ([GOOD | {"x": 0.9}], "1.jpg: it reaches beyond the photo"),
        ([GOOD | {"y": -0.1}], "1.jpg: y: "),
        ([GOOD | {"h": float("nan")}], "1.jpg: h: "),
        ([GOOD | {"h": float("inf")}], "1.jpg: h: "),
        ([GOOD | {"h": "tall"}], "1.jpg: h: "),
        ([GOOD | {"photo": 2}], "there is no photo 2: the request has 2"),
        ([GOOD | {"photo": -1}], "photo: "),
        ([GOOD | {"depth": 1}], "1.jpg: depth: "),
        ([{"photo": 1, "x": 0.1}], "1.jpg: y: "),
        ([GOOD | {"x": place / 100} for place in range(51)], "1.jpg has more than 50 regions"),
        ({"photo": 1}, "it is no JSON list"),
        ("no json", "it is no JSON list"),
    ],
)
async def test_a_region_that_is_none_is_refused_with_its_photo(
    client: httpx.AsyncClient, settings: Settings, regions: object, said: str
) -> None:
    text = regions if isinstance(regions, str) else json.dumps(regions)
    with nothing_stored(settings):
        answer = await client.post(
            CLASSES, data={"name": "crack", "regions": text}, files=files([photo(), wide_photo("crack")[0]])
        )
        body = problem(answer, 422, "request-invalid")
    assert said in body["detail"]
    assert "in fractions of the upright photo's sides" in body["detail"]
    assert body["errors"][0]["field"] == "body.regions"


async def test_a_region_of_a_photo_that_cannot_be_used_is_refused(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    with nothing_stored(settings):
        answer = await client.post(
            CLASSES,
            data={"name": "crack", "regions": json.dumps([GOOD])},
            files=files([photo(), photo(seed=1)[:900]]),
        )
        body = problem(answer, 422, "request-invalid")
    assert "1.jpg has regions, and cannot be used" in body["detail"]


async def test_sound_surfaces_can_be_registered_like_a_class(client: httpx.AsyncClient) -> None:
    walls = [wide_photo(None, seed)[0] for seed in range(3)]
    sound = await register(client, "intact", walls, kind="sound")
    assert sound["kind"] == "sound"
    await register_parts(client, "crack", range(3))
    assert "sound" not in await classes(client)  # rests join the class of this kind
    assert (await classes(client))["intact"]["shots"] == 6
    problem(
        await client.post(CLASSES, data={"name": "x", "kind": "fine"}, files=files([photo()])), 422, "request-invalid"
    )


async def test_a_catalog_of_sound_surfaces_alone_answers_as_a_whole(client: httpx.AsyncClient) -> None:
    await register(client, "intact", [wide_photo(None, seed)[0] for seed in range(2)], kind="sound")
    await client.patch(CATALOG, json={"mode": "scan"})
    answer = await classify(client, wide_photo("crack", 50)[0])
    assert answer["regions"] is None
    assert answer["predictions"][0]["defect_class"]["name"] == "intact"


@pytest.mark.both_databases
async def test_a_repeated_registration_with_regions_is_one(client: httpx.AsyncClient) -> None:
    data, box = wide_photo("crack", 1)
    form = {"name": "crack", "regions": json.dumps([box_of(0, box)]), "rest_is_sound": "true"}
    headers = {"Idempotency-Key": "once"}
    first = await client.post(CLASSES, data=form, files=files([data]), headers=headers)
    again = await client.post(CLASSES, data=form, files=files([data]), headers=headers)
    assert created(first) == created(again)
    assert (await classes(client))["sound"]["shots"] == 1
    other = await client.post(CLASSES, data=form | {"regions": "[]"}, files=files([data]), headers=headers)
    problem(other, 422, "idempotency-key-reused")
    assert (await client.get(CLASSIFICATIONS)).status_code in {404, 405}
