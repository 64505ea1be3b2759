"""Photos for the load: drawn once, kept in a temporary folder, and made unique by sixteen bytes each."""

import hashlib
import os
import tempfile
import uuid
from pathlib import Path

import app.drawing
from app.drawing import DRAWN_DEFECTS, draw
from app.photos import reading

QUALITY = 90
SIZES = {"12 MP (4000 x 3000)": (3000, 4000), "1600 x 1200": (1200, 1600)}
"""Height and width of the photos that callers send, by the name in the tables."""


def drawn(height: int, width: int, seed: int = 1) -> list[bytes]:
    """One drawn JPEG of each defect, the same at every call."""
    sources = sorted(Path(app.drawing.__file__).parent.glob("*.py"))
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"haja-benchmark-photos-{os.getuid()}" / code
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [_kept(folder / f"{defect.name}-{seed}-{width}x{height}-q{QUALITY}.jpg", defect.name, seed, height, width)
            for defect in DRAWN_DEFECTS]  # fmt: skip


def _kept(path: Path, name: str, seed: int, height: int, width: int) -> bytes:
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(reading.encode_jpeg(draw(name, seed, height, width).pixels, QUALITY))
        part.rename(path)
    return path.read_bytes()


def unique_start() -> bytes:
    """The first bytes of a JPEG that no other photo has: start of image, and a comment of 16 random bytes.

    What follows is the rest of any JPEG, from its third byte on: the service stores identical photos only once, and
    would do less work for one that it knows.
    """
    return b"\xff\xd8\xff\xfe\x00\x12" + uuid.uuid4().bytes


def unique(base: bytes) -> bytes:
    """The same picture in a file of its own."""
    return unique_start() + base[2:]


def described(bases: list[bytes]) -> str:
    """Sizes of the files, for the tables."""
    sizes = [len(base) / 1e6 for base in bases]
    return f"{min(sizes):.1f} to {max(sizes):.1f} MB"
