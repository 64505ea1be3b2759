"""What an inspector adds to a photo: where and when it was taken, and a note."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.api.fields import READABLE, OneForm, Patch, Readable, never_null
from app.errors import RequestInvalid

_TAKEN_AT_LENGTH = 32


def _one_line(value: object) -> object:
    if isinstance(value, str) and re.search(r"[\n\r\t]", value):
        raise ValueError("it has more than one line, or tabs")
    return value


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        moment = None
    # fromisoformat takes a day without a time as midnight, and zones to the microsecond.
    if moment is None or not any(sign in value for sign in "T: ") or len(moment.isoformat()) > _TAKEN_AT_LENGTH:
        raise ValueError("it is no time in the form of ISO 8601, such as 2026-11-22T09:30:00+09:00")
    return moment.isoformat()


SEPARATOR = " / "
"""Between the levels of a place: site, building, floor, unit, room, or whatever a site has."""


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    return SEPARATOR.join(level for level in re.split(r"\s*/\s*", value.strip()) if level)


Status = Literal["open", "fixed", "checked", "dismissed"]

Place = Annotated[
    str,
    BeforeValidator(_path),
    BeforeValidator(_one_line),
    OneForm,
    Field(max_length=200, json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}),
    Readable,
]
Note = Annotated[str, OneForm, Field(max_length=2000, json_schema_extra=READABLE), Readable]
Moment = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


TOGETHER: dict[str, Any] = {"dependentRequired": {"latitude": ["longitude"], "longitude": ["latitude"]}}
"""What the form's schema says of coordinates."""


class SiteNotes(BaseModel):
    """The text fields of a classification. Time and coordinates, where given, win over what the photo's file says."""

    place: Place = Field("", description="Where on the site, one line; ` / ` stands between levels, the largest first.")
    note: Note = ""
    taken_at: Moment | None = Field(
        None,
        description="ISO 8601, zone or not; wins over EXIF, which a phone that shrinks photos drops.",
        json_schema_extra=never_null,
    )
    latitude: Latitude | None = Field(
        None, description="Degrees, WGS 84; only with `longitude`.", json_schema_extra=never_null
    )
    longitude: Longitude | None = Field(
        None, description="Degrees, WGS 84; only with `latitude`.", json_schema_extra=never_null
    )

    def require_both_coordinates(self) -> None:
        """Raises `RequestInvalid` for half a pair."""
        if (self.latitude is None) != (self.longitude is None):
            missing = "latitude" if self.latitude is None else "longitude"
            fault = "latitude and longitude come together or not at all"
            raise RequestInvalid(
                f"The request does not fit: body.{missing}: {fault}.",
                errors=[{"field": f"body.{missing}", "fault": fault}],
            )


class SiteNotesChange(Patch):
    """What an inspector writes differently afterwards."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"place": "101동 / 3층 / 거실", "note": "Wet after rain"}}
    )

    place: Place = ""
    note: Note = ""
    status: Status = Field("open", description="Whether the defect is put right.")
