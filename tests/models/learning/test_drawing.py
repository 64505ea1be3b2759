import numpy as np
import pytest

from models.learning.drawing.programs import PROGRAMS, DrawnSource, draw_sources
from models.learning.drawing.shapes import SHAPES
from models.learning.drawing.surfaces import WALLS, muted, view, wall

SIDE = 64


def _surfaces() -> dict[str, list[np.ndarray]]:
    random = np.random.default_rng(0)
    return {"wall": [random.integers(90, 160, (80, 70, 3), dtype=np.uint8) for _ in range(3)]}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_covers_a_part_and_is_another_each_time(name: str) -> None:
    random = np.random.default_rng(1)
    drawn = [SHAPES[name](random, SIDE, 0.6, (0.5, 0.5, 0.5)) for _ in range(6)]
    for shape in drawn:
        assert shape.cover.shape == shape.height.shape == (SIDE, SIDE)
        assert np.isfinite(shape.cover).all()
        assert np.isfinite(shape.height).all()
        assert shape.cover.min() > -0.05
        assert shape.cover.max() < 1.4
    shares = [float(shape.cover.mean()) for shape in drawn]
    assert max(shares) > 0.005
    assert len(set(shares)) == len(shares)


@pytest.mark.parametrize("kind", WALLS)
def test_a_drawn_wall_has_about_its_colour(kind: str) -> None:
    random = np.random.default_rng(2)
    colour = muted(random, 0.4, 0.3)
    drawn = wall(random, kind, colour, SIDE, 0.5)
    assert drawn.shape == (SIDE, SIDE, 3)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert np.abs(drawn.mean(axis=(0, 1)) - colour).max() < 0.25


def test_a_view_is_of_one_of_the_photos() -> None:
    photos = [np.full((50, 60, 3), value, np.uint8) for value in (51, 204)]
    means = {round(float(view(np.random.default_rng(seed), photos, SIDE).mean()), 2) for seed in range(12)}
    assert means == {0.2, 0.8}


def test_a_source_is_a_sound_surface_and_ten_programs() -> None:
    source = DrawnSource(0, 3, _surfaces())
    classes = source.classes(photos=2, side=SIDE)
    assert len(classes) == 1 + PROGRAMS
    assert classes[0][0] == "sound"
    looks = [program.look.mode for program in source.programs]
    assert len({program.look.colour.tobytes() for program in source.programs[: PROGRAMS // 2]}) == 1
    assert len(looks) == PROGRAMS


def test_the_same_seed_gives_the_same_photos_and_another_seed_others() -> None:
    first, again, other = (draw_sources([5, 6], _surfaces(), 2, SIDE, seed) for seed in (0, 0, 1))
    assert first.classes == again.classes
    assert first.sources == ["drawn0005"] * 11 + ["drawn0006"] * 11
    assert len(first.images) == 2 * 11 * 2
    assert all(np.array_equal(one, two) for one, two in zip(first.images, again.images, strict=True))
    assert not np.array_equal(first.images[0], other.images[0])
    assert first.images[0].dtype == np.uint8


def test_damage_can_be_seen() -> None:
    """Photos of a damage class differ from sound ones by more than sound ones from each other, in most classes."""
    data = draw_sources(range(6), {}, 4, SIDE)
    seen = 0
    for start in range(0, len(data.classes), 11):
        detail = [
            np.mean([np.abs(np.diff(image.astype(float), axis=0)).mean() for image in data.images_of(start + label)])
            for label in range(11)
        ]
        spread = [
            np.mean([image.astype(float).std(axis=(0, 1)).mean() for image in data.images_of(start + label)])
            for label in range(11)
        ]
        seen += sum(d > 1.05 * detail[0] or s > 1.1 * spread[0] for d, s in zip(detail[1:], spread[1:], strict=True))
    assert seen > 40
