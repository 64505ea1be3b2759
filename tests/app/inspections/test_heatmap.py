"""Where in the photo: the picture, its layer, and what stands against it."""

import asyncio
import io
import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from app.config import Settings
from app.drawing import draw
from app.photos.reading import encode_jpeg
from models.backbones import Backbone
from tests.drawn import encode, photo, photos, pixels, save
from tests.rest import classify, execute, nothing_stored, problem, register


async def _classes(client: httpx.AsyncClient) -> dict[str, str]:
    return {kind: (await register(client, kind, photos(kind, range(4))))["id"] for kind in ("crack", "rust", "brick")}


def _address(classification: dict[str, Any]) -> str:
    return f"/v1/classifications/{classification['id']}/heatmap.png"


async def _picture(client: httpx.AsyncClient, classification: dict[str, Any], **query: str) -> NDArray[np.uint8]:
    answer = await client.get(_address(classification), params=query)
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


async def test_the_picture_and_its_layer(client: httpx.AsyncClient, settings: Settings) -> None:
    await _classes(client)
    judged = await classify(client, photo("rust", 9))
    with nothing_stored(settings):
        answer = await client.get(_address(judged))
        overlay = await _picture(client, judged, overlay="true")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    picture = await _picture(client, judged)
    assert picture.shape == (180, 240, 3)
    assert overlay.shape == (180, 240, 4)
    # Where the layer is clear the picture is the grey photo; elsewhere it has colours.
    clear = overlay[..., 3] == 0
    spread = np.ptp(picture.astype(int), axis=2)
    assert clear.any()
    assert spread[clear].max() == 0
    assert spread[overlay[..., 3] > 100].min() > 20


async def test_it_points_at_a_defect_in_a_corner(client: httpx.AsyncClient) -> None:
    """A drawn rust stain on an intact wall, laid into each corner in turn."""
    for name in ("rust-stain", "efflorescence", "intact"):
        await register(client, name, [encode_jpeg(draw(name, seed, 240, 320).pixels) for seed in range(4)])
    stain = draw("rust-stain", 50, 240, 320)
    for bottom in (0, 1):
        for right in (0, 1):
            wall = draw("intact", 60, 480, 640).pixels.copy()
            wall[240 * bottom : 240 * bottom + 240, 320 * right : 320 * right + 320] = stain.pixels
            classes = (await client.get("/v1/catalogs/default/defect-classes")).json()["items"]
            ids = {each["name"]: each["id"] for each in classes}
            judged = await classify(client, encode(wall, quality=90))
            overlay = await _picture(client, judged, overlay="true", defect_class_id=ids["rust-stain"])
            quarters = overlay[..., 3].astype(float).reshape(2, 240, 2, 320).sum(axis=(1, 3))
            assert quarters[bottom, right] > 0.5 * quarters.sum()


@pytest.mark.parametrize(("height", "width", "shape"), [(900, 2048, (450, 1024)), (3, 500, (32, 500))])
async def test_sides_are_bounded(client: httpx.AsyncClient, height: int, width: int, shape: tuple[int, int]) -> None:
    await register(client, "crack", [photo()])
    judged = await classify(client, encode(pixels("crack", 1, height, width)))
    assert (await _picture(client, judged)).shape == (*shape, 3)
    assert (await _picture(client, judged, overlay="true")).shape == (*shape, 4)


