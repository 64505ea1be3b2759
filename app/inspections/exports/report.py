"""Inspection reports: what is filtered, with photos and heat maps, made in the background."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from app.acting import Principal, acting, acting_as
from app.api.language import Language
from app.catalogs.errors import DefectClassNotFound
from app.catalogs.schemas import DefectClassName
from app.catalogs.service import CatalogService
from app.errors import HajaError, HeatmapUnavailable, QueueFull
from app.inspections.errors import BackboneChanged, ClassificationNotFound
from app.inspections.exports.errors import ReportNotFinished, ReportNotFound, TooManyReports
from app.inspections.exports.report_texts import Picture, Texts
from app.inspections.exports.schemas import ReportFormat, ReportOut, ReportProblem
from app.inspections.exports.service import ExportService, new_sheet
from app.inspections.exports.table import cells, headings
from app.inspections.exports.words import WORDS
from app.inspections.filters import ClassificationFilter
from app.inspections.heatmap import HeatmapService, picture_size
from app.inspections.schemas import ClassificationOut, FeedbackOut, RegionFeedbackOut, RegionOut
from app.photos import reading
from app.photos.errors import PhotoNotFound
from app.photos.intake import Upload
from app.photos.service import ArchiveService
from app.storage.tables import new_id

if TYPE_CHECKING:
    from app.inspections.exports.report_pdf import ReportDocument

MOST_BLOCKS = 1000
"""Of one report: each needs its photo decoded three times and a large pass through the network, a quarter of a second
on two busy cores."""

KEPT = 10
"""Reports of one process, those that wait included: each is at most some hundred MB of the disk."""

PICTURE_SIDE = 560
"""Most pixels a side of a picture, which is at most 8.7 cm wide: about 160 an inch."""

THUMBNAIL_SIDE = 120
"""Most pixels a side of a photo in a spreadsheet."""

LOGO_SIDE = 600
"""Most pixels a side of a logo."""

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Waits where the service is busy with other photos: a long report does not break off for a short rush."""

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


@dataclass
class Report:
    """One report: what is wanted, who asked, the catalogs that it speaks of, and how far it is."""

    format: ReportFormat
    wanted: ClassificationFilter
    language: Language
    zone: ZoneInfo
    title: str
    logo: bytes | None
    who: Principal
    catalogs: frozenset[UUID]
    still_may: Callable[[], Awaitable[Principal]]
    told: ReportOut
    path: Path


