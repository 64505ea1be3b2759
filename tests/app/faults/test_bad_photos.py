"""Photos that cannot be used: the right refusal, nothing stored, and the next caller is served."""

import struct
import zlib
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from PIL import Image

from app.config import Settings
from tests.drawn import encode, photo, pixels, save
from tests.rest import CLASSES, CLASSIFICATIONS, files, nothing_stored, problem, register, still_answers


def _png_header(width: int, height: int) -> bytes:
    """A PNG that declares its size and then holds no pixel, so only a reader of headers can judge it."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data)
    )


def _jpeg_header(width: int, height: int) -> bytes:
    """A JPEG cut off behind its frame header, with the size in it overwritten."""
    data = bytearray(photo())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data[: data.index(b"\xff\xda") + 20])


def _image(kind: str) -> bytes:
    return save(Image.fromarray(pixels("crack", 1)), kind)


_PSD = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3) + bytes(12) + struct.pack(">H", 0) + bytes(192)
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'

BAD: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "empty": (lambda: b"", 422, "photo-empty"),
    "text named .jpg": (lambda: b"no photo at all, only words\n" * 20, 415, "photo-type-unsupported"),
    "TIFF": (lambda: _image("TIFF"), 415, "photo-type-unsupported"),
    "PSD": (lambda: _PSD, 415, "photo-type-unsupported"),
    "EPS": (lambda: _image("EPS"), 415, "photo-type-unsupported"),
    "SVG": (lambda: _SVG, 415, "photo-type-unsupported"),
    "GIF": (lambda: _image("GIF"), 415, "photo-type-unsupported"),
    "BMP": (lambda: _image("BMP"), 415, "photo-type-unsupported"),
    "PDF": (lambda: _image("PDF"), 415, "photo-type-unsupported"),
    "ICO": (lambda: _image("ICO"), 415, "photo-type-unsupported"),
    "AVIF": (lambda: _image("AVIF"), 415, "photo-type-unsupported"),
    "truncated JPEG": (lambda: photo()[:3000], 422, "photo-damaged"),
    "PNG of 400 megapixels": (lambda: _png_header(20_000, 20_000), 413, "photo-too-large"),
    "PNG of 4 exapixels": (lambda: _png_header(2**31 - 1, 2**31 - 1), 413, "photo-too-large"),
    "JPEG of 4 gigapixels": (lambda: _jpeg_header(65_500, 65_500), 413, "photo-too-large"),
    "one pixel row above 80 megapixels": (lambda: _png_header(8000, 10_001), 413, "photo-too-large"),
    "32 MB and a byte": (lambda: photo() + bytes(32_000_001 - len(photo())), 413, "photo-too-large"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_photo_is_refused_and_nothing_else_happens(
    client: httpx.AsyncClient, settings: Settings, case: str
) -> None:
    make, status, code = BAD[case]
    data = make()
    await register(client, "crack", [photo()])
    with nothing_stored(settings):
        problem(await client.post(CLASSIFICATIONS, files=files([data], "photo")), status, code)
        # A registration is refused as a whole, and says for the photo what classifying it says.
        answer = await client.post(CLASSES, data={"name": "bad"}, files=files([data]))
        body = problem(answer, 422, "no-usable-photo")
        assert [(fault["filename"], fault["problem"]["code"]) for fault in body["errors"]] == [("0.jpg", code)]
    await still_answers(client, photo())


async def test_a_header_just_within_the_limit_is_judged_by_its_pixels(client: httpx.AsyncClient) -> None:
    """The other side of the limit: this header passes, and the missing pixels are what is wrong."""
    await register(client, "crack", [photo()])
    answer = await client.post(CLASSIFICATIONS, files=files([_png_header(8000, 8000)], "photo"))
    problem(answer, 422, "photo-damaged")


async def test_a_photo_of_exactly_the_most_bytes_is_taken(client: httpx.AsyncClient) -> None:
    data = photo()
    answer = await register(client, "crack", [data + bytes(32_000_000 - len(data))])
    assert answer["photos"][0]["status"] == "accepted"


async def test_51_photos_are_too_many_and_50_are_not(client: httpx.AsyncClient, settings: Settings) -> None:
    many = [encode(np.full((8, 8, 3), shade, np.uint8)) for shade in range(0, 204, 4)]
    assert len(many) == 51
    made = await register(client, "crack", [photo()])
    with nothing_stored(settings):
        problem(await client.post(CLASSES, data={"name": "many"}, files=files(many)), 422, "too-many-photos")
        address = f"/v1/defect-classes/{made['id']}/support-photos"
        problem(await client.post(address, files=files(many)), 422, "too-many-photos")
    await still_answers(client, photo())
    assert (await register(client, "fifty", many[:50]))["shots"] == 50


async def test_a_registration_without_photos_is_refused(client: httpx.AsyncClient, settings: Settings) -> None:
    with nothing_stored(settings):
        problem(await client.post(CLASSES, data={"name": "none"}), 422, "request-invalid")
        problem(await client.post(CLASSES, data={"name": "none", "photos": "text"}), 422, "request-invalid")
        problem(await client.post(CLASSES, files=files([photo()])), 422, "request-invalid")
        problem(await client.post(CLASSES), 422, "request-invalid")


async def test_a_duplicate_class_name_is_a_conflict(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", [photo()])
    with nothing_stored(settings):
        answer = await client.post(CLASSES, data={"name": "crack"}, files=files([photo(seed=5)]))
        problem(answer, 409, "defect-class-name-taken")
    await still_answers(client, photo())


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary at all", b"--b\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n', b"--b--\r\n", b"\xff" * 1000,
        b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n' + b"X: y\r\n" * 5000,
    ],
)  # fmt: skip
async def test_a_damaged_multipart_body_is_refused(client: httpx.AsyncClient, settings: Settings, body: bytes) -> None:
    await register(client, "crack", [photo()])
    with nothing_stored(settings):
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await client.post(CLASSIFICATIONS, content=body, headers=headers)
        assert answer.status_code in {400, 422}
        problem(answer, answer.status_code, {400: "bad-request", 422: "request-invalid"}[answer.status_code])
    await still_answers(client, photo())


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "multipart/form-data; boundary=", "\u00e9"])
async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient, settings: Settings, kind: str) -> None:
    await register(client, "crack", [photo()])
    with nothing_stored(settings):
        answer = await client.post(CLASSIFICATIONS, content=photo(), headers={b"Content-Type": kind.encode("latin-1")})
        assert answer.status_code in {400, 422}
        problem(answer, answer.status_code, {400: "bad-request", 422: "request-invalid"}[answer.status_code])
