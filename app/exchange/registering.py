"""Photos of this machine that are examples of classes, registered a request at a time."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter

from app.api.idempotency.service import Once
from app.api.pagination import every
from app.catalogs.errors import NoUsablePhoto
from app.catalogs.schemas import DefectClassCreate, ExampleParts, PhotoOutcome
from app.catalogs.service import MAX_PHOTOS, CatalogService
from app.photos.intake import LocalFile
from app.photos.regions import ExampleRegion
from models.windows import Region

_REGIONS = TypeAdapter(list[ExampleRegion])


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo that shows a class, as a whole or in its regions.

    `name` is what a person knows it by; `rest_is_sound` says that nothing else is wrong outside the regions.
    """

    path: Path
    name: str
    class_name: str
    regions: tuple[Region, ...] = ()
    rest_is_sound: bool = False


async def register(
    catalogs: CatalogService, once: Once, catalog: str, photos: Iterable[LabelledPhoto]
) -> AsyncIterator[tuple[LabelledPhoto, PhotoOutcome]]:
    """Add photos to the classes of a catalog, which are made where there are none; what became of each.

    Raises as `CatalogService.register`, but for `NoUsablePhoto`.
    """
    known = {row.name: row.id async for row in every(partial(catalogs.list_defect_classes, catalog))}
    for batch in _batches(photos):
        name, parts, files = batch[0].class_name, _parts(batch), [LocalFile(photo.path) for photo in batch]
        try:
            if name in known:
                done = await catalogs.add_support_photos(known[name], files, once, parts)
            else:
                done = await catalogs.register(catalog, DefectClassCreate(name=name), files, once, parts)
                known[name] = done.id
            outcomes = done.photos
        except NoUsablePhoto as error:
            outcomes = [PhotoOutcome.model_validate(outcome) for outcome in error.errors or []]
        for photo, outcome in zip(batch, outcomes, strict=True):
            yield photo, outcome


def _batches(photos: Iterable[LabelledPhoto]) -> Iterator[list[LabelledPhoto]]:
    """What one request can bring: photos of one class, of which the same is said."""
    groups: dict[tuple[str, bool], list[LabelledPhoto]] = {}
    for photo in photos:
        groups.setdefault((photo.class_name, photo.rest_is_sound), []).append(photo)
    for group in groups.values():
        rest = iter(group)
        while batch := list(islice(rest, MAX_PHOTOS)):
            yield batch


def _parts(batch: list[LabelledPhoto]) -> ExampleParts:
    regions = [
        ExampleRegion(photo=place, **region._asdict()) for place, photo in enumerate(batch) for region in photo.regions
    ]
    return ExampleParts(regions=_REGIONS.dump_json(regions).decode(), rest_is_sound=batch[0].rest_is_sound)
