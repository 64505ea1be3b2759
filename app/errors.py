"""Errors that a caller can act on: the base, and those that any request may meet."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.exceptions import HTTPException


class HajaError(HTTPException):
    """Base of every error with a code; an HTTPException, since FastAPI lets no other through while it reads a body.

    `sentence` is what it says where nothing closer is known, and `retry_after_s` when another try may succeed.
    """

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    sentence: ClassVar[str] = ""
    retry_after_s: ClassVar[int | None] = None

    def __init__(
        self,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        if headers is None and self.retry_after_s is not None:
            headers = {"Retry-After": str(self.retry_after_s)}
        super().__init__(self.status.value, detail or self.sentence, headers)
        self.errors = errors


class StartError(Exception):
    """The service cannot start; the message says what to do."""


class RequestInvalid(HajaError):
    """The request does not fit; `errors` says why, field by field."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "request-invalid"


class BadRequest(HajaError):
    """It cannot be read: it is no HTTP, or its body is damaged or not what its Content-Type says."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad-request"


class ForeignPage(HajaError):
    """A page of another site sent the request through a visitor's browser."""

    status = HTTPStatus.FORBIDDEN
    code = "foreign-page"


class RequestTooLarge(HajaError):
    """More bytes than a request may have."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "request-too-large"


class HeadTooSlow(HajaError):
    """Its address and headers did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "head-too-slow"
    sentence = "The request's address and headers did not arrive in time: send it again."


class BodyTooSlow(HajaError):
    """Its body paused for too long or came too slowly."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "body-too-slow"
    sentence = "The request's body came too slowly, so nothing was stored: send it again, or smaller photos."


class AddressTooLong(HajaError):
    """Its address is longer than any that means something here."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG
    code = "address-too-long"
    sentence = "The request's address is too long: leave conditions out."


class HeadersTooLarge(HajaError):
    """More headers, or longer ones, than a request may have."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    code = "headers-too-large"
    sentence = "The request's headers are too many or too large: drop cookies and headers of your own."


class CursorInvalid(HajaError):
    """A list's cursor that this service did not give out."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "cursor-invalid"


class QueueFull(HajaError):
    """More photos than the service takes in at a time."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "queue-full"
    sentence = "The service is busy with other photos: send this request again in a second."
    retry_after_s = 1


class ServiceBusy(HajaError):
    """More requests than the service works on at a time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "service-busy"
    sentence = "The service works on as many requests as it can: send this one again in a second."
    retry_after_s = 1


class TooManyConnections(HajaError):
    """More connections than the service keeps open."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "too-many-connections"
    sentence = "As many callers as can be served are connected: try again in a second."
    retry_after_s = 1


class DeadlineExceeded(HajaError):
    """The service took too long over it, and gave up."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "deadline-exceeded"
    sentence = (
        "The service gave this request up because it took too long, and something of it may have been stored: send "
        "it again with the same Idempotency-Key, or ask for less at a time."
    )
    retry_after_s = 5


class EmbedderUnavailable(HajaError):
    """The embedder failed on this photo or stopped."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "embedder-unavailable"
    retry_after_s = 5


class DecoderUnavailable(HajaError):
    """No process that decodes photos can be started."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "decoder-unavailable"
    sentence = (
        "The service cannot start a process that decodes photos, so nothing was stored: try again in a few "
        "seconds. Its log says why."
    )
    retry_after_s = 5


class HeatmapUnavailable(HajaError):
    """The service's network has no features by place."""

    # Not 409: nothing that the caller could change stands against it.
    status = HTTPStatus.NOT_IMPLEMENTED
    code = "heatmap-unavailable"


class DatabaseUnavailable(HajaError):
    """The database is locked, gone or out of reach."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "database-unavailable"
    sentence = "The database cannot be reached or is locked, so nothing was stored: try again in a few seconds."
    retry_after_s = 5


class OutcomeUnknown(DatabaseUnavailable):
    """The database went away before it said whether the change is stored."""

    sentence = (
        "The database went away while it stored this, so it may be there or not: send the same request again with "
        "the same Idempotency-Key, or look first."
    )


class SchemaChanged(HajaError):
    """Another version of Haja has migrated the database while this one runs."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "schema-changed"
    sentence = (
        "The database was migrated for another version of Haja while this one runs: restart the service with that "
        "version."
    )
    retry_after_s = 60


class StorageUnavailable(HajaError):
    """The object storage that keeps the photos is out of reach or refuses."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "storage-unavailable"
    retry_after_s = 5

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The object storage for photos cannot be used, so nothing was stored: {reason}. Try again in a few "
            "seconds."
        )
        self.reason = reason


class StorageFull(HajaError):
    """No room left for the photo."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "storage-full"
    sentence = "The service has no disk space left, so nothing was stored. Its operator must make room."


class Unauthenticated(HajaError):
    """No valid API key or session came with the request."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthenticated"
    sentence = "Send an API key that is valid, as `Authorization: Bearer haja_...`, or sign in at /sign-in."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class RoleInsufficient(HajaError):
    """The API key or session may not do this here."""

    status = HTTPStatus.FORBIDDEN
    code = "role-insufficient"


class CatalogNotFound(HajaError):
    """No catalog has this name."""

    status = HTTPStatus.NOT_FOUND
    code = "catalog-not-found"

    @classmethod
    def named(cls, name: str) -> "CatalogNotFound":
        """Of somebody who asks by a name."""
        return cls(f"There is no catalog named {name!r}. GET /v1/catalogs lists them.")


class CsrfTokenInvalid(HajaError):
    """A request with a session's cookie lacks the session's token."""

    status = HTTPStatus.FORBIDDEN
    code = "csrf-token-invalid"
    sentence = "The header X-CSRF-Token is not the one of this session, so nothing was done: load the page again."


class HostRefused(HajaError):
    """A service without keys was reached by another name than this machine's own."""

    status = HTTPStatus.FORBIDDEN
    code = "host-refused"
    sentence = (
        "This service asks nobody for a key, so it answers on its own machine only, as localhost: make a key with "
        "`haja keys create` to open it to others."
    )


class TooManyRequests(HajaError):
    """More requests in a minute than one key may make."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-requests"

    def __init__(self, per_minute: int, wait_s: int) -> None:
        super().__init__(
            f"This key has made its {per_minute} requests of a minute: go on in {wait_s} s.",
            {"Retry-After": str(wait_s)},
        )
