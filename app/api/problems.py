"""How an error is answered: one shape for all (RFC 9457, application/problem+json)."""

import errno
import uuid
from collections.abc import Mapping
from http import HTTPMethod, HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from app.errors import (
    AddressTooLong,
    BadRequest,
    CsrfTokenInvalid,
    DeadlineExceeded,
    ForeignPage,
    HajaError,
    HeadersTooLarge,
    HeadTooSlow,
    HostRefused,
    RequestInvalid,
    RoleInsufficient,
    ServiceBusy,
    StorageFull,
    TooManyConnections,
    TooManyRequests,
    Unauthenticated,
)


class Problem(BaseModel):
    """What is wrong, for a program (`code`) and for a person (`detail`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "code": "catalog-not-found",
                "detail": "There is no catalog named 'roofs'. GET /v1/catalogs lists them.",
                "request_id": "0199c2a5b7f07cc3",
            }
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="Stable: programs may depend on it.")
    detail: str = Field(description="A sentence that says what to do.")
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = Field(
        None, description="Each field or photo that is at fault, where there are several."
    )


def answer(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> JSONResponse:
    """Put a problem into a response."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=request_id(),
        errors=errors,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/problem+json",
    )


def answer_error(error: HajaError) -> JSONResponse:
    """Put an error into a response."""
    return answer(error.status_code, error.code, error.detail, error.headers, error.errors)


def answer_unexpected() -> JSONResponse:
    """Put into a response that the service is at fault; what went wrong stays in the log."""
    return answer(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "The service failed in a way that it did not expect. Tell its operator the request_id.",
    )


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem+json."""

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls this for nothing else
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC:
            error = StorageFull()  # FastAPI calls it a bad request that an upload found no room
        if isinstance(error, HajaError):
            return answer_error(error)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error.headers = {"Allow": ", ".join(sorted(_methods(request) | _allowed(error)))}
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return answer(error.status_code, code, _SENTENCES.get(error.status_code, f"{error.detail}."), error.headers)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        faults = [
            {"field": ".".join(str(part) for part in fault["loc"]), "fault": fault["msg"]} for fault in error.errors()
        ]
        detail = "; ".join(f"{fault['field']}: {fault['fault']}" for fault in faults)
        return answer(
            HTTPStatus.UNPROCESSABLE_ENTITY, RequestInvalid.code, f"The request does not fit: {detail}.", errors=faults
        )

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)


_SENTENCES = {
    400: "The request cannot be read: it is no HTTP, or its body is damaged or not what its Content-Type says.",
    404: "There is nothing at this address. /docs lists what there is.",
    405: "This address does not take that method. /docs lists what it takes.",
}


def _methods(request: Request) -> set[str]:
    """What the routes of the address take; Starlette would name the methods of the first one alone."""
    # A mounted app has moved the root to itself; it alone knows what it takes, and says so in its error.
    scope = {**request.scope, "root_path": request.scope.get("app_root_path", "")}
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    return {
        method
        for method in HTTPMethod
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    }


def _allowed(error: HTTPException) -> set[str]:
    allowed = (error.headers or {}).get("Allow", "")
    return set(allowed.split(", ")) - {""}


def new_request_id() -> str:
    """An id for a request."""
    return uuid.uuid4().hex[:16]


def request_id() -> str | None:
    """The id of the request that is worked on."""
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found


EVERYWHERE: tuple[type[HajaError], ...] = (
    BadRequest,
    Unauthenticated,
    ForeignPage,
    HostRefused,
    RoleInsufficient,
    CsrfTokenInvalid,
    TooManyRequests,
    HeadTooSlow,
    AddressTooLong,
    RequestInvalid,
    HeadersTooLarge,
    ServiceBusy,
    TooManyConnections,
    DeadlineExceeded,
)
"""What any request may be answered, because it happens before its endpoint is known or around it."""


_RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer", "minimum": 1}}
}


def documented(*errors: type[HajaError]) -> dict[int | str, dict[str, Any]]:
    """The errors of an endpoint for the API page, by status; those of `EVERYWHERE` are among them."""
    responses: dict[int | str, dict[str, Any]] = {}
    every = (*EVERYWHERE, *errors)
    for status in sorted({error.status.value for error in every}):
        kinds = [error for error in every if error.status.value == status]
        responses[status] = {
            "description": " ".join(f"`{kind.code}`: {kind.__doc__}" for kind in kinds),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in _TEMPORARY:
            responses[status]["headers"] = _RETRY_AFTER
    return responses


_TEMPORARY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def with_problem_schema(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schema that `documented` refers to; FastAPI adds only those of answers in plain JSON."""
    document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
    return document
