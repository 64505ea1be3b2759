"""What is filtered, as a table to take away."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from app.acting import acting
from app.api.language import Language
from app.api.pagination import pages
from app.inspections.exports.csv_file import BOM, csv_rows
from app.inspections.exports.errors import ExportTooLarge
from app.inspections.exports.table import cells, headings
from app.inspections.filters import ClassificationFilter
from app.inspections.schemas import ClassificationOut
from app.inspections.service import InspectionService

if TYPE_CHECKING:
    from app.inspections.exports.xlsx import Spreadsheet

MOST_ROWS = 10_000
"""Of an XLSX file, which cannot be sent before it is complete: about 7 seconds of one core."""


class ExportService:
    """Tables of classifications, newest first; nothing is stored."""

    def __init__(self, inspections: InspectionService) -> None:
        self._inspections = inspections

    async def csv(self, wanted: ClassificationFilter, language: Language, zone: ZoneInfo) -> AsyncIterator[bytes]:
        """A CSV file piece by piece; the first one comes after the database has answered.

        What comes in meanwhile is left out. No session is open while a caller is slow.
        """
        await self.record(wanted, "csv")
        head = BOM.encode() + csv_rows([headings(language, zone)])
        async for page in self.pages(wanted):
            yield head + await asyncio.to_thread(csv_rows, (cells(answer, zone) for answer in page))
            head = b""

    async def xlsx(self, wanted: ClassificationFilter, language: Language, zone: ZoneInfo) -> bytes:
        """An XLSX file. Raises `ExportTooLarge`."""
        await self.refuse_more_than(MOST_ROWS, wanted, "an XLSX file", "take CSV, which has no limit")
        await self.record(wanted, "xlsx")
        sheet = await asyncio.to_thread(new_sheet, headings(language, zone), acting().name)
        try:
            async for page in self.pages(wanted):
                await asyncio.to_thread(sheet.add, (cells(answer, zone) for answer in page))
        finally:
            file = await asyncio.to_thread(sheet.end)
        return file

    def pages(self, wanted: ClassificationFilter) -> AsyncIterator[list[ClassificationOut]]:
        """All that is filtered, a page at a time; one empty page where there is nothing."""
        return pages(lambda before, limit: self._inspections.list_classifications(wanted, before=before, limit=limit))

    async def record(self, wanted: ClassificationFilter, file: str) -> frozenset[UUID]:
        """Note in the audit trail that what is filtered is about to leave in a file; the catalogs that it is from."""
        return await self._inspections.record_export(wanted, file)

    async def refuse_more_than(self, most: int, wanted: ClassificationFilter, file: str, else_: str) -> None:
        """Raise `ExportTooLarge` where more is filtered."""
        if await self._inspections.has_more_than(most, wanted):
            raise ExportTooLarge(
                f"More than {most} classifications are meant, and {file} takes no more: narrow the filter, for example "
                f"by since and until, or {else_}."
            )


def new_sheet(first_row: list[str], made_by: str, pictures: str | None = None) -> "Spreadsheet":
    """A new XLSX file; with a heading for pictures it has a column for them."""
    # Loading it takes a third of a second, and most processes never need it.
    from app.inspections.exports.xlsx import Spreadsheet  # noqa: PLC0415

    return Spreadsheet(first_row, made_by, pictures)