async def test_it_is_upright_and_tells_nothing_of_the_file(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "secret-camera"
    await register(client, "crack", [photo()])
    judged = await classify(client, save(Image.fromarray(pixels("crack", 1)), exif=exif, comment=b"secret-comment"))
    answer = await client.get(_address(judged))
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (180, 240)
        assert not image.info
    assert b"secret" not in answer.content


async def test_another_class_can_be_asked_for(client: httpx.AsyncClient) -> None:
    ids = await _classes(client)
    judged = await classify(client, photo("rust", 9))
    assert judged["predictions"][0]["defect_class"]["id"] == ids["rust"]
    first = await _picture(client, judged, overlay="true")
    same = await _picture(client, judged, overlay="true", defect_class_id=ids["rust"])
    other = await _picture(client, judged, overlay="true", defect_class_id=ids["crack"])
    assert np.array_equal(first, same)
    # What speaks for the one class speaks against the other.
    assert np.corrcoef(first[..., 3].ravel(), other[..., 3].ravel())[0, 1] < 0


async def test_a_single_class_is_shown_by_its_likeness_alone(client: httpx.AsyncClient) -> None:
    ids = await _classes(client)
    judged = await classify(client, photo("rust", 9))
    against = await _picture(client, judged, overlay="true")
    for kind in ("crack", "brick"):
        await client.delete(f"/v1/defect-classes/{ids[kind]}")
    alone = await _picture(client, judged, overlay="true")
    assert alone[..., 3].any()
    assert not np.array_equal(alone, against)


async def test_a_class_that_is_not_there(client: httpx.AsyncClient) -> None:
    ids = await _classes(client)
    await client.post("/v1/catalogs", json={"name": "roofs"})
    elsewhere = (await register(client, "crack", [photo()], "roofs"))["id"]
    judged = await classify(client, photo("rust", 9))
    for absent in (str(uuid.uuid4()), elsewhere):
        answer = await client.get(_address(judged), params={"defect_class_id": absent})
        problem(answer, 404, "defect-class-not-found")
    await client.delete(f"/v1/defect-classes/{ids['rust']}")
    problem(await client.get(_address(judged)), 404, "defect-class-not-found")
    assert (await _picture(client, judged, defect_class_id=ids["crack"])).any()
    for kind in ("crack", "brick"):
        await client.delete(f"/v1/defect-classes/{ids[kind]}")
    problem(await client.get(_address(judged)), 404, "defect-class-not-found")


async def test_what_is_no_request_for_a_map(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo()])
    judged = await classify(client, photo())
    problem(await client.get(_address({"id": uuid.uuid4()})), 404, "classification-not-found")
    problem(await client.get(_address({"id": "x"})), 422, "request-invalid")
    problem(await client.get(_address(judged), params={"defect_class_id": "x"}), 422, "request-invalid")
    problem(await client.get(_address(judged), params={"overlay": "maybe"}), 422, "request-invalid")


async def test_an_answer_of_another_backbone_has_no_map(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", [photo()])
    judged = await classify(client, photo())
    execute(settings.database_url, "UPDATE classifications SET backbone_id = 'older@1'")
    assert "older@1" in problem(await client.get(_address(judged)), 409, "backbone-changed")["detail"]


async def test_a_photo_that_was_damaged_in_the_database(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", [photo()])
    judged = await classify(client, photo("crack", 9))
    execute(settings.database_url, "UPDATE blobs SET bytes = :cut WHERE sha256 = :id",
            cut=photo()[:3000], id=judged["photo"]["id"])  # fmt: skip
    problem(await client.get(_address(judged)), 422, "photo-damaged")


async def test_what_the_network_cannot_do_or_has_no_room_for(
    client: httpx.AsyncClient, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client, "crack", [photo()])
    judged = await classify(client, photo())
    with monkeypatch.context() as patch:
        patch.setattr("app.embedding.local.MAPS", 0)
        problem(await client.get(_address(judged)), 429, "queue-full")
    assert (await client.get(_address(judged))).status_code == 200

    def fail(*_: object) -> None:
        raise MemoryError("secret")

    with monkeypatch.context() as patch:
        patch.setattr(backbone.engine, "feature_map", fail)
        failed = await client.get(_address(judged))
        assert "secret" not in problem(failed, 503, "embedder-unavailable")["detail"]
    with monkeypatch.context() as patch:
        patch.setattr(backbone.engine, "feature_map", lambda _photos: None)
        problem(await client.get(_address(judged)), 501, "heatmap-unavailable")
    assert (await client.get(_address(judged))).status_code == 200


async def test_two_callers_at_once_get_what_each_gets_alone(client: httpx.AsyncClient) -> None:
    await _classes(client)
    judged = [await classify(client, photo(kind, 9)) for kind in ("rust", "brick")]
    alone = [await _picture(client, each) for each in judged]
    first, second, beside = await asyncio.gather(
        _picture(client, judged[0]), _picture(client, judged[1]), classify(client, photo("crack", 9))
    )
    assert beside["predictions"][0]["defect_class"]["name"] == "crack"
    for together, expected in zip((first, second), alone, strict=True):
        assert np.abs(together.astype(int) - expected).max() <= 2
    assert not np.array_equal(alone[0], alone[1])
