"""What the head of a request says of its body."""

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

OPERATIONS = frozenset({"/livez", "/readyz", "/metrics"})
"""The addresses of `app.server.health`, which are asked every few seconds, and must answer when nothing else does."""


def has_body(scope: Scope) -> bool:
    """Whether a body comes, though it may be empty."""
    return scope["type"] == "http" and any(
        name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"]
    )


def declared_bytes(scope: Mapping[str, Any]) -> int | None:
    """The length of the body, or None where it comes in chunks; the server lets nobody send more than he says."""
    declared = dict(scope["headers"]).get(b"content-length", b"")
    return int(declared) if declared.isdigit() else None


def expects_continue(scope: Mapping[str, Any]) -> bool:
    """Whether the body comes only when it is asked for; nobody knows what comes after an answer instead."""
    expected: bytes = dict(scope["headers"]).get(b"expect", b"")
    return expected.lower() == b"100-continue"


def is_form(scope: Scope) -> bool:
    """Whether it is a form, as photos come in."""
    return media_type(scope).startswith(b"multipart/form-data")


def media_type(message: Mapping[str, Any]) -> bytes:
    """What a request or an answer says it is, in lower case; empty where it does not say."""
    found: bytes = dict(message["headers"]).get(b"content-type", b"")
    return found.lower()
