"""The demo's own photos: the same from the same seed, and the defect is where the mask says."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from app.drawing import COVERED, DRAWN_DEFECTS, draw
from app.drawing.defects import PAINTERS
from app.drawing.walls import build, paint

NAMES = [defect.name for defect in DRAWN_DEFECTS]
SMALL = (240, 320)


def test_every_described_defect_can_be_drawn() -> None:
    assert list(PAINTERS) == NAMES
    assert len({defect.title_ko for defect in DRAWN_DEFECTS}) == 5


@pytest.mark.parametrize("name", [*NAMES, "intact"])
def test_a_photo_is_made_of_bytes_in_the_size_asked_for(name: str) -> None:
    drawing = draw(name, 0)
    assert drawing.pixels.shape == (960, 1280, 3)
    assert drawing.pixels.dtype == np.uint8
    assert drawing.pixels.flags["C_CONTIGUOUS"]
    assert drawing.mask.shape == (960, 1280)
    assert drawing.mask.dtype == np.bool_
    assert drawing.pixels.std() > 2, "a photo of a wall is not one flat colour"


@pytest.mark.parametrize("name", [*NAMES, "intact"])
def test_same_seed_same_bytes_other_seed_another_photo(name: str) -> None:
    first, again, other = draw(name, 7, *SMALL), draw(name, 7, *SMALL), draw(name, 8, *SMALL)
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert first.pixels.tobytes() != other.pixels.tobytes()


def test_another_process_draws_the_same_bytes() -> None:
    script = "from app.drawing import draw; print(draw('spalling', 3, 64, 80).pixels.tobytes().hex())"
    elsewhere = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert elsewhere.strip() == draw("spalling", 3, 64, 80).pixels.tobytes().hex()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [SMALL, (321, 243), (32, 200)])
def test_the_defect_is_seen_but_never_fills_the_photo(name: str, size: tuple[int, int]) -> None:
    for seed in range(15):
        mask = draw(name, seed, *size).mask
        assert mask.any(), seed
        assert mask.mean() < 0.7, seed


def test_an_intact_wall_has_no_defect() -> None:
    assert not any(draw("intact", seed, *SMALL).mask.any() for seed in range(5))


def painted(name: str, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """The albedo [3, H, W] of a wall, how much the defect changed it [H, W], and the mask.

    The wall is painted beforehand: peeling would paint a bare wall first, and that changes all of it.
    """
    rng = np.random.default_rng(seed)
    wall = build(rng, SMALL)
    paint(rng, wall, np.ones(SMALL, np.float32))
    before = wall.albedo.copy()
    mask = PAINTERS[name](rng, wall) > COVERED
    return wall.albedo, np.abs(wall.albedo - before).sum(axis=0), mask


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(8))
def test_the_mask_points_at_what_the_defect_changed(name: str, seed: int) -> None:
    albedo, change, mask = painted(name, seed)
    assert np.mean(change[mask] > 1e-3) > 0.99
    if name == "efflorescence":  # the damp around the salts changes the wall as well, but makes it darker
        assert albedo[:, mask].mean() > 1.2 * albedo[:, ~mask & (change > 1e-3)].mean()
    else:
        assert change[mask].mean() > 10 * change[~mask].mean()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"hairline-crack.*efflorescence.*intact"):
        draw("graffiti", 0)


@pytest.mark.parametrize("size", [(31, 100), (100, 0), (-5, 100)])
def test_a_photo_too_small_for_a_defect_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="32"):
        draw("spalling", 0, *size)
