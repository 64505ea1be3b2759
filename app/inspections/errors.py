"""What can be wrong with a request about classifications."""

from http import HTTPStatus

from app.errors import HajaError


class CatalogEmpty(HajaError):
    """The catalog has no class with photos, so there is nothing to compare with."""

    status = HTTPStatus.CONFLICT
    code = "catalog-empty"


class ClassificationNotFound(HajaError):
    """No classification has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "classification-not-found"
    sentence = "There is no classification with this id. GET /v1/classifications lists them."


class RegionNotFound(HajaError):
    """The classification has no region with this number."""

    status = HTTPStatus.NOT_FOUND
    code = "region-not-found"
    sentence = (
        "This classification has no region with this number: GET /v1/classifications/{id} lists them, counted from 1."
    )


class FeedbackIncomplete(HajaError):
    """The verdict, the defect class and the box do not go together."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "feedback-incomplete"


class FeedbackNotFound(HajaError):
    """The classification has no feedback with this id."""

    status = HTTPStatus.NOT_FOUND
    code = "feedback-not-found"
    sentence = "This classification has no feedback with this id: it may have been taken back already."


class FeedbackNotYours(HajaError):
    """The feedback is somebody else's."""

    status = HTTPStatus.FORBIDDEN
    code = "feedback-not-yours"
    sentence = "Somebody else said this: give your own feedback, which then counts, or ask a curator."


class ChoiceIncomplete(HajaError):
    """What many answers are chosen by does not fit."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "choice-incomplete"


class BackboneChanged(HajaError):
    """The answer was given by another backbone than the catalog's."""

    status = HTTPStatus.CONFLICT
    code = "backbone-changed"
