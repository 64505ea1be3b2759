"""The base of every error that a caller can act on; apart from `app.errors`, since decoding processes need no web."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.exceptions import HTTPException


class HajaError(HTTPException):
    """Base of every error with a code; an HTTPException, since FastAPI lets no other through while it reads a body."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]

    def __init__(
        self, detail: str, headers: Mapping[str, str] | None = None, errors: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(self.status.value, detail, headers)
        self.errors = errors
