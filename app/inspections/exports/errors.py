"""What can be wrong with taking the history away."""

from http import HTTPStatus

from app.errors import HajaError


class ExportTooLarge(HajaError):
    """More classifications than this kind of file takes."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "export-too-large"


class TooManyReports(HajaError):
    """As many reports as are kept wait to be made."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-reports"
    sentence = "Many reports wait to be made: ask again when some of them are finished."
    retry_after_s = 30


class ReportNotFound(HajaError):
    """Whoever asks has no report with this id."""

    status = HTTPStatus.NOT_FOUND
    code = "report-not-found"
    sentence = (
        "There is no report with this id that you asked for: newer ones took its place, or the service was started "
        "again. Ask for it anew."
    )


class ReportNotFinished(HajaError):
    """The file is not there yet."""

    status = HTTPStatus.CONFLICT
    code = "report-not-finished"
    sentence = "This report is not finished, or failed: GET /v1/reports/{report_id} says how far it is."
