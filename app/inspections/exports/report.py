"""The inspection report: what is filtered, with photos and heat maps."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from app.acting import acting
from app.api.language import Language
from app.catalogs.errors import DefectClassNotFound
from app.catalogs.schemas import DefectClassName
from app.catalogs.service import CatalogService
from app.errors import HeatmapUnavailable, QueueFull
from app.inspections.errors import BackboneChanged, ClassificationNotFound
from app.inspections.exports.report_texts import Picture, Texts
from app.inspections.exports.service import ExportService
from app.inspections.filters import ClassificationFilter
from app.inspections.heatmap import HeatmapService, picture_size
from app.inspections.schemas import ClassificationOut, FeedbackOut, RegionFeedbackOut, RegionOut
from app.photos import reading
from app.photos.errors import PhotoNotFound
from app.photos.service import ArchiveService

if TYPE_CHECKING:
    from app.inspections.exports.report_pdf import ReportDocument

MOST_BLOCKS = 100
"""Of one report: each needs its photo decoded three times and a large pass through the network, a quarter of a second
on two busy cores."""

AT_A_TIME = 2
"""Reports in work; more are refused, so that they leave room to those who classify."""

PICTURE_SIDE = 720
"""Most pixels a side of a picture, which is at most 8.7 cm wide: about 210 an inch."""

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Waits where the service is busy with other photos: a long report does not break off for a short rush."""

Result = TypeVar("Result")


class ReportService:
    """Inspection reports; nothing is stored."""

    def __init__(
        self, exports: ExportService, catalogs: CatalogService, archive: ArchiveService, heatmaps: HeatmapService
    ) -> None:
        self._exports = exports
        self._catalogs = catalogs
        self._archive = archive
        self._heatmaps = heatmaps
        self._in_work = 0

    async def draw(
        self,
        wanted: ClassificationFilter,
        language: Language,
        zone: ZoneInfo,
        gone: Callable[[], Awaitable[bool]],
    ) -> bytes:
        """A PDF of what is filtered, newest first; times of answers are in `zone`.

        Args:
            wanted: which classifications.
            language: of words; names of classes stand in both.
            zone: of times.
            gone: whether the caller has left, in which case the rest is left out.

        Raises:
            ExportTooLarge: more than `MOST_BLOCKS` are filtered.
            QueueFull, DecoderUnavailable, EmbedderUnavailable, StorageUnavailable: a photo cannot be drawn now.
        """
        await self._exports.refuse_more_than(MOST_BLOCKS, wanted, "a report", "take CSV or XLSX")
        if self._in_work == AT_A_TIME:
            raise QueueFull
        self._in_work += 1
        try:
            await self._exports.record(wanted, "pdf")
            answers = [answer async for page in self._exports.pages(wanted) for answer in page][:MOST_BLOCKS]
            names = await self._names(answers, wanted)
            texts = Texts(language, zone, names)
            made = datetime.now(UTC)
            made_by = acting().name
            document = await asyncio.to_thread(_open, language, made, made_by)
            try:
                await asyncio.to_thread(document.begin, *texts.heading(made, wanted, answers), made_by)
                for answer in answers:
                    if await gone():
                        break
                    photo, heatmap = await self._photo(answer), await self._heatmap(answer)
                    await asyncio.to_thread(document.add, texts.block(answer, photo, heatmap))
                return await asyncio.to_thread(document.end)
            finally:
                document.close()
        finally:
            self._in_work -= 1

    async def _names(
        self, answers: list[ClassificationOut], wanted: ClassificationFilter
    ) -> dict[UUID, DefectClassName]:
        """The classes that are spoken of: as they were answered, others as they are now."""
        regions = [region for answer in answers for region in answer.regions or []]
        answered: list[ClassificationOut | RegionOut] = [*answers, *regions]
        names = {each.defect_class.id: each.defect_class for one in answered for each in one.predictions}
        words: list[FeedbackOut | RegionFeedbackOut] = [each.feedback for each in answered if each.feedback]
        words += [word for answer in answers for word in answer.added_regions]
        said = {word.defect_class_id for word in words}
        others = {each for each in (*said, wanted.defect_class_id) if each is not None} - names.keys()
        return names | await self._catalogs.class_names(others)

    async def _photo(self, answer: ClassificationOut) -> Picture | None:
        try:
            jpeg = await _patiently(lambda: self._archive.thumbnail(answer.photo.id, PICTURE_SIDE))
        except (PhotoNotFound, reading.PhotoError):
            return None
        return Picture(jpeg, *picture_size(answer.photo.width, answer.photo.height, PICTURE_SIDE))

    async def _heatmap(self, answer: ClassificationOut) -> Picture | None:
        try:
            pixels = await _patiently(lambda: self._heatmaps.picture(answer.id, None, longest=PICTURE_SIDE))
        except (
            BackboneChanged,
            ClassificationNotFound,
            DefectClassNotFound,
            HeatmapUnavailable,
            PhotoNotFound,
            reading.PhotoError,
        ):
            return None
        return Picture(await asyncio.to_thread(reading.encode_jpeg, pixels, 85), pixels.shape[1], pixels.shape[0])


def _open(language: Language, made: datetime, made_by: str) -> "ReportDocument":
    # Loading it takes half a second, and most processes never make a report.
    from app.inspections.exports.report_pdf import ReportDocument  # noqa: PLC0415

    return ReportDocument(language, made, made_by)


async def _patiently(draw: Callable[[], Awaitable[Result]]) -> Result:
    for pause in PAUSES_S:
        try:
            return await draw()
        except QueueFull:
            await asyncio.sleep(pause)
    return await draw()
