"""COCO files read: the boxes of photos by class, in pixels."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from app.exchange.class_names import class_name
from app.exchange.errors import ExchangeError
from app.photos.regions import MAX_REGIONS, RegionBox
from models.windows import Region

Id = int | str
Side = Annotated[int, Field(gt=0, le=1_000_000)]
Pixels = Annotated[float, Field(allow_inf_nan=False)]


class Category(BaseModel):
    """A class."""

    id: Id
    name: Annotated[str, AfterValidator(class_name)]


class Image(BaseModel):
    """A photo, and in which pixels its boxes were written."""

    id: Id
    file_name: Annotated[str, Field(min_length=1)]
    width: Side
    height: Side


class Annotation(BaseModel):
    """A box: left, top, width and height."""

    image_id: Id
    category_id: Id
    bbox: tuple[Pixels, Pixels, Pixels, Pixels]

    @model_validator(mode="before")
    @classmethod
    def _one_box(cls, entry: dict[str, Any]) -> dict[str, Any]:
        if not entry.get("bbox"):
            raise ValueError("it has no bbox, and masks are not read")
        if entry.get("iscrowd"):
            raise ValueError("it is a crowd, and not one defect")
        return entry


Entry = TypeVar("Entry", Category, Image)


@dataclass
class BoxedPhoto:
    """A photo of a COCO file, and its boxes by class.

    `complete` is false where one of its annotations was left out: what lies outside the boxes may be no sound surface.
    """

    path: Path
    name: str
    width: int
    height: int
    boxes: dict[str, list[Region]] = field(default_factory=dict)
    complete: bool = True


class CocoFile:
    """The `photos` of a COCO file, and in `faults` a sentence on each thing of it that was left out."""

    def __init__(self, file: Path, folder: Path) -> None:
        """Read a file whose photos stand in a folder. Raises `ExchangeError` where it is no COCO file."""
        lists = _lists(file)
        self.faults: list[str] = []
        self._folder = folder
        self._classes = {category.id: category.name for category, _ in self._entries(Category, lists["categories"])}
        self._by_id: dict[Id, BoxedPhoto] = {}
        self._by_path: dict[Path, BoxedPhoto] = {}
        for image, name in self._entries(Image, lists["images"]):
            self._add_photo(image, name)
        self._unusable = {_id(entry, "id") for entry in lists["images"]} - {None, *self._by_id}
        for number, entry in enumerate(lists["annotations"]):
            self._add_box(number, entry)
        self.photos = list(self._by_path.values())

    def _entries(self, kind: type[Entry], entries: list[Any]) -> Iterator[tuple[Entry, str]]:
        """Categories or images that can be read, and what a person knows them by."""
        seen: set[Id] = set()
        for number, entry in enumerate(entries):
            name = _shown(entry, "name" if kind is Category else "file_name", f"{kind.__name__.lower()} {number}")
            try:
                read = kind.model_validate(entry)
            except ValidationError as error:
                self.faults.append(f"{name}: {_first(error)}")
                continue
            if read.id in seen:
                raise ExchangeError(f"It has two {kind.__name__.lower()} entries with the id {read.id!r}: number anew.")
            seen.add(read.id)
            yield read, name

    def _add_photo(self, image: Image, name: str) -> None:
        inside = PurePosixPath(image.file_name)
        path = self._folder / inside
        known = self._by_path.get(path)
        if inside.is_absolute() or ".." in inside.parts:
            self.faults.append(f"{name}: its file name leads out of {self._folder}")
        elif not _is_file(path):
            self.faults.append(f"{name}: there is no such file in {self._folder}")
        elif known and (known.width, known.height) != (image.width, image.height):
            self.faults.append(f"{name}: it stands twice in images, with different sizes")
            known.complete = False
        else:
            photo = known or BoxedPhoto(path, name, image.width, image.height)
            self._by_id[image.id] = self._by_path[path] = photo

    def _add_box(self, number: int, entry: Any) -> None:
        image_id = _id(entry, "image_id")
        if image_id in self._unusable:
            return  # its photo is named already
        photo = None if image_id is None else self._by_id.get(image_id)
        fault = f"there is no image {image_id!r}" if photo is None else self._box_fault(photo, entry)
        if fault:
            named = _shown(entry, "id", f"number {number}, counted from 0")
            self.faults.append(f"{photo.name if photo else 'no photo'}, annotation {named}: {fault}")
            if photo:
                photo.complete = False

    def _box_fault(self, photo: BoxedPhoto, entry: dict[str, Any]) -> str | None:
        """Take a box of a photo; why it cannot be taken, if so."""
        try:
            annotation = Annotation.model_validate(entry)
        except ValidationError as error:
            return _first(error)
        category = self._classes.get(annotation.category_id)
        if category is None:
            return f"there is no category {annotation.category_id!r} that can be used"
        region = _region(annotation.bbox, photo.width, photo.height)
        if region is None:
            return (
                f"its bbox {list(annotation.bbox)} has no area inside the photo of {photo.width} x {photo.height}, or "
                "reaches beyond it: left, top, width and height in pixels"
            )
        boxes = photo.boxes.setdefault(category, [])
        if region not in boxes:
            if len(boxes) == MAX_REGIONS:
                return f"the photo has {MAX_REGIONS} boxes of this class already, which is the most"
            boxes.append(region)
        return None


def _lists(file: Path) -> dict[str, list[Any]]:
    expected = "a JSON object with the lists images, annotations and categories"
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise ExchangeError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{file} is no COCO file, {expected}: {error}.") from None
    keys = ("images", "annotations", "categories")
    if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in keys):
        raise ExchangeError(f"{file} is no COCO file: it needs to be {expected}.")
    return document


def _region(bbox: tuple[float, float, float, float], width: int, height: int) -> Region | None:
    """A box in pixels of a photo as fractions; what is beyond the photo by at most a pixel is cut off.

    None where it has no area or reaches further beyond.
    """
    left, top, across, down = bbox
    right, bottom = left + across, top + down
    if min(left, top) < -1 or right > width + 1 or bottom > height + 1:
        return None
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if right <= left or bottom <= top:
        return None
    x, y, w, h = left / width, top / height, (right - left) / width, (bottom - top) / height
    return RegionBox(x=x, y=y, w=w, h=h).region()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as of a name that is too long
        return False


def _id(entry: Any, key: str) -> Id | None:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | str) else None


def _shown(entry: Any, key: str, otherwise: str) -> str:
    """What an entry says under a key, in one line that any terminal can show."""
    value = _id(entry, key)
    if value is None:
        return otherwise
    return "".join(character if character.isprintable() else "?" for character in str(value)[:200])


def _first(error: ValidationError) -> str:
    """What is wrong first, and where."""
    first = error.errors(include_url=False, include_context=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, "))))
