"""A catalog judged by its own photos."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from app.evaluation import service
from tests.drawn import photo, photos
from tests.rest import problem, register

ADDRESS = "/v1/catalogs/default/evaluation"


async def test_every_support_photo_is_judged_by_the_others(client: httpx.AsyncClient) -> None:
    ids = {kind: (await register(client, kind, photos(kind, range(6))))["id"] for kind in ("crack", "rust", "brick")}
    single = (await register(client, "single", [photo("rust", 50)]))["id"]
    answer = (await client.get(ADDRESS)).json()
    assert answer["catalog"] == "default"
    assert answer["catalog_version"] == (await client.get("/v1/catalogs/default")).json()["version"]
    assert answer["not_judged"] == 1
    assert answer["accuracy"]["photos"] == 18
    assert answer["accuracy"]["low"] < answer["accuracy"]["value"] <= answer["accuracy"]["high"] <= 1
    classes = {each["defect_class"]["id"]: each for each in answer["classes"]}
    assert classes.keys() == {*ids.values(), single}
    assert classes[single]["recall"] is None
    # Where nothing is known, photos are needed most.
    assert answer["classes"][0]["defect_class"]["id"] == single
    right = sum(classes[each]["recall"]["value"] * 6 for each in ids.values())
    wrong = sum(each["photos"] for each in answer["confusions"])
    assert round(right) + wrong == 18
    assert abs(answer["accuracy"]["value"] - right / 18) < 1e-9
    for each in answer["confusions"]:
        assert each["truth"] != each["answer"]


async def test_a_photo_in_the_wrong_class_shows(client: httpx.AsyncClient) -> None:
    await register(client, "crack", photos("crack", range(5)))
    await register(client, "rust", [*photos("rust", range(5)), photo("crack", 20)])
    answer = (await client.get(ADDRESS)).json()
    names = {each["defect_class"]["name"]: each for each in answer["classes"]}
    assert names["rust"]["recall"]["value"] < 1
    assert names["rust"]["confused_with"]["name"] == "crack"
    assert answer["confusions"][0]["photos"] == 1
    assert answer["classes"][0]["defect_class"]["name"] == "rust"


async def test_sound_surfaces_are_no_type_of_defect(client: httpx.AsyncClient) -> None:
    for kind in ("crack", "rust"):
        await register(client, kind, photos(kind, range(4)))
    before = (await client.get(ADDRESS)).json()
    await register(client, "sound", photos("crack", range(30, 34)), kind="sound")
    after = (await client.get(ADDRESS)).json()
    assert after.pop("catalog_version") > before.pop("catalog_version")
    assert after == before


async def test_a_catalog_without_photos_is_evaluated_as_such(client: httpx.AsyncClient) -> None:
    answer = (await client.get(ADDRESS)).json()
    assert (answer["accuracy"], answer["classes"], answer["confusions"], answer["not_judged"]) == (None, [], [], 0)
    problem(await client.get("/v1/catalogs/none/evaluation"), 404, "catalog-not-found")
    problem(await client.get("/v1/catalogs/none/evaluation/confusion.png"), 404, "catalog-not-found")


async def test_the_picture(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(client, "crack", photos("crack", range(4)), title_ko="균열")
    await register(client, "rust", photos("rust", range(4)))
    answer = await client.get(ADDRESS + "/confusion.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))
    assert min(picture.shape) > 200
    assert picture.std() > 20
    assert (await client.get(ADDRESS + "/confusion.png", params={"lang": "ko"})).content == answer.content
    english = await client.get(ADDRESS + "/confusion.png", params={"lang": "en"})
    assert english.content.startswith(b"\x89PNG")
    assert english.content != answer.content
    problem(await client.get(ADDRESS + "/confusion.png", params={"lang": "fr"}), 422, "request-invalid")
    monkeypatch.setattr(service, "MAX_DRAWN", 2)
    await register(client, "one too many", [photo("rust", 100)])
    problem(await client.get(ADDRESS + "/confusion.png"), 422, "catalog-too-large-to-draw")
