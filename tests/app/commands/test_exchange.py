"""`haja import --coco` and `haja export`, called as a person calls them."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from app.api.idempotency.service import Once
from app.catalogs.schemas import CatalogCreate
from app.catalogs.tables import Catalog, DefectClass, SupportPhoto
from app.commands.settings import quiet_settings
from app.metrics import Metrics
from app.services import any_services
from models.backbones import Backbone
from tests.app.commands.conftest import Run
from tests.drawn import photo, photos, wide_photo
from tests.rest import execute

Example = tuple[str, str, str, str]

pytestmark = pytest.mark.only_on("sqlite", "no statement is its own")

TILES = Path(__file__).parents[4] / "shared/data/boxes/tiles"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of walls in a folder of photos: two cracks, a rust stain, and one that shows two classes."""
    (tmp_path / "site" / "photos").mkdir(parents=True)
    for number, kind in enumerate(("crack", "crack", "rust", "rust")):
        (tmp_path / "site" / "photos" / f"{number}.jpg").write_bytes(wide_photo(kind, number, 480)[0])
    return tmp_path / "site"


def _coco(folder: Path, boxes: list[tuple[int, str, list[float]]], **lists: Any) -> Path:
    """A COCO file of boxes, given as photo, class and box in pixels of photos of 480 x 360."""
    names = sorted({name for _, name, _ in boxes})
    document = {
        "images": [
            {"id": number, "file_name": f"photos/{number}.jpg", "width": 480, "height": 360} for number in range(4)
        ],
        "categories": [{"id": place, "name": name} for place, name in enumerate(names)],
        "annotations": [
            {"id": place, "image_id": number, "category_id": names.index(name), "bbox": bbox}
            for place, (number, name, bbox) in enumerate(boxes)
        ],
    }
    file = folder / "boxes.json"
    file.write_text(json.dumps(document | lists), encoding="utf-8")
    return file


BOXES: list[tuple[int, str, list[float]]] = [
    (0, "crack", [48, 36, 120, 90]),
    (0, "crack", [240, 180, 120, 90]),
    (1, "crack", [0, 0, 480, 360]),
    (2, "rust", [121.3, 77.7, 33.1, 41.9]),
    (3, "rust", [48, 36, 120, 90]),
    (3, "crack", [240, 36, 120, 90]),
]


def _examples(database: str, catalog: str = "default") -> list[Example]:
    """Class, photo, part and file name of every example of a catalog."""
    query = (
        select(DefectClass.name, SupportPhoto.photo_sha256, SupportPhoto.part, SupportPhoto.filename)
        .join(DefectClass, DefectClass.id == SupportPhoto.defect_class_id)
        .join(Catalog, Catalog.id == DefectClass.catalog_id)
        .where(Catalog.name == catalog)
    )
    return sorted((str(name), str(sha), str(part), str(file)) for name, sha, part, file in execute(database, query))


def _make_catalog(name: str, backbone: Backbone) -> None:
    async def make() -> None:
        async with any_services(quiet_settings(), Metrics(), backbone) as services:
            await services.catalogs.create_catalog(CatalogCreate(name=name), Once(services.database, None, ""))

    asyncio.run(make())


def test_boxes_become_examples_of_their_classes_once(run: Run, database: str, folder: Path) -> None:
    file = _coco(folder, BOXES)
    code, out, _ = run("import", folder, "--coco", file)
    assert (code, "5 photos are new in the catalog 'default'." in out) == (0, True)
    examples = {(file, name): part for name, _, part, file in _examples(database)}
    assert examples == {
        ("0.jpg", "crack"): "in 0.1000 0.1000 0.2500 0.2500;0.5000 0.5000 0.2500 0.2500",
        ("1.jpg", "crack"): "",
        ("2.jpg", "rust"): "in 0.2527 0.2158 0.0690 0.1164",
        ("3.jpg", "rust"): "in 0.1000 0.1000 0.2500 0.2500",
        ("3.jpg", "crack"): "in 0.5000 0.1000 0.2500 0.2500",
    }
    code, out, _ = run("import", folder, "--coco", file)
    assert code == 0
    assert "5 are examples already" in out
    assert "0 photos are new" in out
    assert len(_examples(database)) == 5


def test_only_photos_of_one_class_teach_what_is_sound(run: Run, database: str, folder: Path) -> None:
    unreadable: tuple[int, str, list[float]] = (2, "rust", [400, 300, 100, 100])
    code, out, _ = run("import", folder, "--coco", _coco(folder, [*BOXES, unreadable]), "--rest-is-sound")
    assert code == 1
    assert "left out photos/2.jpg, annotation 6: its bbox [400.0, 300.0, 100.0, 100.0]" in out
    rests = [(file, part) for name, _, part, file in _examples(database) if name == "sound"]
    assert rests == [("0.jpg", "out 0.1000 0.1000 0.2500 0.2500;0.5000 0.5000 0.2500 0.2500")]


def test_a_photo_that_cannot_be_used_is_named_and_the_rest_goes_on(run: Run, database: str, folder: Path) -> None:
    (folder / "photos" / "0.jpg").write_bytes(wide_photo("crack", 0, 480)[0][:1000])
    turned = Image.open(folder / "photos" / "2.jpg").rotate(90, expand=True)
    turned.save(folder / "photos" / "2.jpg")
    (folder / "photos" / "3.jpg").write_bytes((folder / "photos" / "1.jpg").read_bytes())
    code, out, _ = run("import", folder, "--coco", _coco(folder, BOXES))
    assert code == 1
    assert "left out photos/0.jpg: The photo is damaged" in out
    assert "left out photos/2.jpg: its boxes are written for 480 x 360 pixels, and upright it has 360 x 480" in out
    assert "left out photos/3.jpg: it is the same photo as photos/1.jpg" in out
    assert [file for _, _, _, file in _examples(database)] == ["1.jpg"]


