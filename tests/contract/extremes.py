"""Extremes of every field of an OpenAPI document: the far ends of texts, numbers and dates, and what is neither."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

PHOTO_KINDS = ("binary", "application/octet-stream")
"""By which format or media type a schema says that a text is a file."""

DATABASE_TEXTS = ("a\0b", "\ud800", "9" * 5000)
"""What a database may have no place for."""

TEXTS = (
    *DATABASE_TEXTS,
    "", " ", "\x1b[31m", "\x85", "\u202ea", "\U0010ffff", "가" * 2500, "../../etc/passwd", "-1", "1e999", "nan",
    "9999-12-31",
)  # fmt: skip
"""What any field is sent, whatever it is for."""

MORE_TEXTS = (
    *TEXTS, "\0", "\u2028", "\ufffe", "a\udfff", "İ" * 200, "%00", "null",
    "\x01", "\x07", "\x0b", "\x1f", "\x7f", "\x9f", "a\nb", "\r\n", "\ufeff", "\uffff", "\ufdd0",
    "e\u0301" * 100, "ﷺ" * 100, "a" * 30_000, "\u0336" * 300, "true", "[]", "{}", "$where", "'; DROP TABLE photos;--",
    "NaN", "Infinity", "-inf", "0x10", "1_000", "١٢٣", "²", "1e308", "5e-324", "-0.0", "0.1" + "0" * 400, "1" * 310,
    "2" * 20, str(2**31), str(2**63), str(-(2**63) - 1), str(2**64), "1.5", "+1", " 1 ", "1e3",
    "0001-01-01", "0000-00-00", "10000-01-01", "-0001-01-01", "2026-02-30", "2026-W01-1", "1" * 12, "٢٠٢٦-٠١-٠١",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-01-01T24:00:00Z", "2026-06-30T23:59:60Z",
    "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00+00:00:01", "2026-01-01", "2026-01-01T00:00:00",
    "Asia", "posixrules", "/etc/localtime", "Asia/Seoul/", "utc", "a/" * 500, "x" * 300, "+19:59", "-99:99",
    "urn:uuid:" + "0" * 32, "{" + "0" * 32 + "}", "f" * 32, "0" * 64, "A" * 22, "_" * 22, "-" * 22,
)  # fmt: skip

OF_FORMAT = {
    "date-time": (
        "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00-23:59", "0002-01-01T00:00:00+23:59",
        "9998-12-31T23:59:59.999999-23:59", "9999-12-31T23:59:59.999999-23:59", "9999-12-31T23:59:59+00:00",
        "2026-01-01T00:00:00", "0", "1e20", "253402300800", "2026-01-01T00:00:00+99:99",
    ),
    "date": ("0001-01-01", "0002-01-02", "9998-12-29", "9998-12-30", "10000-01-01", "0", "2026-02-30", "253402300800"),
    "uuid": ("0" * 32, "00000000-0000-0000-0000-000000000000", "f" * 32, "{" + "f" * 32 + "}", "urn:uuid:" + "f" * 32),
    "zoneinfo": ("Asia", "posixrules", "/etc/localtime", "UTC/x", "a/" * 500, "x" * 300, "tzdata.zi", "Factory"),
    "zone": ("+19:59", "-19:59", "+20:00", "+00:00"),
    "email": ("a\0@b.example", "a@b\x1b.example", "@".join("ab" * 200), "İ@b.example"),
}  # fmt: skip
"""What fields are sent beside it for what they are: by the formats of schemas, and by the names of two fields."""

NUMBERS = (
    "0", "-1", "-0.0", "1e308", "-1e308", "5e-324", "1.5", str(2**31), str(2**63), str(-(2**63) - 1), str(2**64),
    "1" * 310, "NaN", "Infinity", "-Infinity",
)  # fmt: skip

JSON = (
    "null", "true", "0", "-1", str(2**63), "1" * 310, "1" * 5000, "1e999", "-1e999", "NaN", "[]", "{}", "[[]]",
    '"\\ud800"', '"\\u0000"', '{"\\ud800": "\\udfff"}', '{"\\u0000": "admin"}', '{"": ""}', "[" * 20_000,
)  # fmt: skip
"""What a field of a JSON body may be sent, as it stands there."""

BODIES = (
    b"", b"\0", b"null", b"[]", b"{}", b'"', b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"\\ud800": 1}', b'{"\\u0000": 1}',
    b'{"": 1}', b'{"a\\nb\\u001b[31m": 1}', b"[" * 50_000, b'{"a":' * 15_000, b"1" * 50_000, b"NaN",
    b'{"name": "\xff"}',
)  # fmt: skip
"""What a whole JSON body may be."""

CONTENT_TYPES = (
    "", "text/plain", "application/json; charset=utf-16", "application/json; charset=undefined", "multipart/form-data",
    "multipart/form-data; boundary=", "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "x" * 5000,
    "multipart/form-data; boundary=\xff", "multipart/form-data; boundary=b; charset=undefined",
    "multipart/form-data; boundary=b; charset=unicode_escape", "multipart/form-data; boundary=b; charset=hex",
    "application/x-www-form-urlencoded; charset=idna", "application/x-www-form-urlencoded", "/", ";;;", "a" * 5000,
)  # fmt: skip
"""What a body may be said to be."""


@dataclass(frozen=True, eq=False)
class Field:
    """One field of an operation. `place` is path, query, header, cookie, or the media type of the body."""

    place: str
    name: str
    schema: dict[str, Any]
    is_required: bool

    @property
    def formats(self) -> set[str]:
        """Its name, and what its schema says of the values that fit."""
        each = [self.schema, *self.schema.get("anyOf", []), self.schema.get("items", {})]
        said = (part.get(kind) for part in each for kind in ("format", "contentMediaType", "type"))
        return {self.name, *filter(None, said)}

    @property
    def is_file(self) -> bool:
        """Whether photos are sent in it."""
        return not self.formats.isdisjoint(PHOTO_KINDS)

    def extremes(self, texts: Sequence[str]) -> Iterator[str]:
        """These texts and what is extreme for what it is; in a JSON body, as they stand there."""
        sent = [*texts, *(text for kind in sorted(self.formats & OF_FORMAT.keys()) for text in OF_FORMAT[kind])]
        if not self.formats.isdisjoint({"integer", "number"}):
            sent += NUMBERS
        if self.place != "application/json":
            yield from dict.fromkeys(sent)
            return
        yield from dict.fromkeys(json.dumps(text) for text in sent)
        yield from dict.fromkeys([*JSON, *(NUMBERS if "number" in self.formats else ())])


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of the document with its fields."""

    id: str
    method: str
    path: str
    fields: tuple[Field, ...]

    @property
    def body(self) -> str | None:
        """The media type of its body, if it takes one."""
        return next((field.place for field in self.fields if "/" in field.place), None)


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation of a document; those that change or remove what others ask for come last."""
    found = [
        Operation(said["operationId"], method.upper(), path, tuple(_fields(document, said)))
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]
    return sorted(found, key=lambda each: ["GET", "POST", "PATCH", "DELETE"].index(each.method))


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[Field]:
    for said in operation.get("parameters", []):
        yield Field(said["in"], said["name"], _resolved(document, said["schema"]), said.get("required", False))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(document, content["schema"])
        for name, said in schema["properties"].items():
            yield Field(media_type, name, _resolved(document, said), name in schema.get("required", ()))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def in_address(text: str) -> str:
    """A text as a part of an address; halves of surrogate pairs as a careless program writes them."""
    return quote(text, safe="", errors="surrogatepass")
