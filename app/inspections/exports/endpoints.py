"""The history to take away: CSV, XLSX and an inspection report as PDF."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from app.access.requirements import ask_again, needs
from app.acting import Role, acting_as
from app.api.dependencies import Lang, of_app
from app.api.problems import documented
from app.errors import (
    DatabaseUnavailable,
    DecoderUnavailable,
    EmbedderUnavailable,
    QueueFull,
    StorageFull,
    StorageUnavailable,
    Unauthenticated,
)
from app.inspections.exports.report import ReportService
from app.inspections.exports.service import ExportService, ExportTooLarge
from app.inspections.filters import Filter

router = APIRouter(prefix="/v1/classifications", tags=["classifications"])

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"

TimeZone = Annotated[
    ZoneInfo, Query(description="IANA name of the zone in which times of answers stand, such as `Asia/Seoul`.")
]
UTC_ZONE = ZoneInfo("UTC")


Exports = Annotated[ExportService, of_app("export_service")]


Reports = Annotated[ReportService, of_app("report_service")]


@router.get(
    "/export.csv",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {}}, "description": "UTF-8 with a byte order mark, so that Excel shows Korean."},
        **documented(DatabaseUnavailable, StorageFull),
    },
    dependencies=[needs(Role.INSPECTOR)],
)
async def export_csv(
    exports: Exports, wanted: Filter, request: Request, lang: Lang = "ko", time_zone: TimeZone = UTC_ZONE
) -> StreamingResponse:
    """What is filtered as CSV, newest first, however much it is.

    A text that a spreadsheet would read as a formula begins with an apostrophe.
    """
    pieces = exports.csv(wanted, lang, time_zone)
    first = await anext(pieces)  # errors come before the answer has begun

    async def every() -> AsyncIterator[bytes]:
        piece: bytes | None = first
        while piece is not None:
            yield piece
            with acting_as(await ask_again(request)):
                piece = await anext(pieces, None)

    return _Table(every(), media_type=CSV, headers=_download("csv"))


@router.get(
    "/export.xlsx",
    response_class=Response,
    responses={
        200: {"content": {XLSX: {}}, "description": "An XLSX file."},
        **documented(ExportTooLarge, DatabaseUnavailable, StorageFull),
    },
    dependencies=[needs(Role.INSPECTOR)],
)
async def export_xlsx(exports: Exports, wanted: Filter, lang: Lang = "ko", time_zone: TimeZone = UTC_ZONE) -> Response:
    """What is filtered as a spreadsheet, newest first; no text in it is a formula."""
    return Response(await exports.xlsx(wanted, lang, time_zone), media_type=XLSX, headers=_download("xlsx"))


@router.get(
    "/export.pdf",
    response_class=Response,
    responses={
        200: {"content": {PDF: {}}, "description": "A PDF."},
        **documented(
            ExportTooLarge,
            QueueFull,
            DecoderUnavailable,
            EmbedderUnavailable,
            DatabaseUnavailable,
            StorageFull,
            StorageUnavailable,
        ),
    },
    dependencies=[needs(Role.INSPECTOR)],
)
async def export_report(
    reports: Reports, wanted: Filter, request: Request, lang: Lang = "ko", time_zone: TimeZone = UTC_ZONE
) -> Response:
    """What is filtered as an inspection report: each photo with heat map, answer, the inspector's word, place and time.

    Heat maps are drawn by the catalog as it is now.
    """

    async def gone() -> bool:
        await ask_again(request)
        return await request.is_disconnected()

    report = await reports.draw(wanted, lang, time_zone, gone)
    return Response(report, media_type=PDF, headers=_download("pdf"))


class _Table(StreamingResponse):
    async def stream_response(self, send: Send) -> None:
        # Without the last piece the connection breaks, so that nobody takes a part of the table for all of it.
        with suppress(Unauthenticated):
            await super().stream_response(send)


def _download(kind: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="haja-{datetime.now(UTC):%Y%m%d-%H%M%S}.{kind}"',
        "Cache-Control": "private, no-store",
    }
