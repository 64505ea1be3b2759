import numpy as np
import pytest

from app.photo_quality import differing_bits, measure
from app.photos import decode, encode_jpeg
from models.manifest import Transform
from tests.drawn import photo

SMALL = Transform(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_brightness_and_sharpness_of_plain_pictures() -> None:
    grey = np.full((40, 50, 3), 120, np.uint8)
    assert measure(grey).brightness == pytest.approx(120, abs=0.1)
    assert measure(grey).sharpness == pytest.approx(0, abs=1e-3)
    stripes = grey.copy()
    stripes[:, ::2] = 20
    assert measure(stripes).sharpness > 1000
    assert measure(np.zeros((17, 17, 3), np.uint8)).brightness == 0


def test_the_fingerprint_says_which_neighbour_is_brighter() -> None:
    ramp = np.repeat(np.linspace(0, 255, 224).astype(np.uint8)[np.newaxis, :, np.newaxis], 224, axis=0).repeat(
        3, axis=2
    )
    assert measure(ramp).fingerprint == "f" * 64
    assert measure(ramp[:, ::-1]).fingerprint == "0" * 64
    assert differing_bits("f" * 64, "0" * 64) == 256
    assert differing_bits("f" * 64, "f" * 63 + "e") == 1


@pytest.mark.parametrize("kind", ["crack", "rust", "brick"])
def test_a_copy_has_nearly_the_same_fingerprint_and_another_photo_has_not(kind: str) -> None:
    first = decode(photo(kind, 1), SMALL, 10**9)
    copy = measure(decode(encode_jpeg(first.pixels, quality=40), SMALL, 10**9).pixels)
    other = decode(photo(kind, 2), SMALL, 10**9).quality
    assert differing_bits(first.quality.fingerprint, copy.fingerprint) < differing_bits(
        first.quality.fingerprint, other.fingerprint
    )
