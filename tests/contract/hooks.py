"""What schemathesis cannot read from the OpenAPI document: which bytes are photos, and which zones there are."""

import zoneinfo
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure

from tests.drawn import KINDS, encode, photo, pixels

_GOOD = [
    *(photo(kind, seed) for seed in range(3) for kind in KINDS),
    encode(pixels("crack", 4), "PNG"),
    encode(pixels("rust", 4), "WEBP"),
]
_BAD = [b"", photo()[:2000], b"%PDF-1.7 no photo", b"\xff\xd8\xff" + bytes(500)]

BEYOND_SCHEMAS = {
    "photo-empty", "photo-damaged", "photo-type-unsupported", "no-usable-photo", "idempotency-key-reused",
    "feedback-incomplete", "choice-incomplete",
    "export-too-large",
}  # fmt: skip
"""Refusals of requests that fit: no schema says that a file is a photo, a key new, two fields apt, a history short."""

for name in ("image/jpeg", "image/png", "image/webp", "image/heif"):
    schemathesis.openapi.media_type(name, st.sampled_from(_GOOD) | st.sampled_from(_GOOD + _BAD))

schemathesis.openapi.format("zoneinfo", st.sampled_from(sorted(zoneinfo.available_timezones())))


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext,  # noqa: ARG001 - schemathesis calls by name
    case: schemathesis.Case[Any],
    kwargs: dict[str, Any],  # noqa: ARG001
) -> None:
    """Make one file of a field that takes several a list, without which schemathesis sends it as a text."""
    body: Any = case.body
    if isinstance(body, dict) and isinstance(body.get("photos"), bytes):
        first = body["photos"]
        body["photos"] = [first, *_GOOD[: len(first) % 3]]


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,  # noqa: ARG001 - schemathesis passes by position
    failure: Failure,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Whether it is one."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData" and case.meta is not None:
        # A file of ours in the place of what was wrong with a file: schemathesis itself then says that nothing is.
        return case.meta.phase.data.description != "Positive test case"
    if kind != "RejectedPositiveData" or response.status_code not in {413, 415, 422}:
        return True
    # Beside a file of ours, schemathesis fills a required text with nothing, whatever its schema says.
    is_nameless = isinstance(case.body, dict) and case.body.get("name") == ""
    return not is_nameless and response.json()["code"] not in BEYOND_SCHEMAS
