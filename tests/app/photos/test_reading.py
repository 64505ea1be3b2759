"""Photos as cameras, phones and programs write them: every kind becomes the same upright RGB pixels."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from app.config import Settings
from app.photos.reading import DecodedPhoto, decode, encode_jpeg, encode_png, enlarge, fit, shrink
from models.manifest import Transform
from tests.drawn import photo, pixels, save

TRANSFORM = Transform(48, 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LIMIT = 64_000_000

# What must have been done to upright pixels for a camera to write this orientation.
LAID: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def _decode(data: bytes) -> DecodedPhoto:
    return decode(data, TRANSFORM, LIMIT)


def _resized(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole photo, resized by hand: what `decode` must give."""
    return np.asarray(Image.fromarray(array).resize((TRANSFORM.width, TRANSFORM.height), Image.Resampling.BICUBIC))


def _difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    assert first.shape == second.shape
    return float(np.abs(first.astype(int) - second).mean())


def _exif(**tags: Any) -> Image.Exif:
    exif = Image.Exif()
    for name, value in tags.items():
        exif[ExifTags.Base[name]] = value
    return exif


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_pixels(orientation: int, kind: str) -> None:
    upright = pixels("crack", 4)
    laid = Image.fromarray(np.ascontiguousarray(LAID[orientation](upright)))
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = _decode(save(laid, kind, exif=_exif(Orientation=orientation), **options))
    assert np.array_equal(decoded.pixels, _resized(upright))
    assert (decoded.width, decoded.height) == (240, 180)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_jpeg_is_upright_although_it_is_decoded_small(orientation: int) -> None:
    upright = pixels("rust", 4, 900, 1600)
    laid = Image.fromarray(np.ascontiguousarray(LAID[orientation](upright)))
    data = save(laid, exif=_exif(Orientation=orientation), quality=95)
    decoded = _decode(data)
    assert _difference(decoded.pixels, _resized(upright)) < 3
    assert (decoded.width, decoded.height) == (1600, 900)
    fitted = fit(data, 768, 448, LIMIT)
    assert fitted.shape == (448, 768, 3)
    assert _difference(_resized(fitted), _resized(upright)) < 3
    small = shrink(data, 320, LIMIT)
    assert small.shape == (180, 320, 3)
    assert _difference(_resized(small), _resized(upright)) < 4


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    data = save(Image.fromarray(pixels("crack", 4)), "PNG", exif=_exif(Orientation=orientation))
    assert np.array_equal(_decode(data).pixels, _resized(pixels("crack", 4)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heif_is_turned_upright_once(orientation: int) -> None:
    upright = pixels("rust", 4)
    laid = Image.fromarray(np.ascontiguousarray(LAID[orientation](upright)))
    # As bytes: only then does pillow-heif write the rotation into the picture's own properties, as phones do.
    data = save(laid, "HEIF", exif=_exif(Orientation=orientation).tobytes(), quality=95)
    assert (b"irot" in data or b"imir" in data) == (orientation != 1)
    decoded = _decode(data)
    assert decoded.media_type == "image/heif"
    assert (decoded.width, decoded.height) == (240, 180)
    assert _difference(decoded.pixels, _resized(upright)) < 4


def test_cmyk_looks_as_it_was_printed() -> None:
    array = pixels("rust", 4)
    decoded = _decode(save(Image.fromarray(array).convert("CMYK"), quality=95))
    assert _difference(decoded.pixels, _resized(array)) < 3


def test_16_bits_of_gray_are_scaled_and_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65_535, 256).astype(np.uint16), (100, 1))
    decoded = _decode(save(Image.fromarray(ramp), "PNG"))
    eight = np.repeat((ramp >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    assert _difference(decoded.pixels, _resized(eight)) < 1


def test_gray_one_bit_and_gray_with_alpha_are_taken() -> None:
    array = pixels("brick", 4)
    gray = Image.fromarray(array).convert("L")
    expected = _resized(np.asarray(gray.convert("RGB")))
    assert np.array_equal(_decode(save(gray, "PNG")).pixels, expected)
    assert np.array_equal(_decode(save(gray.convert("LA"), "PNG")).pixels, expected)
    bits = gray.convert("1")
    assert np.array_equal(_decode(save(bits, "PNG")).pixels, _resized(np.asarray(bits.convert("RGB"))))


def _half_transparent(kind: str) -> bytes:
    """Left half opaque red, right half fully transparent black."""
    array = np.zeros((40, 40, 4), np.uint8)
    array[:, :20] = (255, 0, 0, 255)
    image = Image.fromarray(array)
    if kind == "RGBA":
        return save(image, "PNG")
    if kind == "WEBP":
        return save(image, "WEBP", lossless=True)
    if kind == "PALETTE":
        palette = image.convert("RGB").quantize(2)
        alpha = bytes(255 if palette.getpalette()[3 * entry] else 0 for entry in range(2))  # type: ignore[index]
        return save(palette, "PNG", transparency=alpha)
    return save(image.convert("RGB"), "PNG", transparency=(0, 0, 0))


@pytest.mark.parametrize("kind", ["RGBA", "WEBP", "PALETTE", "KEY COLOUR"])
def test_what_is_transparent_shows_white_paper(kind: str) -> None:
    decoded = _decode(_half_transparent(kind)).pixels
    assert (decoded[:, :25] == (255, 0, 0)).all()
    assert (decoded[:, 39:] == 255).all()


def test_of_an_animation_the_first_frame_counts() -> None:
    first, second = (Image.fromarray(pixels(kind, 4)) for kind in ("crack", "rust"))
    data = save(first, "WEBP", save_all=True, append_images=[second], lossless=True, duration=100)
    decoded = _decode(data)
    assert decoded.media_type == "image/webp"
    assert np.array_equal(decoded.pixels, _resized(pixels("crack", 4)))


def test_of_a_phone_s_pair_of_pictures_the_first_counts() -> None:
    first, second = (Image.fromarray(pixels(kind, 4)) for kind in ("crack", "rust"))
    data = save(first, "MPO", save_all=True, append_images=[second], quality=95)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
    decoded = _decode(data)
    assert decoded.media_type == "image/jpeg"
    assert _difference(decoded.pixels, _resized(pixels("crack", 4))) < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_a_photo_of_one_pixel_width_is_taken(kind: str, size: tuple[int, int]) -> None:
    data = save(Image.new("RGB", size, (10, 200, 30)), kind)
    decoded = _decode(data)
    assert decoded.pixels.shape == (48, 64, 3)
    assert (decoded.width, decoded.height) == size
    assert _difference(decoded.pixels, np.full((48, 64, 3), (10, 200, 30), np.uint8)) < 4
    small = shrink(data, 16, LIMIT)
    assert max(small.shape[:2]) == min(16, max(size))
    assert min(small.shape[:2]) == 1


@pytest.mark.parametrize("kind", ["crack", "rust", "brick"])
@pytest.mark.parametrize("size", [(2250, 3000), (500, 700), (200, 1500)])
def test_the_quick_decode_is_close_to_a_full_one(kind: str, size: tuple[int, int]) -> None:
    transform = replace(TRANSFORM, height=224, width=224)
    # Enlarged and not drawn larger: a grid of lines of 3 pixels in 3000 is a test of aliasing and no photo.
    large = Image.fromarray(pixels(kind, 4)).resize(size[::-1], Image.Resampling.BICUBIC)
    data = save(large, quality=95)
    with Image.open(io.BytesIO(data)) as image:
        full = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))
    assert _difference(decode(data, transform, LIMIT).pixels, full) < 4


