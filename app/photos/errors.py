"""What can be wrong with a request for a kept photo."""

from http import HTTPStatus

from app.errors import HajaError


class PhotoNotFound(HajaError):
    """No photo with this id is kept."""

    status = HTTPStatus.NOT_FOUND
    code = "photo-not-found"
    sentence = "There is no photo with this id; it may have been removed with its last use."
