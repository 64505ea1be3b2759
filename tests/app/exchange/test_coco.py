"""COCO files read: what of them can be used, and what is said of the rest."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.exchange.coco import CocoFile
from app.exchange.errors import ExchangeError
from app.photos.regions import MAX_REGIONS
from models.windows import ALL, Region


def _read(folder: Path, annotations: list[Any], **lists: Any) -> CocoFile:
    (folder / "wall.jpg").write_bytes(b"")
    document = {
        "images": [{"id": 1, "file_name": "wall.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "rust"}],
        "annotations": annotations,
    }
    (folder / "boxes.json").write_text(json.dumps(document | lists), encoding="utf-8")
    return CocoFile(folder / "boxes.json", folder)


def _box(bbox: Any = (20, 10, 100, 50), **other: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": 1, "category_id": 1, "bbox": bbox} | other


def test_boxes_in_pixels_become_regions_of_their_class(tmp_path: Path) -> None:
    found = _read(tmp_path, [_box(), _box(), _box((0, 0, 200, 100), category_id=2)])
    (photo,) = found.photos
    assert photo.boxes == {"crack": [Region(0.1, 0.1, 0.5, 0.5)], "rust": [ALL]}
    assert photo.complete
    assert found.faults == []


def test_what_is_beyond_the_photo_by_a_pixel_is_cut_off(tmp_path: Path) -> None:
    (photo,) = _read(tmp_path, [_box((-1, -0.5, 202, 51))]).photos
    assert photo.boxes == {"crack": [Region(0, 0, 1, 0.505)]}


@pytest.mark.parametrize(
    ("annotation", "fault"),
    [
        (_box((20, 10, 182, 50)), "has no area inside the photo of 200 x 100, or reaches beyond it"),
        (_box((-1.5, 10, 50, 50)), "or reaches beyond it"),
        (_box((20, 10, 0, 50)), "has no area"),
        (_box((20, 10, -5, 50)), "has no area"),
        (_box((200.5, 10, 0.4, 50)), "has no area"),
        (_box((float("nan"), 10, 5, 50)), "bbox.0: Input should be a finite number"),
        (_box((20, 10, float("inf"), 50)), "bbox.2: Input should be a finite number"),
        (_box((10**400, 10, 5, 50)), "bbox.0: Input should be a "),
        (_box((20, 10, 5)), "bbox.3: Field required"),
        (_box({"x": 1}), "bbox: Input should be a valid tuple"),
        (_box([], segmentation={"counts": "abc", "size": [100, 200]}), "no bbox, and masks are not read"),
        (_box(iscrowd=1), "a crowd"),
        (_box(category_id=9), "there is no category 9"),
        (_box(category_id=None), "category_id"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_named_and_the_rest_goes_on(
    annotation: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    found = _read(tmp_path, [annotation, _box()])
    (line,) = found.faults
    assert line.startswith("wall.jpg, annotation 7: ")
    assert fault in line
    (photo,) = found.photos
    assert photo.boxes == {"crack": [Region(0.1, 0.1, 0.5, 0.5)]}
    assert not photo.complete  # so nobody takes what lies outside for sound


def test_annotations_of_no_photo_are_named(tmp_path: Path) -> None:
    found = _read(tmp_path, [_box(image_id=3), "no object", {"bbox": [1, 1, 5, 5]}])
    assert found.faults == [
        "no photo, annotation 7: there is no image 3",
        "no photo, annotation number 1, counted from 0: there is no image None",
        "no photo, annotation number 2, counted from 0: there is no image None",
    ]


def test_more_boxes_than_an_example_can_have_are_each_named(tmp_path: Path) -> None:
    found = _read(tmp_path, [_box((number, 0, 5, 5), id=number) for number in range(MAX_REGIONS + 2)])
    assert len(found.photos[0].boxes["crack"]) == MAX_REGIONS
    assert [line.partition(": ")[0] for line in found.faults] == [
        f"wall.jpg, annotation {number}" for number in (MAX_REGIONS, MAX_REGIONS + 1)
    ]


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        ({"file_name": "other.jpg"}, "other.jpg: there is no such file"),
        ({"file_name": "x" * 300}, "there is no such file"),
        ({"file_name": "\0.jpg"}, "?.jpg: there is no such file"),
        ({"file_name": "line\nbreak.jpg"}, "line?break.jpg: there is no such file"),
        ({"file_name": "../wall.jpg"}, "../wall.jpg: its file name leads out of"),
        ({"file_name": "/etc/passwd"}, "/etc/passwd: its file name leads out of"),
        ({"file_name": ""}, "file_name"),
        ({"file_name": 3}, "3: file_name"),
        ({"width": 0}, "wall.jpg: width"),
        ({"width": 10**400}, "wall.jpg: width"),
        ({"height": None}, "wall.jpg: height"),
        ({"width": 400}, "wall.jpg: it stands twice in images, with different sizes"),
    ],
)
def test_a_photo_that_cannot_be_used_is_named_once(image: dict[str, Any], fault: str, tmp_path: Path) -> None:
    wall = {"id": 1, "file_name": "wall.jpg", "width": 200, "height": 100}
    found = _read(tmp_path, [_box(), _box(image_id=2), _box(image_id=2)], images=[wall, wall | {"id": 2} | image])
    (line,) = found.faults
    assert fault in line
    assert [photo.name for photo in found.photos] == ["wall.jpg"]


def test_a_category_without_a_usable_name_is_named_and_so_are_its_boxes(tmp_path: Path) -> None:
    found = _read(tmp_path, [_box()], categories=[{"id": 1, "name": "a" * 101}, {"id": 2, "name": "rust"}])
    assert len(found.faults) == 2
    assert "1 to 100 characters" in found.faults[0]
    assert found.faults[1] == "wall.jpg, annotation 7: there is no category 1 that can be used"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": []}', "[" * 100_000, "\ud800"])
def test_what_is_no_coco_file_is_refused_with_what_is_expected(text: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ExchangeError, match="lists images, annotations and categories"):
        CocoFile(tmp_path / "boxes.json", tmp_path)


def test_an_id_that_means_two_things_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="two category entries with the id 1"):
        _read(tmp_path, [_box()], categories=[{"id": 1, "name": "crack"}, {"id": 1, "name": "rust"}])
