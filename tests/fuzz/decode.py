"""A fuzz target for `photos.decode`: whatever the bytes, a photo or a `PhotoError`, and nothing else.

    python -m tests.fuzz.decode FOLDER -max_total_time=300

Atheris (the extra `fuzz`) sees which lines of Pillow's and Haja's Python a file reaches, and changes those that reach
new ones. FOLDER keeps them; it begins with the undamaged and the crafted files of `tests.hostile`. A file that does
harm is left as `crash-...`, or `timeout-...` after ten seconds. The other options are libFuzzer's.
"""

import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pillow_heif", "app.photos.reading", "app.photos.quality"]):
    from app.photos import reading

    reading.prepare()

from models.manifest import Transform
from tests import hostile

TRANSFORM = Transform(48, 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# Low, so that the time goes into decisions and not into pixels.
MAX_PIXELS = 200_000
MAX_SEED_BYTES = 40_000


def try_one(data: bytes) -> None:
    """One file."""
    try:
        photo = reading.decode(data, TRANSFORM, MAX_PIXELS)
        picture = reading.shrink(data, 32, MAX_PIXELS)
    except reading.PhotoError:
        return
    assert photo.pixels.shape == (48, 64, 3)
    assert 1 <= photo.width * photo.height <= MAX_PIXELS
    assert photo.latitude is None or abs(photo.latitude) <= 90
    assert photo.taken_at is None or len(photo.taken_at.isoformat()) <= 32
    assert max(picture.shape[:2]) <= 32


def write_seeds(folder: Path) -> None:
    """Put the files to begin with into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = {**hostile.FORMATS, **{name: make for name, (make, _) in hostile.CRAFTED.items()}}
    for number, make in enumerate(makers.values()):
        if len(data := make()) <= MAX_SEED_BYTES:
            (folder / f"seed-{number}").write_bytes(data)


def main() -> None:
    """Fuzz until the options say that it is enough."""
    write_seeds(Path(sys.argv[1]))
    warnings.simplefilter("ignore")  # Pillow warns of damage and reads on
    atheris.Setup([*sys.argv, "-timeout=10", f"-max_len={MAX_SEED_BYTES}"], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
