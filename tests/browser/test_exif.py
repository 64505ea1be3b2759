"""The page's own EXIF reader against files that Pillow writes, and against damaged ones."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Browser, Page

from tests.drawn import encode, pixels

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

MODULE = Path(__file__).parents[2] / "app" / "web" / "static" / "js" / "exif.js"


def _jpeg(
    taken: str | None = None, offset: str | None = None, gps: dict[int, Any] | None = None, order: str = ""
) -> bytes:
    image = Image.fromarray(pixels("crack", 1))
    exif = image.getexif()
    if order:
        exif.endian = order
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    if offset:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = offset
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return encode(np.asarray(image), exif=exif)


def _read(page: Page, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        """async (text) => {
            const { readExif } = await import("/exif.js");
            return readExif(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
        }""",
        base64.b64encode(data).decode(),
    )
    return found


NOTHING = {"takenAt": None, "latitude": None, "longitude": None}
SEOUL = {1: "N", 2: (37.0, 33.0, 59.4), 3: "E", 4: (126.0, 58.0, 40.8)}
LIMA = {1: "S", 2: (12.0, 2.0, 36.0), 3: "W", 4: (77.0, 1.0, 48.0)}


@pytest.fixture(scope="module")
def anywhere(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the module."""
    page = browser.new_page()
    page.route("http://exif.test/", lambda route: route.fulfill(body="", content_type="text/html"))
    page.route("http://exif.test/exif.js", lambda route: route.fulfill(path=MODULE, content_type="text/javascript"))
    page.goto("http://exif.test/")
    yield page
    page.close()


@pytest.mark.parametrize("order", ["<", ">"])
def test_time_and_place_are_read_in_both_byte_orders(anywhere: Page, order: str) -> None:
    found = _read(anywhere, _jpeg("2026:11:20 08:30:00", "+09:00", SEOUL, order))
    assert found["takenAt"] == "2026-11-20T08:30:00+09:00"
    assert found["latitude"] == pytest.approx(37.566500)
    assert found["longitude"] == pytest.approx(126.978)


def test_south_and_west_are_negative_and_a_missing_zone_stays_missing(anywhere: Page) -> None:
    found = _read(anywhere, _jpeg("2026:11:20 08:30:00", None, LIMA))
    assert found["takenAt"] == "2026-11-20T08:30:00"
    assert (found["latitude"], found["longitude"]) == (pytest.approx(-12.043333), pytest.approx(-77.03))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"no photo at all",
        encode(pixels("crack", 1)),
        encode(pixels("crack", 1), "PNG"),
        _jpeg("0000:00:00 00:00:00"),
        _jpeg("2026:11:20 24:00:00"),
        _jpeg("2026:11:31 08:30:00"),
        _jpeg(None, None, SEOUL | {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}),
        _jpeg("yesterday", "soon", SEOUL | {2: (95.0, 0.0, 0.0)}),
    ],
)
def test_what_is_absent_or_wrong_is_null(anywhere: Page, data: bytes) -> None:
    assert _read(anywhere, data) == NOTHING


def test_a_file_that_breaks_off_anywhere_harms_nothing(anywhere: Page) -> None:
    whole = _jpeg("2026:11:20 08:30:00", "+09:00", SEOUL)
    for length in range(0, 420, 7):
        assert set(_read(anywhere, whole[:length])) == set(NOTHING)
    for place in range(20, 400, 3):
        damaged = whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :]
        assert set(_read(anywhere, damaged)) == set(NOTHING)
