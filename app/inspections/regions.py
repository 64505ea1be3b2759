"""The regions of classifications: their pictures, and what inspectors say of each."""

from typing import NamedTuple
from uuid import UUID

from app.access.audit.repository import record
from app.acting import actor
from app.api.idempotency.service import Guard
from app.catalogs import repository as catalog_rows
from app.catalogs.service import CatalogService
from app.inspections import repository
from app.inspections.errors import ClassificationNotFound, FeedbackIncomplete, RegionNotFound
from app.inspections.schemas import (
    RegionCreate,
    RegionFeedbackCreate,
    RegionFeedbackOut,
    RegionOut,
    RegionVerdict,
)
from app.inspections.service import InspectionService, class_of
from app.inspections.tables import Classification, RegionFeedback
from app.photos.errors import TooManyRegions
from app.photos.intake import KeptPhoto, MappedPhoto
from app.photos.path import PhotoPath
from app.photos.regions import MAX_REGIONS
from app.storage.database import Database, Session
from models.windows import Part, Region, with_context

CROP_SIDE = 1024
"""Most pixels a side of a region's picture."""


class Meant(NamedTuple):
    """What a word says of a region: where it is, and the class by its id, where it still exists, and its name."""

    region: Region
    class_id: UUID | None
    class_name: str | None


