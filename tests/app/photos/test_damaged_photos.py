"""Damage anywhere in a file: `PhotoError` or a photo, and nothing else ever."""

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from app.photos.reading import PhotoDamaged, PhotoEmpty, PhotoError, PhotoTypeUnsupported, decode, shrink
from models.manifest import Transform
from tests.drawn import pixels, save

TRANSFORM = Transform(48, 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# Low, so that a flipped bit in the declared size does not make the tests allocate gigabytes.
LIMIT = 1_000_000


def _image() -> Image.Image:
    return Image.fromarray(pixels("crack", 4, 60, 80))


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:11:22 09:30:05"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+09:00"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({
        ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (37.0, 33.0, 59.4),
        ExifTags.GPS.GPSLongitudeRef: "E", ExifTags.GPS.GPSLongitude: (126.0, 58.0, 40.8),
    })  # fmt: skip
    return exif


MAKERS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: save(_image(), exif=_exif()),
    "progressive": lambda: save(_image(), progressive=True),
    "cmyk": lambda: save(_image().convert("CMYK")),
    "mpo": lambda: save(_image(), "MPO", save_all=True, append_images=[_image()]),
    "png": lambda: save(_image(), "PNG", exif=_exif()),
    "palette": lambda: save(_image().quantize(16), "PNG", transparency=bytes(range(16))),
    "gray16": lambda: save(Image.fromarray(np.arange(4800, dtype=np.uint16).reshape(60, 80) * 13), "PNG"),
    "webp": lambda: save(_image(), "WEBP", exif=_exif()),
    "animation": lambda: save(_image(), "WEBP", save_all=True, append_images=[_image().rotate(90)]),
    "heif": lambda: save(_image(), "HEIF", exif=_exif()),
}


@cache
def _file(kind: str) -> bytes:
    return MAKERS[kind]()


@pytest.fixture(autouse=True)
def _as_in_production() -> object:
    """Pillow warns of some damage and reads on; under pytest the warning would be raised instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("kind", MAKERS)
def test_the_undamaged_file_is_taken(kind: str) -> None:
    assert decode(_file(kind), TRANSFORM, LIMIT).pixels.shape == (48, 64, 3)


# How many bytes it takes to see what the file was meant to be.
MAGIC = {"jpeg": 3, "progressive": 3, "cmyk": 3, "mpo": 3, "png": 8, "palette": 8, "gray16": 8}


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "cmyk"])
def test_a_truncated_jpeg_is_damaged_unless_only_its_end_mark_is_missing(kind: str) -> None:
    whole = _file(kind)
    for length in range(MAGIC[kind], len(whole)):
        try:
            decode(whole[:length], TRANSFORM, LIMIT)
        except PhotoDamaged:
            continue
        except PhotoTypeUnsupported:
            pytest.fail(f"the first {length} of {len(whole)} bytes are called no photo at all")
        assert len(whole) - length <= 16, "a photo of which a part is missing was taken"


@pytest.mark.parametrize("kind", sorted(MAKERS.keys() - {"jpeg", "progressive", "cmyk"}))
def test_a_truncated_file_of_any_format_is_damaged_or_read(kind: str) -> None:
    whole = _file(kind)
    damaged = 0
    for length in range(MAGIC.get(kind, 16), len(whole), 7):
        for use in (lambda data: decode(data, TRANSFORM, LIMIT), lambda data: shrink(data, 32, LIMIT)):
            try:
                use(whole[:length])
            except PhotoDamaged:
                damaged += 1
    assert damaged > len(whole) // 7  # most cuts take something that is needed


def test_less_than_its_magic_number_is_no_photo() -> None:
    with pytest.raises(PhotoEmpty):
        decode(b"", TRANSFORM, LIMIT)
    for length in (1, 2):
        with pytest.raises(PhotoTypeUnsupported):
            decode(_file("jpeg")[:length], TRANSFORM, LIMIT)


_FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=250)
@given(flips=_FLIPS, head=st.booleans())
def test_flipped_bits_are_a_photo_error_or_a_photo(kind: str, flips: list[tuple[float, int]], head: bool) -> None:
    data = bytearray(_file(kind))
    reach = min(700, len(data)) if head else len(data)  # headers and EXIF, where most decisions are made, more often
    for place, bit in flips:
        data[int(place * reach)] ^= 1 << bit
    for use in (lambda: decode(bytes(data), TRANSFORM, LIMIT), lambda: shrink(bytes(data), 32, LIMIT)):
        try:
            use()
        except PhotoError:
            continue


_STARTS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP", b"\0\0\0\x18ftypheic"]


@given(st.binary(max_size=300), st.sampled_from(_STARTS))
def test_any_bytes_are_a_photo_error_or_a_photo(rest: bytes, start: bytes) -> None:
    try:
        decode(start + rest, TRANSFORM, LIMIT)
    except PhotoError:
        return
