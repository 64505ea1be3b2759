"""The history to take away: CSV, XLSX and inspection reports as PDF."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from starlette.types import Send

from app.access.requirements import ask_again, needs
from app.acting import Role, acting_as
from app.api.dependencies import Lang, of_app
from app.api.problems import documented
from app.api.uploads import form_with
from app.errors import (
    BodyTooSlow,
    DatabaseUnavailable,
    DecoderUnavailable,
    QueueFull,
    RequestTooLarge,
    StorageFull,
    Unauthenticated,
)
from app.inspections.exports.errors import ExportTooLarge, ReportNotFinished, ReportNotFound, TooManyReports
from app.inspections.exports.report import ReportService
from app.inspections.exports.schemas import ReportForm, ReportFormat, ReportOut
from app.inspections.exports.service import ExportService
from app.inspections.filters import Filter
from app.photos import reading

router = APIRouter(prefix="/v1", tags=["classifications"])

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
    "/classifications/export.csv",
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
    "/classifications/export.xlsx",
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


@router.post(
    "/reports",
    status_code=202,
    responses=documented(
        ExportTooLarge,
        TooManyReports,
        QueueFull,
        *reading.ERRORS.values(),
        RequestTooLarge,
        BodyTooSlow,
        DecoderUnavailable,
        DatabaseUnavailable,
        StorageFull,
    ),
    openapi_extra=form_with("logo", is_required=False),
    dependencies=[needs(Role.INSPECTOR)],
)
async def begin_report(
    reports: Reports,
    wanted: Filter,
    form: Annotated[ReportForm, Form()],
    request: Request,
    format_: Annotated[
        ReportFormat, Query(alias="format", description="`xlsx`: the table with a small photo in each row.")
    ] = "pdf",
    lang: Lang = "ko",
    time_zone: TimeZone = UTC_ZONE,
    logo: Annotated[UploadFile | None, File(description="For the title page: JPEG, PNG, WebP or HEIF.")] = None,
) -> ReportOut:
    """Begin to make a PDF of what is filtered: title page, summary, each photo with heat map, the inspector's word.

    At most 1,000 photos. Reports are made one after the other; heat maps are drawn by the catalog as it is then.
    """
    return await reports.begin(format_, wanted, lang, time_zone, form.title, logo, partial(ask_again, request))


@router.get(
    "/reports/{report_id}",
    responses=documented(ReportNotFound, DatabaseUnavailable),
    dependencies=[needs(Role.INSPECTOR)],
)
async def get_report(report_id: UUID, reports: Reports) -> ReportOut:
    """How far a report is; only for whoever asked for it."""
    return reports.get(report_id)


@router.get(
    "/reports/{report_id}/file",
    response_class=Response,
    responses={
        200: {"content": {PDF: {}, XLSX: {}}, "description": "A PDF or an XLSX file, as it was asked for."},
        **documented(ReportNotFound, ReportNotFinished, DatabaseUnavailable),
    },
    dependencies=[needs(Role.INSPECTOR)],
)
async def get_report_file(report_id: UUID, reports: Reports) -> FileResponse:
    """The file of a finished report; only for whoever asked for it, until newer reports need its place."""
    path = reports.file(report_id)
    is_pdf = path.suffix == ".pdf"
    return FileResponse(path, media_type=PDF if is_pdf else XLSX, headers=_download(path.suffix[1:]))


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
