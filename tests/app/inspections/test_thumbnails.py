"""Thumbnails: small, upright, and never what was uploaded."""

import io
from typing import Any

import httpx
import pytest
from PIL import ExifTags, Image

from app.config import Settings
from tests.drawn import photo, pixels, save
from tests.rest import classify, nothing_stored, problem, register


def _tagged() -> bytes:
    """A photo on its side (EXIF orientation 6) that says where it was taken."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "secret-camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    extra: dict[str, Any] = {"comment": b"secret-comment", "icc_profile": b"secret-profile", "xmp": b"secret-xmp"}
    return save(Image.fromarray(pixels("crack", 1)), exif=exif, **extra)


async def test_a_thumbnail_is_small_upright_and_free_of_metadata(client: httpx.AsyncClient) -> None:
    sent = _tagged()
    assert sent.count(b"secret") == 4
    made = await register(client, "crack", [sent])
    answer = await client.get(f"/v1/photos/{made['photos'][0]['photo_id']}/thumbnail", params={"side": 120})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "JPEG"
        assert image.size == (90, 120)
        assert not image.getexif()
    assert b"secret" not in answer.content


async def test_a_thumbnail_is_never_larger_than_its_photo(client: httpx.AsyncClient) -> None:
    await register(client, "crack", [photo()])
    judged = await classify(client, photo("rust", 3))
    answer = await client.get(f"/v1/photos/{judged['photo']['id']}/thumbnail", params={"side": 1600})
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (240, 180)


@pytest.mark.parametrize("mode", ["PNG", "WEBP", "HEIF"])
async def test_every_format_becomes_a_jpeg(client: httpx.AsyncClient, mode: str) -> None:
    made = await register(client, "crack", [save(Image.fromarray(pixels("crack", 1)), mode)])
    answer = await client.get(f"/v1/photos/{made['photos'][0]['photo_id']}/thumbnail")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (240, 180))


async def test_a_photo_that_is_not_kept_has_no_thumbnail(client: httpx.AsyncClient, settings: Settings) -> None:
    made = await register(client, "crack", [photo()])
    address = f"/v1/photos/{made['photos'][0]['photo_id']}/thumbnail"
    assert (await client.get(address)).status_code == 200
    await client.delete(f"/v1/defect-classes/{made['id']}")
    with nothing_stored(settings):
        problem(await client.get(address), 404, "photo-not-found")
        problem(await client.get("/v1/photos/../thumbnail"), 404, "not-found")
        problem(await client.get(f"/v1/photos/{'Z' * 64}/thumbnail"), 422, "request-invalid")
        problem(await client.get(address, params={"side": 15}), 422, "request-invalid")
        problem(await client.get(address, params={"side": 3201}), 422, "request-invalid")
