"""Rows of a CSV file, in which no text is a formula for a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from app.inspections.exports.table import Cell

BOM = "\ufeff"
"""By which Excel knows that a CSV file is UTF-8."""

# What spreadsheets read as the beginning of a formula (OWASP, "CSV injection"), after spaces that some leave out.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")


def csv_rows(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Rows of a CSV file; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    csv.writer(text).writerows([_csv(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _csv(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, str):
        return f"'{cell}" if _FORMULA.match(cell) else cell
    return "" if cell is None else str(cell)