class RegionService:
    """Pictures of regions, and inspectors' words on them."""

    def __init__(
        self, database: Database, inspections: InspectionService, catalogs: CatalogService, photos: PhotoPath
    ) -> None:
        self._database = database
        self._inspections = inspections
        self._catalogs = catalogs
        self._photos = photos

    async def crop(self, classification_id: UUID, number: int) -> bytes:
        """A re-encoded JPEG of a region as it was answered or added, with a little of what surrounds it.

        Raises:
            ClassificationNotFound, RegionNotFound: see their docstrings.
            PhotoNotFound, StorageUnavailable: as `ArchiveRepository.bytes`.
            PhotoError, QueueFull, DecoderUnavailable: as `Intake.thumbnail`.
        """
        async with self._database.reading() as session:
            row, *_ = await self._inspections.find(session, classification_id)
            answered = _answered(row, number)
            if answered is not None:
                region = answered.region()
            else:
                added = await repository.added_region(session, classification_id, number)
                if added is None:
                    raise RegionNotFound
                region = _region(added)
        data = await self._photos.archive.bytes(row.photo_sha256)
        return await self._photos.intake.thumbnail(data, CROP_SIDE, with_context(region))

    async def judge(
        self, classification_id: UUID, number: int, wanted: RegionFeedbackCreate, once: Guard
    ) -> RegionFeedbackOut:
        """Keep the inspector's word on a region, and make the region an example where that is wished.

        Raises:
            ClassificationNotFound, RegionNotFound, DefectClassNotFound, FeedbackIncomplete: nothing is stored.
            TooManyRegions, BackboneSwitched: as `Examples.add_region`.
            Where it shall be an example, as `Intake.take_map`, and PhotoNotFound, StorageUnavailable.
        """
        photo = await self._photo(classification_id, number) if wanted.add_to_support else None
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            row = await self._held(session, classification_id)
            meant = await self._meant(session, row, number, wanted)
            return await self._keep(session, row, number, wanted.verdict, meant, wanted, photo, once)

    async def add(self, classification_id: UUID, wanted: RegionCreate, once: Guard) -> RegionFeedbackOut:
        """Keep a region that the answer lacks, under the next number.

        Raises:
            As `judge`; TooManyRegions also where inspectors have added `MAX_REGIONS` to this answer.
        """
        photo = await self._photo(classification_id) if wanted.add_to_support else None
        async with self._database.writing() as session:
            await session.run_sync(once.claim)
            row = await self._held(session, classification_id)
            meant = Meant(wanted.box.region(), *await class_of(session, row, wanted.defect_class_id))
            answered = len(row.regions or ())
            words = (await repository.region_feedback(session, [row.id])).get(row.id, [])
            number = 1 + max([answered, *(word.region for word in words)])
            if number > answered + MAX_REGIONS:
                raise TooManyRegions
            return await self._keep(session, row, number, "added", meant, wanted, photo, once)

    async def _photo(self, classification_id: UUID, number: int | None = None) -> MappedPhoto:
        """The photo of a classification, as its regions can become examples; first, whether there is this region."""
        async with self._database.reading() as session:
            row, catalog, *_ = await self._inspections.find(session, classification_id)
            if number is not None:
                await _standing(session, row, number)
            backbone_id = (await self._catalogs.find(session, catalog)).backbone_id
        photo = KeptPhoto(row.filename, await self._photos.archive.bytes(row.photo_sha256))
        return await self._photos.intake.take_map(photo, await self._photos.embedders.get(backbone_id))

    async def _held(self, session: Session, classification_id: UUID) -> Classification:
        """A classification whose classes, and itself, stay until the end of the transaction."""
        row, *_ = await self._inspections.find(session, classification_id)
        if not await session.run_sync(catalog_rows.hold, row.catalog_id, unchanged=True):
            raise ClassificationNotFound
        return row

    async def _meant(self, session: Session, row: Classification, number: int, wanted: RegionFeedbackCreate) -> Meant:
        """What a word means: it changes what it speaks of, and leaves the rest as the word before it."""
        answered, before = await _standing(session, row, number)
        if (wanted.box is not None) != (wanted.verdict == "moved"):
            raise FeedbackIncomplete(
                "The verdict 'moved' needs box, where the region really is; the other verdicts take none."
            )
        region = before.region if wanted.box is None else wanted.box.region()
        if wanted.verdict == "not-a-defect":
            if wanted.defect_class_id is not None:
                raise FeedbackIncomplete("The verdict 'not-a-defect' names no defect class: leave defect_class_id out.")
            return Meant(region, None, None)
        if wanted.verdict == "confirmed":
            said = answered or before
            if wanted.defect_class_id not in {None, said.class_id}:
                raise FeedbackIncomplete("That class was not the region's: send the verdict 'corrected' instead.")
            if said.class_name is None:
                raise FeedbackIncomplete("Nothing says what this region shows: send the verdict 'corrected'.")
            return said
        if wanted.defect_class_id is not None:
            return Meant(region, *await class_of(session, row, wanted.defect_class_id))
        if wanted.verdict == "corrected":
            raise FeedbackIncomplete("The verdict 'corrected' needs defect_class_id: the class that the region shows.")
        named = before if before.class_name is not None else answered
        if named is None:
            raise FeedbackIncomplete("Nothing says what this region shows: send defect_class_id with its box.")
        return named._replace(region=region)

    async def _keep(
        self,
        session: Session,
        row: Classification,
        number: int,
        verdict: RegionVerdict,
        meant: Meant,
        wanted: RegionFeedbackCreate | RegionCreate,
        photo: MappedPhoto | None,
        once: Guard,
    ) -> RegionFeedbackOut:
        box = Part((meant.region,)).text
        example = None if photo is None else await self._example(session, row, verdict, meant, photo)
        word = await repository.add_region_feedback(
            session,
            {
                "classification_id": row.id,
                "region": number,
                "verdict": verdict,
                "box": box,
                "defect_class_id": meant.class_id,
                "defect_class_name": meant.class_name,
                "note": wanted.note,
                "support_photo_id": example,
                **actor(),
            },
        )
        said = {"verdict": verdict, "class": meant.class_name, "example": photo and row.photo_sha256}
        record(session, "feedback-given", row.catalog_id, row.id, region=number, box=box, **said)
        answer = RegionFeedbackOut.model_validate(word)
        await session.run_sync(once.keep, answer)
        return answer

    async def _example(
        self, session: Session, row: Classification, verdict: RegionVerdict, meant: Meant, photo: MappedPhoto
    ) -> UUID:
        class_id = meant.class_id
        if verdict == "not-a-defect":
            class_id = await self._catalogs.sound_class(session, row.catalog_id)
        if class_id is None:
            raise FeedbackIncomplete(
                "The region cannot become an example: the verdict names no class that still exists."
            )
        known = (await catalog_rows.known_sha256s(session, class_id, [row.photo_sha256])).get(row.photo_sha256)
        words = await repository.words_of_example(session, known) if known else []
        example = await self._catalogs.add_region(session, class_id, photo, meant.region)
        if example != known:  # a new one, with the regions of the old one
            await repository.set_example(session, words, example)
        return example


def _answered(row: Classification, number: int) -> RegionOut | None:
    regions = row.regions or []
    return RegionOut.model_validate(regions[number - 1]) if 1 <= number <= len(regions) else None


def _region(word: RegionFeedback) -> Region:
    return Part.parse(word.box).regions[0]


async def _standing(session: Session, row: Classification, number: int) -> tuple[Meant | None, Meant]:
    """A region as it was answered, if it was, and as the newest word has it. Raises `RegionNotFound`."""
    answered = None
    if (found := _answered(row, number)) is not None:
        first = found.predictions[0].defect_class
        still = await catalog_rows.defect_class(session, first.id)
        answered = Meant(found.region(), first.id if still else None, first.name)
    words = (await repository.region_feedback(session, [row.id])).get(row.id, [])
    word = next((word for word in words if word.region == number), None)
    before = answered if word is None else Meant(_region(word), word.defect_class_id, word.defect_class_name)
    if before is None:
        raise RegionNotFound
    return answered, before
