"""Files made to harm whoever decodes them; the same arguments give the same bytes."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener

from tests.drawn import encode, photo, pixels, save

register_heif_opener()

MARKUP = b"<script>alert('owned')</script><?php system('id'); ?>"


def image(height: int = 180, width: int = 240) -> Image.Image:
    """A drawn photo."""
    return Image.fromarray(pixels("crack", 1, height, width))


# --- parts of which files are made


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG of these chunks behind its header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def flat_png(width: int, height: int, bits: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG of one colour, which is a thousandth of its pixels."""
    row = bytes(1 + width * bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png(width, height, bits, colour, *chunks, chunk(b"IDAT", data))


def segment(kind: int, data: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes((0xFF, kind)) + struct.pack(">H", 2 + len(data)) + data


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with these segments at its start."""
    return b"\xff\xd8" + b"".join(segments) + photo("crack", 1)[2:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def bomb(size: int) -> bytes:
    """So many zeros, packed a thousand times smaller."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packer.flush()


def many_scans(scans: int, side: int) -> bytes:
    """A progressive JPEG that goes over all its coefficients so many times."""
    data = save(Image.new("L", (side, side), 90), progressive=True, quality=50)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def with_header_size(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that declares another size than it has."""
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def heif_of_declared_size(width: int, height: int) -> bytes:
    """A HEIF that declares another size than it has."""
    data = save(image(), "HEIF")
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def exif_of_text(size: int) -> bytes:
    """EXIF with markup, control characters and a text of this size in its fields."""
    exif = Image.Exif()
    for tag in (ExifTags.Base.ImageDescription, ExifTags.Base.Artist, ExifTags.Base.Software):
        exif[tag] = MARKUP.decode() + "\r\nX-Evil: 1\r\n\u202e" + "A" * size
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = MARKUP.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = MARKUP.decode()
    return exif.tobytes()


def _looping_exif() -> bytes:
    """Its first table says that the next is itself, holds itself as sub-tables, and claims four billion values."""
    entries = b"".join(
        struct.pack("<HHII", tag, 4, count, 8) for tag, count in ((0x8769, 1), (0x8825, 1), (0x0100, 0xFFFFFFFF))
    )
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 3) + entries + struct.pack("<I", 8)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../etc/cron.d/evil", MARKUP)
    return buffer.getvalue()


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def _nested_boxes(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = _box(b"meta", bytes(4) + inner)
    return _box(b"ftyp", b"heic\0\0\0\0mif1heic") + inner


# --- the corpus

FORMATS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: save(image(), quality=92, exif=exif_of_text(10)),
    "progressive": lambda: save(image(), progressive=True),
    "png": lambda: save(image(), "PNG"),
    "webp": lambda: save(image(), "WEBP", quality=90),
    "lossless": lambda: save(image(), "WEBP", lossless=True),
    "heif": lambda: save(image(), "HEIF", quality=90),
}


@cache
def whole(kind: str) -> bytes:
    """An undamaged file."""
    return FORMATS[kind]()


def truncated(step: int) -> Iterator[tuple[str, bytes]]:
    """Every format, broken off after each `step` bytes."""
    for kind in FORMATS:
        for length in range(step, len(whole(kind)), step):
            yield f"{kind}, {length} of {len(whole(kind))} bytes", whole(kind)[:length]


def flipped(count: int, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Files with 1 to 12 bits flipped; half of them among the first 700 bytes, where most is decided."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    for number in range(count):
        kind = chance.choice(sorted(FORMATS))
        data = bytearray(whole(kind))
        reach = min(700, len(data)) if chance.random() < 0.5 else len(data)
        for _ in range(chance.randint(1, 12)):
            data[chance.randrange(reach)] ^= 1 << chance.randrange(8)
        yield f"{kind} with flipped bits, number {number}", bytes(data)


OK, TYPE, LARGE, BAD, COSTLY = "201", "photo-type-unsupported", "photo-too-large", "photo-damaged", "photo-too-costly"

CRAFTED: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    # Declared sizes
    "PNG of 900 megapixels in its header": (lambda: png(30_000, 30_000, 8, 2, chunk(b"IDAT", b"")), {LARGE}),
    "WebP of 268 megapixels in its header": (
        lambda: riff((b"VP8X", bytes(4) + b"\xff\x3f\x00\xff\x3f\x00"), (b"VP8 ", bytes(10))), {LARGE, BAD}
    ),
    "WebP whose frame declares 268 megapixels": (lambda: riff((b"VP8L", b"\x2f\xff\xff\xff\x0f")), {LARGE, BAD}),
    "HEIF of 3600 megapixels in its header": (lambda: heif_of_declared_size(60_000, 60_000), {LARGE, BAD}),
    "JPEG of 65535 x 65535": (lambda: with_header_size(photo(), 65_535, 65_535), {LARGE, BAD}),
    "JPEG of 65535 x 1": (lambda: with_header_size(photo(), 65_535, 1), {OK, BAD}),
    "JPEG without lines": (lambda: with_header_size(photo(), 240, 0), {BAD}),
    "PNG of 65535 x 1": (lambda: flat_png(65_535, 1, 8, 2), {OK}),
    "PNG of 1 x 65535": (lambda: flat_png(1, 65_535, 8, 2), {OK}),
    "PNG without pixels": (lambda: png(0, 0, 8, 2, chunk(b"IDAT", b"")), {BAD}),
    "1 x 1": (lambda: encode(np.zeros((1, 1, 3), np.uint8)), {OK}),
    # That truly expand
    "PNG of 64 megapixels, one bit each": (lambda: flat_png(8000, 8000, 1, 0), {OK}),
    "PNG of 9 megapixels, transparent": (lambda: flat_png(3000, 3000, 8, 6), {OK}),
    "PNG of 9 megapixels, 16 bits each": (lambda: flat_png(3000, 3000, 16, 2), {OK}),
    "WebP of 9 megapixels": (lambda: save(Image.new("RGB", (3000, 3000)), "WEBP", lossless=True), {OK}),
    "HEIF of 9 megapixels": (lambda: save(Image.new("RGB", (3000, 3000)), "HEIF"), {OK}),
    "GIF that expands": (lambda: save(Image.new("P", (3000, 3000)), "GIF"), {TYPE}),
    "TIFF that expands": (lambda: save(Image.new("1", (3000, 3000)), "TIFF", compression="group4"), {TYPE}),
    # Two things at once
    "JPEG and HTML": (lambda: photo("crack", 1) + b"<html>" + MARKUP + b"</html>", {OK}),
    "JPEG with HTML as its comment": (lambda: jpeg_with(segment(0xFE, b"<html>" + MARKUP)), {OK}),
    "JPEG and JavaScript": (lambda: jpeg_with(segment(0xE0, b"/*" + MARKUP + b"*/=1;alert(1)/*")), {OK}),
    "JPEG and PDF": (lambda: jpeg_with(segment(0xFE, b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>endobj")), {OK}),
    "PNG and ZIP": (lambda: whole("png") + _zip(), {OK}),
    "PNG and PHP": (lambda: flat_png(9, 9, 8, 2, chunk(b"tEXt", b"Comment\0" + MARKUP)), {OK}),
    "GIF and JavaScript": (lambda: b"GIF89a=/*" + bytes(99) + b"*/0;alert(1)", {TYPE}),
    "HTML": (lambda: b"<!doctype html>" + MARKUP, {TYPE}),
    "JPEG in a WebP": (lambda: riff((b"VP8 ", photo())), {BAD}),
    # Much of something
    "JPEG of 1,000 scans": (lambda: many_scans(1000, 1500), {OK, COSTLY}),
    "JPEG with 64 kB of EXIF": (lambda: save(image(), exif=exif_of_text(20_000)), {OK}),
    "JPEG with 3,000 segments": (lambda: jpeg_with(*[segment(0xEF, bytes(1000))] * 3000), {OK}),
    "JPEG with 255 pieces of ICC": (
        lambda: jpeg_with(*(segment(0xE2, b"ICC_PROFILE\0" + bytes((n, 255)) + bytes(60_000)) for n in range(1, 256))),
        {OK},
    ),
    "JPEG with EXIF that refers to itself": (lambda: jpeg_with(segment(0xE1, _looping_exif())), {OK}),
    "JPEG with EXIF that is none": (lambda: jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(range(256)) * 9)), {OK}),
    "PNG with 20,000 texts": (lambda: flat_png(9, 9, 8, 2, *[chunk(b"tEXt", b"Comment\0" + MARKUP)] * 20_000), {OK}),
    "PNG with 20,000 pieces of pixels": (lambda: _in_pieces(whole("png"), 20_000), {OK}),
    "PNG with a text that expands": (
        lambda: flat_png(9, 9, 8, 2, chunk(b"zTXt", b"a\0\0" + bomb(100_000_000))), {OK, BAD}
    ),
    "PNG with a profile that expands": (
        lambda: flat_png(9, 9, 8, 2, chunk(b"iCCP", b"a\0\0" + bomb(100_000_000))), {OK, BAD}
    ),
    "PNG with pixels for ten": (
        lambda: png(9, 9, 8, 2, chunk(b"IDAT", bomb(100_000_000))), {OK, BAD}
    ),
    "PNG with EXIF of 4 MB": (lambda: flat_png(9, 9, 8, 2, chunk(b"eXIf", b"II*\0" + bytes(4_000_000))), {OK}),
    "WebP of 300 frames": (lambda: _animation("WEBP", 300), {OK}),
    "PNG of 300 frames": (lambda: _animation("PNG", 300), {OK}),
    "HEIF of 2,000 nested boxes": (lambda: _nested_boxes(2000), {BAD}),
    "HEIF whose box never ends": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\1meta" + b"\xff" * 8, {BAD}),
    # Rare, and good
    "MPO": (lambda: save(image(), "MPO", save_all=True, append_images=[image().rotate(90)]), {OK}),
    "CMYK": (lambda: save(image().convert("CMYK")), {OK}),
    "16 bits of gray": (lambda: save(Image.fromarray(np.arange(9000, dtype=np.uint16).reshape(90, 100)), "PNG"), {OK}),
    "palette without colours": (lambda: flat_png(9, 9, 8, 3), {OK, BAD}),
    "interlaced": (lambda: _interlaced(), {OK}),  # noqa: PLW0108 - it is defined below
    "PNG with two headers": (
        lambda: flat_png(9, 9, 8, 2, chunk(b"IHDR", struct.pack(">IIBBBBB", 9999, 9999, 8, 6, 0, 0, 0))),
        {OK, BAD, LARGE},
    ),
    "PNG with a wrong sum": (lambda: flat_png(9, 9, 8, 2)[:-20] + bytes(20), {OK, BAD}),
}  # fmt: skip
"""Name: what makes it, and what may come of it."""


def _in_pieces(data: bytes, most: int) -> bytes:
    """A PNG with its pixels in chunks of a byte or a few."""
    start = data.index(b"IDAT") - 4
    end = data.index(b"IEND") - 4
    packed = b"".join(_idat(data[start:end]))
    size = max(1, len(packed) // most)
    pieces = (packed[place : place + size] for place in range(0, len(packed), size))
    return data[:start] + b"".join(chunk(b"IDAT", piece) for piece in pieces) + data[end:]


def _idat(chunks: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(chunks):
        (size,) = struct.unpack_from(">I", chunks, place)
        yield chunks[place + 8 : place + 8 + size]
        place += 12 + size


def _animation(kind: str, count: int) -> bytes:
    frames: Iterable[Image.Image] = (Image.new("RGB", (64, 48), (number % 256, 9, 9)) for number in range(count))
    return save(image(48, 64), kind, save_all=True, append_images=list(frames), duration=20)


def _interlaced() -> bytes:
    """Seven passes over 8 x 8 pixels, made by hand: Pillow does not write it."""
    rows = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    data = b"".join(bytes(1 + width) * height for width, height in rows)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
