"""Fields that several slices take: texts, names, times; and the base of a PATCH."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

_HIDDEN = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
"""Characters that cannot be shown: control characters but for line breaks and tabs."""


def _one_form(value: object) -> object:
    # A form sends a line break as two characters.
    return (
        unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n"))
        if isinstance(value, str)
        else value
    )


def _readable(value: str) -> str:
    if re.search(f"[{_HIDDEN}\ud800-\udfff]", value):
        raise ValueError("it holds characters that cannot be shown")
    return value.strip()


def _named(value: str) -> str:
    if not value:
        raise ValueError("it is empty")
    return value


OneForm = BeforeValidator(_one_form)
"""So that a length counts what is stored."""

Readable = AfterValidator(_readable)

READABLE: dict[str, JsonValue] = {"pattern": f"^[^{_HIDDEN}]*$"}


Title = Annotated[str, OneForm, Field(max_length=200, json_schema_extra=READABLE), Readable]

Description = Annotated[str, OneForm, Field(max_length=4000, json_schema_extra=READABLE), Readable]

ClassName = Annotated[
    str,
    OneForm,
    Field(
        max_length=100,
        json_schema_extra={"minLength": 1, "pattern": rf"^[^{_HIDDEN}]*[^{_HIDDEN}\s][^{_HIDDEN}]*$"},
    ),
    Readable,
    AfterValidator(_named),
]

CatalogSlug = Annotated[
    str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,62}$", description="Stands in addresses: a-z, 0-9, _ and -.")
]


def never_null(schema: dict[str, Any]) -> None:
    """Say that a field of a form may be missing: a form has no word for null."""
    schema.update(schema.pop("anyOf")[0])


class Patch(BaseModel):
    """Only the fields that are sent change."""

    model_config = ConfigDict(extra="forbid")

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return self.model_dump(exclude_unset=True)


def _utc(moment: datetime) -> datetime:
    # So that no zone carries it beyond what a datetime can say.
    if not 1 < moment.year < 9999:  # noqa: PLR2004
        raise ValueError("its year is not between 2 and 9998")
    return moment.astimezone(UTC)


def _written(value: object) -> object:
    # Pydantic would take a number as seconds or milliseconds since 1970, whichever it looks like.
    if isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"\s*[+-]?[\d._]+\s*", value)):
        raise ValueError("it is no time in the form of ISO 8601, such as 2026-11-22T09:30:00+09:00")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_utc)]

ActorId = Annotated[
    UUID | None,
    Field(description="The API key; null on the command line, while the service had none, and where it is unknown."),
]
ActorName = Annotated[
    str,
    Field(description="Who did it, by the key's name at that time; `unknown` before Haja kept that."),
]
