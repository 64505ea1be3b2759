"""Errors of jobs."""

from http import HTTPStatus

from app.errors import HajaError


class JobNotFound(HajaError):
    """No job has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "job-not-found"
    sentence = "There is no job with this id: it was deleted, or finished more than 30 days ago."


class TooManyBatchPhotos(HajaError):
    """More photos than a batch may have."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "too-many-photos"


class NoPhotos(HajaError):
    """A batch without photos."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "no-photos"


class TooManyFollowers(HajaError):
    """More callers follow jobs than the service has places for."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-followers"
    sentence = (
        "As many as can be are following jobs, or as many as one key may: ask GET /v1/jobs/{job_id} now and then."
    )
    retry_after_s = 5
