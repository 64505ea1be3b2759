"""What can be wrong with a request about catalogs, defect classes and support photos."""

from http import HTTPStatus

from app.errors import HajaError


class DefectClassNotFound(HajaError):
    """No defect class has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "defect-class-not-found"
    sentence = "There is no defect class with this id; it may have been removed."


class SupportPhotoNotFound(HajaError):
    """No support photo has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "support-photo-not-found"
    sentence = "There is no support photo with this id; it may have been removed already."


class CatalogNameTaken(HajaError):
    """Another catalog has this name."""

    status = HTTPStatus.CONFLICT
    code = "catalog-name-taken"


class DefectClassNameTaken(HajaError):
    """Another class of the catalog has this name."""

    status = HTTPStatus.CONFLICT
    code = "defect-class-name-taken"


class DefaultCatalogProtected(HajaError):
    """The default catalog always exists under its name."""

    status = HTTPStatus.CONFLICT
    code = "default-catalog-protected"


class TooManyPhotos(HajaError):
    """More photos than one request may have."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "too-many-photos"


class NoUsablePhoto(HajaError):
    """None of the photos could be used; `errors` says why for each."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "no-usable-photo"


class BackboneSwitched(HajaError):
    """The catalog has just been switched to another backbone (`haja reembed`)."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "backbone-switched"
    sentence = (
        "The catalog was switched to another network while the photos were looked at, so nothing was stored: send "
        "this request again."
    )
    retry_after_s = 1
