"""Photos: bytes in, checked and oriented pixels out. The only module that imports PIL."""

import hashlib
import importlib.util
import io
import re
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from app.errors import HajaError
from app.photo_quality import PhotoQuality, measure
from models.manifest import Transform

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None
"""Whether the extra `heif` is installed."""

if HAS_HEIF:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)

# Our own limit is checked on the header, before any pixel is decoded; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP") + (("HEIF",) if HAS_HEIF else ())
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

_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP" + (rb"|.{4}ftyp(hei|hev|mif1|msf1)" if HAS_HEIF else b""), re.DOTALL
)
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


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo as the embedder wants it, with what its file says of itself.

    `pixels` is uint8 [H, W, 3] RGB at the transform's size; `width` and `height` are those of the upright photo;
    `taken_at` has no zone where the camera gave none; `latitude` and `longitude` are in degrees, WGS 84.
    """

    pixels: NDArray[np.uint8]
    quality: PhotoQuality
    sha256: str
    media_type: str
    width: int
    height: int
    taken_at: datetime | None
    latitude: float | None
    longitude: float | None


def decode(data: bytes, transform: Transform, max_pixels: int) -> DecodedPhoto:
    """Decode a photo for the embedder. Support photos, query photos and evaluation all pass through here.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is still well above the transform's.
    Transparency shows white paper beneath; of an animation the first frame counts.

    Raises:
        PhotoEmpty, PhotoTypeUnsupported, PhotoTooLarge, PhotoDamaged: see their docstrings.
    """
    image = _open(data, max_pixels)
    exif = _exif(image)
    turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    width, height = image.size[::-1] if turn in _SIDEWAYS else image.size
    media_type = MEDIA_TYPES[image.format or ""]
    small = _pixels(image, max(transform.width, transform.height), turn)
    latitude, longitude = _place(exif)
    pixels = np.asarray(small.resize((transform.width, transform.height), Image.Resampling.BICUBIC))
    return DecodedPhoto(
        pixels=pixels,
        quality=measure(pixels),
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
        width=width,
        height=height,
        taken_at=_taken_at(exif),
        latitude=latitude,
        longitude=longitude,
    )


def thumbnail(data: bytes, side: int, max_pixels: int) -> bytes:
    """Re-encode a photo as an upright JPEG of at most `side` pixels a side, without anything else that its file held.

    Raises:
        PhotoError: as `decode`.
    """
    image = _open(data, max_pixels)
    turn = _TURNS.get(_exif(image).get(ExifTags.Base.Orientation, 1))
    small = _pixels(image, side, turn)
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return _jpeg(small, quality=85)


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode uint8 [H, W, 3] as a JPEG file."""
    return _jpeg(Image.fromarray(pixels), quality)


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
        raise PhotoTypeUnsupported(
            "This is no photo that Haja reads: send JPEG, PNG or WebP" + (", or HEIF." if HAS_HEIF else ".")
        ) from error
    except Exception as error:  # a damaged header can raise nearly anything in a decoder
        raise _damaged() from error
    width, height = image.size
    if width * height > max_pixels:
        raise PhotoTooLarge(
            f"The photo has {width} x {height} pixels; at most {max_pixels / 1e6:.0f} megapixels are taken."
        )
    return image


def _pixels(image: Image.Image, side: int, turn: Image.Transpose | None) -> Image.Image:
    """Decode to an upright RGB image whose sides are at least `side` where the photo's are."""
    try:
        if image.format in {"JPEG", "MPO"}:
            # Half as much again as is needed: the decoder's own way of shrinking is coarser than the resize after it.
            image.draft(None, (side * 3 // 2, side * 3 // 2))
        image.load()
        rgb = _rgb(image)
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, zlib.error ...
        raise _damaged() from error
    return rgb if turn is None else rgb.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip instead of scaling
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray((values >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, (*_PAPER, 255))
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")


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
        latitude = _degrees(gps[ExifTags.GPS.GPSLatitude]) * (-1 if gps[ExifTags.GPS.GPSLatitudeRef] == "S" else 1)
        longitude = _degrees(gps[ExifTags.GPS.GPSLongitude]) * (-1 if gps[ExifTags.GPS.GPSLongitudeRef] == "W" else 1)
    except Exception:  # noqa: BLE001 - absent or damaged
        return None, None
    # NaN (0/0 in the file) fails both comparisons.
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)  # noqa: PLR2004


def _degrees(parts: tuple[float, float, float]) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return degrees + minutes / 60 + seconds / 3600


def _damaged() -> PhotoDamaged:
    return PhotoDamaged("The photo is damaged and cannot be read to its end: send the original file again.")


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.info = {}  # Pillow would write the comment that it read
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