def test_the_id_of_a_photo_is_the_hash_of_its_file() -> None:
    data = photo()
    decoded = _decode(data)
    assert decoded.sha256 == hashlib.sha256(data).hexdigest()
    assert decoded.pixels.flags.c_contiguous
    assert decoded.pixels.dtype == np.uint8


def test_encoding_and_decoding_leads_back() -> None:
    array = pixels("rust", 4, 48, 64)
    assert _difference(_decode(encode_jpeg(array, 95)).pixels, array) < 6


class TestTimeAndPlace:
    @staticmethod
    def _photo(time: Any = None, offset: Any = None, gps: dict[Any, Any] | None = None) -> DecodedPhoto:
        exif = Image.Exif()
        fields = exif.get_ifd(ExifTags.IFD.Exif)
        if time is not None:
            fields[ExifTags.Base.DateTimeOriginal] = time
        if offset is not None:
            fields[ExifTags.Base.OffsetTimeOriginal] = offset
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
        return _decode(save(Image.fromarray(pixels("crack", 4)), exif=exif))

    def test_the_time_is_the_camera_s_with_its_zone_or_without(self) -> None:
        local = datetime(2026, 11, 22, 9, 30, 5)  # noqa: DTZ001 - the camera gave no zone
        assert self._photo("2026:11:22 09:30:05").taken_at == local
        seoul = self._photo("2026:11:22 09:30:05", "+09:00").taken_at
        assert seoul == local.replace(tzinfo=timezone(timedelta(hours=9)))
        assert self._photo("2026:11:22 09:30:05", "Z").taken_at == local.replace(tzinfo=UTC)
        assert self._photo("2026:11:22 09:30:05", "+09:00\0").taken_at == seoul

    @pytest.mark.parametrize(
        "time", ["", "    :  :     :  :  ", "0000:00:00 00:00:00", "2026:13:01 00:00:00", "yesterday", "9" * 99]
    )
    def test_a_time_that_is_none_is_left_out(self, time: str) -> None:
        assert self._photo(time).taken_at is None

    @pytest.mark.parametrize("offset", ["+09:00:15.123456", "-23:59:59.999999", "+99:00", "east", "+0900"])
    def test_a_time_fits_into_its_column_whatever_the_zone_says(self, offset: str) -> None:
        taken_at = self._photo("2026:11:22 09:30:05", offset).taken_at
        assert taken_at is None or len(taken_at.isoformat()) <= 32

    def test_the_place_is_in_degrees(self) -> None:
        place = {
            ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (37.0, 33.0, 59.4),
            ExifTags.GPS.GPSLongitudeRef: "E", ExifTags.GPS.GPSLongitude: (126.0, 58.0, 40.8),
        }  # fmt: skip
        seoul = self._photo(gps=place)
        assert (seoul.latitude, seoul.longitude) == pytest.approx((37.5665, 126.978), abs=1e-6)
        south_west = place | {ExifTags.GPS.GPSLatitudeRef: "S", ExifTags.GPS.GPSLongitudeRef: "W"}
        other = self._photo(gps=south_west)
        assert (other.latitude, other.longitude) == pytest.approx((-37.5665, -126.978), abs=1e-6)

    @pytest.mark.parametrize("south", ["S\0", "S", "s ", "S\0N"])
    def test_a_reference_may_end_in_padding(self, south: str) -> None:
        place = {
            ExifTags.GPS.GPSLatitudeRef: south, ExifTags.GPS.GPSLatitude: (12.0, 2.0, 36.0),
            ExifTags.GPS.GPSLongitudeRef: south.replace("S", "W").replace("s", "w"),
            ExifTags.GPS.GPSLongitude: (77.0, 1.0, 48.0),
        }  # fmt: skip
        decoded = self._photo(gps=place)
        assert (decoded.latitude, decoded.longitude) == pytest.approx((-12.043333, -77.03))

    def test_zeros_are_a_position_that_was_left_out(self) -> None:
        place = {
            ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (0.0, 0.0, 0.0),
            ExifTags.GPS.GPSLongitudeRef: "E", ExifTags.GPS.GPSLongitude: (0.0, 0.0, 0.0),
        }  # fmt: skip
        decoded = self._photo(gps=place)
        assert (decoded.latitude, decoded.longitude) == (None, None)

    @pytest.mark.parametrize(
        ("name", "latitude", "longitude"),
        [
            ("gps-0-0.jpg", None, None),
            ("gps-south-extra-nul.jpg", -33.55, -70.9667),
            ("exif-24h.jpg", None, None),
            ("phone-64mp-9248x6936.jpg", None, None),
        ],
    )
    def test_files_of_phones(self, name: str, latitude: float | None, longitude: float | None) -> None:
        path = Path(__file__).parents[4] / "shared" / "cases" / name
        if not path.exists():
            pytest.skip(f"the shared cases are not at {path}")
        decoded = decode(path.read_bytes(), TRANSFORM, Settings().max_photo_pixels)
        assert decoded.latitude == (None if latitude is None else pytest.approx(latitude, abs=1e-4))
        assert decoded.longitude == (None if longitude is None else pytest.approx(longitude, abs=1e-4))
        assert decoded.taken_at is None or decoded.taken_at.hour < 24

    @pytest.mark.parametrize(
        "latitude", [(91.0, 0.0, 0.0), (37.0, 33.0), (37.0,), (IFDRational(0, 0),) * 3, (1e9, 0.0, 0.0)]
    )
    def test_a_place_that_is_none_is_left_out(self, latitude: Any) -> None:
        place = {
            ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: latitude,
            ExifTags.GPS.GPSLongitudeRef: "E", ExifTags.GPS.GPSLongitude: (126.0, 58.0, 40.8),
        }  # fmt: skip
        decoded = self._photo(gps=place)
        assert (decoded.latitude, decoded.longitude) == (None, None)

    def test_a_photo_without_exif_says_nothing(self) -> None:
        decoded = _decode(photo())
        assert (decoded.taken_at, decoded.latitude, decoded.longitude) == (None, None, None)


class TestPictures:
    @pytest.mark.parametrize("channels", [3, 4])
    def test_a_png_keeps_every_pixel(self, channels: int) -> None:
        drawn = np.random.default_rng(0).integers(0, 256, (20, 30, channels), np.uint8)
        image = Image.open(io.BytesIO(encode_png(drawn)))
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), drawn)

    def test_an_enlarged_field_peaks_in_the_middle_of_its_cell_and_stays_within_bounds(self) -> None:
        values = np.zeros((3, 4), np.float32)
        values[1, 2] = 1
        field = enlarge(values, 80, 60)
        assert field.shape == (60, 80)
        assert field.min() == 0
        assert 0.98 < field.max() <= 1
        rows, columns = np.nonzero(field > 0.98)
        assert (rows.mean(), columns.mean()) == pytest.approx((29.5, 49.5))
