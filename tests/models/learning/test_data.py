from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.learning.data import (
    LabelledImages,
    read_image_folder,
    read_omniglot,
    stack_images,
    unpack_omniglot,
    with_rotations,
)


def decode(photo: bytes) -> NDArray[Any]:
    """Stands in for the service's decoder: the first byte is the grey value of a 2 x 2 photo."""
    if photo == b"broken":
        raise ValueError("it is not an image")
    return np.full((2, 2, 3), photo[0], dtype=np.uint8)


def photos(root: Path, **folders: list[bytes]) -> Path:
    for name, contents in folders.items():
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True)
        for number, content in enumerate(contents):
            (folder / f"{number:04}.jpg").write_bytes(content)
    return root


def test_folders_become_classes_of_their_source(tmp_path: Path) -> None:
    data = read_image_folder(
        photos(tmp_path, site1__crack=[b"a", b"b"], site2__crack=[b"c"], site2__rust=[b"d"]), decode
    )
    assert data.classes == ["site1/crack", "site2/crack", "site2/rust"]
    assert data.source_of()["site2/rust"] == "site2"
    assert {name: indices.tolist() for name, indices in data.indices().items()} == {
        "site1/crack": [0, 1],
        "site2/crack": [2],
        "site2/rust": [3],
    }
    assert [int(image[0, 0, 0]) for image in data.images] == [97, 98, 99, 100]
    assert data.select(lambda source: source == "site2").classes == ["site2/crack", "site2/rust"]


def test_other_files_are_not_photos(tmp_path: Path) -> None:
    root = photos(tmp_path, site__crack=[b"a"], site__rust=[b"b"])
    (root / "site" / "crack" / "notes.txt").write_text("not a photo")
    (root / "site" / "README.md").write_text("nor a class")
    assert len(read_image_folder(root, decode).images) == 2


def test_a_corrupt_photo_is_left_out_with_a_warning_that_names_it(tmp_path: Path) -> None:
    root = photos(tmp_path, site__crack=[b"a", b"broken"], site__rust=[b"b"])
    with pytest.warns(UserWarning, match=r"site/crack/0001.jpg was left out: it is not an image"):
        assert len(read_image_folder(root, decode).images) == 2


def test_bad_folders_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no folder"):
        read_image_folder(tmp_path / "missing", decode)
    with pytest.raises(ValueError, match="holds no photos"):
        read_image_folder(tmp_path, decode)
    with pytest.raises(ValueError, match=r"one class only \(site/crack\)"):
        read_image_folder(photos(tmp_path, site__crack=[b"a"]), decode)
    with pytest.raises(ValueError, match=r"site/rust holds no photo"):
        read_image_folder(photos(tmp_path, site__rust=[]), decode)


def test_an_empty_selection_is_refused(toy_images: LabelledImages) -> None:
    with pytest.raises(ValueError, match="No class is left"):
        toy_images.select(lambda _: False)


def test_rotations_are_further_classes(toy_images: LabelledImages) -> None:
    turned = with_rotations(toy_images)
    assert len(turned.classes) == len(set(turned.classes)) == 32
    upright, quarter = turned.classes.index("source0/class0@0"), turned.classes.index("source0/class0@90")
    first, second = (turned.images[int(np.flatnonzero(turned.labels == c)[0])] for c in (upright, quarter))
    assert np.array_equal(np.rot90(first), second)
    assert turned.sources[quarter] == "source0"


def test_stacking_scales_bytes_and_keeps_floats() -> None:
    photo = np.full((4, 5, 3), 255, dtype=np.uint8)
    assert torch.equal(stack_images([photo, photo]), torch.ones(2, 3, 4, 5))
    drawing = np.full((4, 5), 0.5, dtype=np.float32)
    assert torch.equal(stack_images([drawing]), torch.full((1, 1, 4, 5), 0.5))


def test_omniglot_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no drawings"):
        read_omniglot(tmp_path)
    with pytest.raises(ValueError, match="There is no Omniglot archive"):
        unpack_omniglot(tmp_path / "images_background_small1.zip", tmp_path)


def test_the_small_omniglot_sets(omniglot: tuple[LabelledImages, LabelledImages]) -> None:
    training, test = omniglot
    assert len(training.classes) == 4 * 136
    assert len(training.images) == 4 * 136 * 20
    assert set(test.sources) == {"Japanese_(katakana)", "Sanskrit", "Tagalog"}
    assert len(test.classes) == 106
    assert set(training.sources).isdisjoint(test.sources)
    drawing = training.images[0]
    assert drawing.shape == (28, 28)
    assert drawing.dtype == np.float32
    assert drawing.min() == 0
    assert 0.5 < drawing.max() <= 1
    assert drawing.mean() < 0.3
