"""Photos: bytes in, checked and oriented pixels out. The only module that imports PIL."""

import hashlib
import io
import math
import re
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import (
    ExifTags,
    Image,
    MpoImagePlugin,  # noqa: F401 - with the first WebP, Pillow would import its plugins for forty formats
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401 - as above
)

from app.errors import HajaError
from app.photos.quality import PhotoQuality, measure
from models.manifest import Transform
from models.windows import ALL, Region

# One thread: photos are decoded beside each other, and where they are, nothing may start another (`decoding`).
pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)

# Our own limit is checked on the header, before any pixel is decoded; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "HEIF": "image/heif",
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}

_SIGNATURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP|.{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL)
"""How photos begin, by which one that breaks off in its header is told from a file of another kind."""

_PAPER = (255, 255, 255)


class PhotoError(HajaError):
    """A photo that cannot be used."""


class PhotoEmpty(PhotoError):
    """The file has no bytes."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "photo-empty"


class PhotoDamaged(PhotoError):
    """The file starts like a photo, but cannot be decoded to its end."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "photo-damaged"


class PhotoTypeUnsupported(PhotoError):
    """The file is no JPEG, PNG, WebP or HEIF photo."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "photo-type-unsupported"


class PhotoTooLarge(PhotoError):
    """The photo has too many pixels or bytes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "photo-too-large"


class PhotoTooCostly(PhotoError):
    """Decoding the photo takes more time or memory than a photo may."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "photo-too-costly"


ERRORS: dict[str, type[PhotoError]] = {
    error.code: error for error in (PhotoEmpty, PhotoDamaged, PhotoTypeUnsupported, PhotoTooLarge, PhotoTooCostly)
}
"""By their codes."""


@dataclass(frozen=True)
class ReadPhoto:
    """A photo as the embedder wants it, with what its file says of itself.

    `pixels` is uint8 [H, W, 3] RGB at the size that was asked for; `width` and `height` are those of the upright photo;
    `taken_at` has no zone where the camera gave none; `latitude` and `longitude` are in degrees, WGS 84.
    """

    pixels: NDArray[np.uint8]
    quality: PhotoQuality
    media_type: str
    width: int
    height: int
    taken_at: datetime | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True)
class DecodedPhoto(ReadPhoto):
    """And its id: the hash of the file."""

    sha256: str


def prepare() -> None:
    """Import now what Pillow and the standard library would import with the first photo of a kind."""
    Image.preinit()
    datetime.strptime("+00:00", "%z")


def decode(data: bytes, transform: Transform, max_pixels: int) -> DecodedPhoto:
    """Decode a photo for the embedder. Support photos, query photos and evaluation all pass through `read`.

    Raises:
        PhotoError: as `read`.
    """
    photo = read(data, transform.width, transform.height, max_pixels)
    return DecodedPhoto(**vars(photo), sha256=hashlib.sha256(data).hexdigest())


def read(data: bytes, width: int, height: int, max_pixels: int) -> ReadPhoto:
    """Decode a photo, resized to `width` x `height` without keeping its proportions.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is still well above the one asked for.
    Transparency shows white paper beneath; of an animation the first frame counts.

    Raises:
        PhotoEmpty, PhotoTypeUnsupported, PhotoTooLarge, PhotoDamaged: see their docstrings.
        PhotoTooCostly: there is not enough memory.
    """
    image = _open(data, max_pixels)
    exif = _exif(image)
    turn = _turn(image)
    own_width, own_height = image.size[::-1] if turn in _SIDEWAYS else image.size
    media_type = MEDIA_TYPES[image.format or ""]
    side = max(width, height) * 3 // 2  # the decoder's own way of shrinking is coarser than the resize after it
    small = _pixels(image, (side, side), turn)
    latitude, longitude = _place(exif)
    pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    return ReadPhoto(
        pixels=pixels,
        quality=measure(pixels),
        media_type=media_type,
        width=own_width,
        height=own_height,
        taken_at=_taken_at(exif),
        latitude=latitude,
        longitude=longitude,
    )


def fit(data: bytes, width: int, height: int, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a photo, upright and resized to `width` x `height`: uint8 [H, W, 3].

    For feature maps, which are large: a JPEG may be decoded at hardly more than that size.

    Raises:
        PhotoError: as `read`.
    """
    image = _open(data, max_pixels)
    turn = _turn(image)
    side = width, height
    upright = _pixels(image, side[::-1] if turn in _SIDEWAYS else side, turn)
    return np.asarray(upright.resize(side, Image.Resampling.BICUBIC))


