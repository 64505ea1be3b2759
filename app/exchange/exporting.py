"""The examples of a catalog as files: its photos, and a COCO file of their boxes."""

import asyncio
import json
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from app.api.pagination import every
from app.catalogs.service import CatalogService
from app.exchange.errors import ExchangeError
from app.photos.service import ArchiveService
from app.photos.tables import Photo
from models.windows import ALL, Part, Region

ANNOTATIONS = "annotations.json"

_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/heif": "heic"}


class Exported(NamedTuple):
    """How many photos and boxes of them were written; the names of classes that were left out."""

    photos: int
    boxes: int
    left_out: list[str]


async def export(catalogs: CatalogService, archive: ArchiveService, catalog: str, folder: Path) -> Exported:
    """Write the support photos of a catalog, exactly as they came, and their boxes into a new or empty folder.

    A photo that is an example as a whole has one box over all of it. Classes of sound surfaces are left out.

    Raises:
        ExchangeError: something is in the folder already.
        CatalogNotFound, StorageUnavailable: see their docstrings.
    """
    classes = [row async for row in every(partial(catalogs.list_defect_classes, catalog))]
    await asyncio.to_thread(_make_empty, folder)
    defects = [row for row in classes if row.kind == "defect"]
    images: dict[str, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for category, row in enumerate(defects, 1):
        for support, photo in await catalogs.examples(row.id):
            image = images.get(photo.sha256)
            if image is None:
                name = _file_name(support.filename, photo, {str(other["file_name"]) for other in images.values()})
                await asyncio.to_thread((folder / name).write_bytes, await archive.original(photo.sha256))
                size = {"width": photo.width, "height": photo.height}
                image = images[photo.sha256] = {"id": len(images) + 1, "file_name": name, **size}
            for region in Part.parse(support.part).regions or (ALL,):
                bbox = _pixels(region, photo.width, photo.height)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image["id"],
                        "category_id": category,
                        "bbox": bbox,
                        "area": round(bbox[2] * bbox[3], 2),
                        "segmentation": [],
                        "iscrowd": 0,
                    }
                )
    categories = [{"id": category, "name": row.name} for category, row in enumerate(defects, 1)]
    document = {"images": list(images.values()), "annotations": annotations, "categories": categories}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    await asyncio.to_thread((folder / ANNOTATIONS).write_text, text, encoding="utf-8")
    return Exported(len(images), len(annotations), [row.name for row in classes if row.kind == "sound"])


def _make_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ExchangeError(f"{folder} is not empty: name a new folder, so that nothing in it is overwritten.")


def _pixels(region: Region, width: int, height: int) -> list[float]:
    """Left, top, width and height in pixels, finely enough to become the same region again."""
    return [round(side, 4) for side in (region.x * width, region.y * height, region.w * width, region.h * height)]


def _file_name(filename: str, photo: Photo, taken: set[str]) -> str:
    """What the photo was called, as far as any file system takes it, and no name twice."""
    stem = re.sub(r"[^\w.() -]", "_", filename.rpartition(".")[0] or filename)[:60].strip(" .") or "photo"
    ending = _ENDINGS[photo.media_type]
    name = f"{stem}.{ending}"
    if name.casefold() in {other.casefold() for other in taken}:
        return f"{stem}-{photo.sha256[:16]}.{ending}"
    return name