class ReportService:
    """Inspection reports: made one at a time in the background, and kept as files of this process until newer ones
    need their place. Only whoever asked for one sees it.
    """

    def __init__(
        self, exports: ExportService, catalogs: CatalogService, archive: ArchiveService, heatmaps: HeatmapService
    ) -> None:
        self._exports = exports
        self._catalogs = catalogs
        self._archive = archive
        self._heatmaps = heatmaps
        self._folder = tempfile.TemporaryDirectory(prefix="haja-reports-")
        self._reports: dict[UUID, Report] = {}
        self._alone = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(
        self,
        format_: ReportFormat,
        wanted: ClassificationFilter,
        language: Language,
        zone: ZoneInfo,
        title: str,
        logo: Upload | None,
        still_may: Callable[[], Awaitable[Principal]],
    ) -> ReportOut:
        """Begin to make a file of what is filtered, newest first; times of answers are in `zone`.

        Args:
            format_: a PDF, or a spreadsheet with small photos.
            wanted: which classifications.
            language: of words; names of classes stand in both.
            zone: of times.
            title: the project; where it is empty, the catalog.
            logo: a picture for the title page.
            still_may: who asks, as it stands by then; raises where the key has ended, and the report breaks off.

        Raises:
            ExportTooLarge: more than `MOST_BLOCKS` are filtered.
            TooManyReports: as many as are kept wait to be made.
            PhotoError, QueueFull, DecoderUnavailable: the logo cannot be used, or not now.
        """
        await self._exports.refuse_more_than(MOST_BLOCKS, wanted, "a report", "take CSV or XLSX")
        picture = await self._archive.shrink(logo, LOGO_SIDE) if logo is not None else None
        self._make_room()
        told = ReportOut(
            id=new_id(), format=format_, state="waiting", done=0, total=0, problem=None, created_at=datetime.now(UTC)
        )
        path = Path(self._folder.name) / f"{told.id}.{format_}"
        catalogs = await self._exports.record(wanted, format_)
        report = Report(format_, wanted, language, zone, title, picture, acting(), catalogs, still_may, told, path)
        self._reports[told.id] = report
        task = asyncio.create_task(self._make(report))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return told

    def newest(self) -> ReportOut | None:
        """The report that whoever is acting asked for last, or None."""
        mine = [each.told for each in self._reports.values() if _sees(each)]
        return mine[-1] if mine else None

    def get(self, report_id: UUID) -> ReportOut:
        """How far a report is. Raises `ReportNotFound`."""
        return self._find(report_id).told

    def file(self, report_id: UUID) -> Path:
        """Where the file lies, named by its format. Raises `ReportNotFound`, `ReportNotFinished`."""
        report = self._find(report_id)
        if report.told.state != "finished":
            raise ReportNotFinished
        return report.path

    async def close(self) -> None:
        """Break off what is being made, and remove all files."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.to_thread(self._folder.cleanup)

    def _find(self, report_id: UUID) -> Report:
        report = self._reports.get(report_id)
        if report is None or not _sees(report):
            raise ReportNotFound
        return report

    def _make_room(self) -> None:
        if len(self._reports) < KEPT:
            return
        ended = [key for key, each in self._reports.items() if each.told.state in {"finished", "failed"}]
        if not ended:
            raise TooManyReports
        self._reports.pop(ended[0]).path.unlink(missing_ok=True)

    async def _make(self, report: Report) -> None:
        with acting_as(report.who):
            try:
                async with self._alone:
                    await self._draw(report)
            except HajaError as error:
                _end(report, ReportProblem(code=error.code, detail=error.detail))
            except Exception:  # noqa: BLE001 - whoever asked must hear of it
                _log.exception("a report failed", report=str(report.told.id))
                _end(
                    report, ReportProblem(code="internal-error", detail="The service failed on this report: try again.")
                )
            else:
                _end(report, None)

    async def _draw(self, report: Report) -> None:
        answers = [answer async for page in self._exports.pages(report.wanted) for answer in page][:MOST_BLOCKS]
        report.told = report.told.model_copy(update={"state": "running", "total": len(answers)})
        await (self._draw_pdf if report.format == "pdf" else self._draw_xlsx)(report, answers)

    async def _draw_pdf(self, report: Report, answers: list[ClassificationOut]) -> None:
        texts = Texts(report.language, report.zone, await self._names(answers, report.wanted))
        made, made_by = datetime.now(UTC), report.who.name
        document = await asyncio.to_thread(_open, report.language, made, made_by)
        try:
            cover = texts.cover(made, made_by, report.title, report.wanted, answers, report.logo)
            await asyncio.to_thread(document.begin, cover)
            async for answer in _each(report, answers):
                photo, heatmap = await self._photo(answer), await self._heatmap(answer)
                await asyncio.to_thread(document.add, texts.block(answer, photo, heatmap))
            await asyncio.to_thread(document.end, report.path)
        finally:
            document.close()

    async def _draw_xlsx(self, report: Report, answers: list[ClassificationOut]) -> None:
        first_row = headings(report.language, report.zone)
        photo = WORDS[report.language]["photo"]
        sheet = await asyncio.to_thread(new_sheet, first_row, report.who.name, photo)
        try:
            async for answer in _each(report, answers):
                picture = await self._photo(answer, THUMBNAIL_SIDE)
                row = cells(answer, report.zone)
                await asyncio.to_thread(sheet.add_with_picture, row, picture.jpeg if picture else None)
        finally:
            file = await asyncio.to_thread(sheet.end)
        await asyncio.to_thread(report.path.write_bytes, file)

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

    async def _photo(self, answer: ClassificationOut, side: int = PICTURE_SIDE) -> Picture | None:
        try:
            jpeg = await _patiently(lambda: self._archive.thumbnail(answer.photo.id, side))
        except (PhotoNotFound, reading.PhotoError):
            return None
        return Picture(jpeg, *picture_size(answer.photo.width, answer.photo.height, side))

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


async def _each(report: Report, answers: list[ClassificationOut]) -> AsyncIterator[ClassificationOut]:
    """The answers one after the other, while whoever asked may still see them; says how far it is."""
    for number, answer in enumerate(answers, 1):
        await report.still_may()
        yield answer
        report.told = report.told.model_copy(update={"done": number})


def _open(language: Language, made: datetime, made_by: str) -> "ReportDocument":
    # Loading it takes half a second, and most processes never make a report.
    from app.inspections.exports.report_pdf import ReportDocument  # noqa: PLC0415

    return ReportDocument(language, made, made_by)


def _sees(report: Report) -> bool:
    """Whether whoever is acting asked for it, and may still see every catalog that it speaks of."""
    visible = acting().catalogs()
    return report.who.id == acting().id and (visible is None or report.catalogs <= visible)


def _end(report: Report, problem: ReportProblem | None) -> None:
    report.told = report.told.model_copy(update={"state": "failed" if problem else "finished", "problem": problem})


async def _patiently(draw: Callable[[], Awaitable[Result]]) -> Result:
    for pause in PAUSES_S:
        try:
            return await draw()
        except QueueFull:
            await asyncio.sleep(pause)
    return await draw()
