"""An XLSX file in which no text is a formula. Loading this takes a third of a second."""

import io
import re
from collections.abc import Iterable, Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.drawing.image import Image
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from app.inspections.exports.table import Cell

WIDTHS = (
    20,
    12,
    18,
    12,
    18,
    18,
    18,
    10,
    10,
    14,
    18,
    30,
    30,
    24,
    11,
    11,
    26,
    20,
    18,
    38,
    30,
    10,
    20,
    38,
    20,
    38,
    10,
    10,
    60,
    60,
)
ROW_HEIGHT = 94
"""Of a row with a picture of 120 pixels a side, in points."""

PICTURE_WIDTH = 17
"""Of its column, in characters."""

_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Spreadsheet:
    """An XLSX file that grows row by row, in a temporary file of openpyxl's, and can be filtered by each column.

    With a heading for pictures these stand in one more column, the last.
    """

    def __init__(self, headings: Sequence[str], made_by: str, pictures: str | None = None) -> None:
        headings = [*headings, pictures] if pictures else headings
        self._workbook = Workbook(write_only=True)
        self._workbook.properties.creator = _NOT_IN_XML.sub("", made_by)
        self._sheet = self._workbook.create_sheet("Haja")
        self._sheet.freeze_panes = "A2"
        for place, width in enumerate([*WIDTHS, PICTURE_WIDTH][: len(headings)], 1):
            self._sheet.column_dimensions[get_column_letter(place)].width = width
        self._sheet.append([self._cell(heading, bold=True) for heading in headings])
        self._last_column = get_column_letter(len(headings))
        self._rows = 1

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            self._rows += 1
            self._sheet.append([self._cell(cell) for cell in row])

    def add_with_picture(self, row: Sequence[Cell], jpeg: bytes | None) -> None:
        """Add a row, and a picture of at most 120 pixels a side at its end."""
        self._sheet.row_dimensions[self._rows + 1].height = ROW_HEIGHT
        self.add([row])
        if jpeg is not None:
            self._sheet.add_image(Image(io.BytesIO(jpeg)), f"{self._last_column}{self._rows}")

    def end(self) -> bytes:
        """The file; also removes the temporary one, so it must be called whatever happened."""
        self._sheet.auto_filter.ref = f"A1:{self._last_column}{self._rows}"
        file = io.BytesIO()
        self._workbook.save(file)
        return file.getvalue()

    def _cell(self, value: Cell, *, bold: bool = False) -> WriteOnlyCell:
        cell = WriteOnlyCell(self._sheet, _NOT_IN_XML.sub("", value) if isinstance(value, str) else value)
        if isinstance(value, str):
            cell.data_type = "s"  # openpyxl takes what begins with = for a formula
            cell.quotePrefix = True  # and so would Excel, once the cell is edited
        if bold:
            cell.font = Font(bold=True)
        return cell