def shrink(data: bytes, side: int, max_pixels: int, region: Region = ALL) -> NDArray[np.uint8]:
    """Decode a region of a photo, upright, in its proportions and at most `side` pixels a side: uint8 [H, W, 3].

    Raises:
        PhotoError: as `read`.
    """
    image = _open(data, max_pixels)
    least = math.ceil(side / max(region.w, region.h)) * 3 // 2
    small = _pixels(image, (least, least), _turn(image))
    if region != ALL:
        small = small.crop(_pixel_box(region, *small.size))
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small)


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode uint8 [H, W, 3] as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 [H, W, 3] RGB or [H, W, 4] RGBA as a PNG file."""
    buffer = io.BytesIO()
    # Level 1 takes a fifth of the time of the usual 6, for a photo 6 % larger.
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def enlarge(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Values [h, w] in 0..1 as a smooth field float32 [H, W] in 0..1, each value at the middle of its cell."""
    field = Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(field).clip(0, 1)  # between a high and a low value the curve swings over


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise PhotoEmpty("The file is empty: send the photo again.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if _SIGNATURE.match(data):
            raise _damaged() from error
        raise PhotoTypeUnsupported("This is no photo that Haja reads: send JPEG, PNG or WebP, or HEIF.") from error
    except MemoryError as error:
        raise _too_costly() from error
    except Exception as error:  # a damaged header can raise nearly anything in a decoder
        raise _damaged() from error
    width, height = image.size
    if width * height > max_pixels:
        raise PhotoTooLarge(
            f"The photo has {width} x {height} pixels; at most {max_pixels / 1e6:.0f} megapixels are taken: send it "
            "smaller, or choose a smaller size in the camera's settings."
        )
    return image


def _turn(image: Image.Image) -> Image.Transpose | None:
    return _TURNS.get(_exif(image).get(ExifTags.Base.Orientation, 1))


def _pixels(image: Image.Image, least: tuple[int, int], turn: Image.Transpose | None) -> Image.Image:
    """Decode to an upright RGB image, whose width and height before it was turned are `least` where the photo's are."""
    try:
        if image.format in {"JPEG", "MPO"}:
            image.draft(None, least)
        image.load()
        rgb = _rgb(image)
    except MemoryError as error:
        raise _too_costly() from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, zlib.error ...
        raise _damaged() from error
    return rgb if turn is None else rgb.transpose(turn)


def _pixel_box(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all pixels that a region touches; at least one."""
    # Rounded first: 0.3 of 10 pixels is a little more than 3.
    left, right = (round(side * width, 6) for side in (region.x, region.x + region.w))
    top, bottom = (round(side * height, 6) for side in (region.y, region.y + region.h))
    first, upper = min(int(left), width - 1), min(int(top), height - 1)
    return first, upper, min(max(math.ceil(right), first + 1), width), min(max(math.ceil(bottom), upper + 1), height)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip instead of scaling
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        paper = Image.new("RGB", layer.size, _PAPER)
        paper.paste(layer, mask=layer)
        return paper
    return image if image.mode == "RGB" else image.convert("RGB")


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001 - damaged EXIF is no reason to refuse a good photo
        return Image.Exif()


def _taken_at(exif: Image.Exif) -> datetime | None:
    try:
        fields = exif.get_ifd(ExifTags.IFD.Exif)
        local = str(fields[ExifTags.Base.DateTimeOriginal]).strip("\0 ")
        offset = str(fields.get(ExifTags.Base.OffsetTimeOriginal, "")).strip("\0 ")
        if re.fullmatch(r"Z|[+-]\d\d:\d\d", offset):
            return datetime.strptime(local + offset, "%Y:%m:%d %H:%M:%S%z")
        return datetime.strptime(local, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the camera gave no zone
    except Exception:  # noqa: BLE001 - absent or damaged
        return None


def _place(exif: Image.Exif) -> tuple[float | None, float | None]:
    try:
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        latitude = _degrees(gps[ExifTags.GPS.GPSLatitude]) * _sign(gps[ExifTags.GPS.GPSLatitudeRef], "S")
        longitude = _degrees(gps[ExifTags.GPS.GPSLongitude]) * _sign(gps[ExifTags.GPS.GPSLongitudeRef], "W")
    except Exception:  # noqa: BLE001 - absent or damaged
        return None, None
    if latitude == longitude == 0:
        return None, None  # some pickers write zeros in the place of a position that they leave out
    # NaN (0/0 in the file) fails both comparisons.
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)  # noqa: PLR2004


def _sign(reference: str | bytes, negative: str) -> int:
    text = reference.decode("latin-1") if isinstance(reference, bytes) else reference
    return -1 if text.partition("\0")[0].strip().upper() == negative else 1


def _degrees(parts: tuple[float, float, float]) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return degrees + minutes / 60 + seconds / 3600


def _damaged() -> PhotoDamaged:
    return PhotoDamaged("The photo is damaged and cannot be read to its end: send the original file again.")


def _too_costly() -> PhotoTooCostly:
    return PhotoTooCostly("The photo takes more memory than a photo may: send it smaller, or as an ordinary JPEG.")
