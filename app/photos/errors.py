"""What can be wrong with a request about a kept photo."""

from http import HTTPStatus

from app.errors import HajaError
from app.photos.regions import MAX_REGIONS


class TooManyRegions(HajaError):
    """More regions than a photo may have."""

    status = HTTPStatus.CONFLICT
    code = "too-many-regions"
    sentence = f"This photo has {MAX_REGIONS} regions already, and no photo has more: move one of them instead."


class PhotoNotFound(HajaError):
    """No photo with this id is kept."""

    status = HTTPStatus.NOT_FOUND
    code = "photo-not-found"
    sentence = "There is no photo with this id; it may have been removed with its last use."