def test_a_smaller_copy_keeps_its_boxes(run: Run, database: str, folder: Path) -> None:
    with Image.open(folder / "photos" / "0.jpg") as large:
        small = large.resize((240, 180))
    small.save(folder / "photos" / "0.jpg")
    assert run("import", folder, "--coco", _coco(folder, BOXES[:1]))[0] == 0
    assert [part for _, _, part, _ in _examples(database)] == ["in 0.1000 0.1000 0.2500 0.2500"]


@pytest.mark.usefixtures("database")
def test_what_cannot_be_imported_at_all_ends_with_a_sentence(run: Run, folder: Path) -> None:
    (folder / "boxes.json").write_text("no json", encoding="utf-8")
    code, _, err = run("import", folder, "--coco", folder / "boxes.json")
    assert (code, "is no COCO file" in err) == (1, True)
    assert run("import", folder, "--rest-is-sound")[0] == 2
    code, _, err = run("import", folder, "--coco", _coco(folder, BOXES), "--catalog", "nowhere")
    assert (code, "There is no catalog named 'nowhere'" in err) == (1, True)


def test_what_is_exported_comes_in_again_as_the_same_examples(
    run: Run, database: str, folder: Path, tmp_path: Path, backbone: Backbone
) -> None:
    run("import", folder, "--coco", _coco(folder, BOXES), "--rest-is-sound")
    for kind in ("crack", "[b]brick"):
        (tmp_path / "whole" / kind).mkdir(parents=True)
        (tmp_path / "whole" / kind / "0.jpg").write_bytes(photo("brick", len(kind)))
    run("import", tmp_path / "whole")
    code, out, _ = run("export", tmp_path / "out")
    assert code == 0
    assert "left out sound: sound surfaces have no boxes" in out
    assert f"6 photos with 8 boxes are in {tmp_path / 'out'}." in out
    _make_catalog("copy", backbone)
    code, out, _ = run("import", tmp_path / "out", "--coco", tmp_path / "out" / "annotations.json", "--catalog", "copy")
    assert (code, "7 photos are new" in out) == (0, True)
    there = [(name, sha, part) for name, sha, part, _ in _examples(database) if name != "sound"]
    assert [(name, sha, part) for name, sha, part, _ in _examples(database, "copy")] == there
    # Three photos are called 0.jpg.
    assert {"0.jpg", "1.jpg", "2.jpg", "3.jpg"} < {path.name for path in (tmp_path / "out").iterdir()}
    document = json.loads((tmp_path / "out" / "annotations.json").read_text(encoding="utf-8"))
    first = document["annotations"][0]
    assert (first["bbox"], first["area"], first["iscrowd"]) == ([48.0, 36.0, 120.0, 90.0], 10800.0, 0)


@pytest.mark.usefixtures("database")
def test_export_overwrites_nothing(run: Run, folder: Path, tmp_path: Path, backbone: Backbone) -> None:
    _make_catalog("site", backbone)
    code, _, err = run("export", folder, "--catalog", "site")
    assert (code, "is not empty" in err) == (1, True)
    code, _, err = run("export", tmp_path / "out", "--catalog", "nowhere")
    assert (code, "There is no catalog named 'nowhere'" in err) == (1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("database")
def test_names_of_files_are_such_as_any_system_takes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site" / "crack").mkdir(parents=True)
    names = ("균열 1층.jpg", 'a:b*"<c>.jpg', "꽃" * 80 + ".jpg", "png.jpg")
    for name, data in zip(names, photos("crack", range(4)), strict=True):
        (tmp_path / "site" / "crack" / name).write_bytes(data)
    png = io.BytesIO()
    Image.open(tmp_path / "site" / "crack" / "png.jpg").save(png, "PNG")
    (tmp_path / "site" / "crack" / "png.jpg").write_bytes(png.getvalue())
    run("import", tmp_path / "site")
    assert run("export", tmp_path / "out")[0] == 0
    expected = {"균열 1층.jpg", "a_b___c_.jpg", "꽃" * 60 + ".jpg", "png.png", "annotations.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert {path.read_bytes() for path in (tmp_path / "out").glob("*.[jp][pn]g")} == {
        path.read_bytes() for path in (tmp_path / "site" / "crack").iterdir()
    }


@pytest.mark.long
@pytest.mark.skipif(not TILES.exists(), reason="../shared/data/boxes/tiles is not here")
def test_real_photos_of_tiles_come_in_and_go_out(run: Run, database: str, tmp_path: Path, backbone: Backbone) -> None:
    described = json.loads((TILES / "boxes.json").read_text(encoding="utf-8"))
    images = [
        {"id": number, "file_name": name, "width": size["width"], "height": size["height"]}
        for number, (name, size) in enumerate(list(described["photos"].items())[:8])
    ]
    boxes = [
        {"image_id": image["id"], "category_id": box["class"], "bbox": [box[side] for side in "xywh"]}
        for image in images
        for box in described["photos"][image["file_name"]]["boxes"]
    ]
    file = tmp_path / "tiles.json"
    categories = [{"id": name, "name": name} for name in described["classes"]]
    file.write_text(json.dumps({"images": images, "categories": categories, "annotations": boxes}), encoding="utf-8")
    assert run("import", TILES / "images", "--coco", file)[0] == 0
    assert run("export", tmp_path / "out")[0] == 0
    _make_catalog("copy", backbone)
    assert run("import", tmp_path / "out", "--coco", tmp_path / "out/annotations.json", "--catalog", "copy")[0] == 0
    examples = _examples(database)
    assert {name for name, *_ in examples} == {box["category_id"] for box in boxes}
    assert _examples(database, "copy") == examples
