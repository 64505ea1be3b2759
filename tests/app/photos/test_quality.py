import numpy as np
import pytest

from app.photos.quality import copies, measure
from app.photos.reading import decode, encode_jpeg
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


def test_photos_are_grouped_by_links_of_few_bits() -> None:
    # Twelve bits are few: three digits of "f" against "0". The second links the first to the third.
    first, second, third, other = "0" * 64, "fff" + "0" * 61, "fff" + "0" * 58 + "fff", "a" * 64
    assert copies([first, other, second, third]) == [[0, 2, 3]]
    assert copies([first, other, third]) == []
    assert copies([other, first, other, second]) == [[0, 2], [1, 3]]
    assert copies([]) == []


@pytest.mark.parametrize("kind", ["crack", "rust", "brick"])
def test_a_copy_has_nearly_the_same_fingerprint_and_another_photo_has_not(kind: str) -> None:
    first = decode(photo(kind, 1), SMALL, 10**9)
    copy = measure(decode(encode_jpeg(first.pixels, quality=40), SMALL, 10**9).pixels)
    other = decode(photo(kind, 2), SMALL, 10**9).quality
    bits = [int(each.fingerprint, 16) for each in (first.quality, copy, other)]
    assert (bits[0] ^ bits[1]).bit_count() < (bits[0] ^ bits[2]).bit_count()
