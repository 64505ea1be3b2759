"""Regions of photos as callers write them: rectangles in fractions of the upright photo's sides."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WrapValidator, model_validator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from app.errors import RequestInvalid
from models.windows import Part, Region

MAX_REGIONS = 50
"""Of one photo."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Side = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

EXPECTED = (
    "a region is x, y, w and h in fractions of the upright photo's sides: 0 to 1, of some size, and inside the photo"
)


class RegionBox(BaseModel):
    """A rectangle of a photo, in fractions of its upright width and height."""

    model_config = ConfigDict(from_attributes=True)

    x: Fraction = Field(description="Its left edge.")
    y: Fraction = Field(description="Its upper edge.")
    w: Side = Field(description="Its width.")
    h: Side = Field(description="Its height.")

    @model_validator(mode="after")
    def _inside(self) -> "RegionBox":
        slack = 1e-3  # of those who compute in pixels and round
        if self.x + self.w > 1 + slack or self.y + self.h > 1 + slack:
            raise ValueError("it reaches beyond the photo")
        return self

    def region(self) -> Region:
        """As it is stored: to four digits, and no side of nothing."""
        x, y = min(round(self.x, 4), 0.9999), min(round(self.y, 4), 0.9999)
        return Region(
            x, y, round(min(max(self.w, 1e-4), 1 - x), 4), round(min(max(self.h, 1e-4), 1 - y), 4)
        )  # fmt: skip


def _told(value: object, check: ValidatorFunctionWrapHandler) -> RegionBox:
    """A fault of a side is little to go by without what is expected of all four."""
    try:
        box: RegionBox = check(value)
    except ValidationError as error:
        raise ValueError(f"{_of_side(*_first_fault(error))}; {EXPECTED}") from None
    return box


def _first_fault(error: ValidationError) -> tuple[tuple[int | str, ...], str]:
    """Where it is, and what."""
    first = error.errors(include_url=False, include_context=False)[0]
    return first["loc"], first["msg"].removeprefix("Value error, ")


def _of_side(at: tuple[int | str, ...], fault: str) -> str:
    return ": ".join(filter(None, (".".join(map(str, at)), fault)))


Box = Annotated[RegionBox, WrapValidator(_told)]
"""A region that is a field of a request."""


class ExampleRegion(RegionBox):
    """A region of one of the photos of a request."""

    model_config = ConfigDict(extra="forbid")

    photo: int = Field(ge=0, description="Which photo of the request, from 0.")


_Regions: TypeAdapter[list[ExampleRegion]] = TypeAdapter(list[ExampleRegion])


def read_regions(text: str, names: Sequence[str]) -> dict[int, tuple[Region, ...]]:
    """The regions of a form's field, by the place of their photo in the request; `names` are the photos' file names.

    Raises:
        RequestInvalid: the text is no JSON, or a region is none; says of which photo, and what is expected.
    """
    if not text:
        return {}
    try:
        boxes = _Regions.validate_json(text)
    except ValidationError as error:
        raise _refused(_where(error, text, names)) from None
    found: dict[int, set[Region]] = defaultdict(set)
    for box in boxes:
        if box.photo >= len(names):
            raise _refused(f"there is no photo {box.photo}: the request has {len(names)}, counted from 0")
        found[box.photo].add(box.region())
        if len(found[box.photo]) > MAX_REGIONS:
            raise _refused(f"{names[box.photo]} has more than {MAX_REGIONS} regions")
    return {photo: tuple(sorted(regions)) for photo, regions in found.items()}


def boxes_of(part: str) -> list[RegionBox]:
    """The regions of a stored part, see `models.windows.Part`."""
    return [RegionBox.model_construct(**region._asdict()) for region in Part.parse(part).regions]


def _where(error: ValidationError, text: str, names: Sequence[str]) -> str:
    """What is wrong first, and with which photo."""
    at, fault = _first_fault(error)
    if not at or not isinstance(at[0], int):
        return f"it is no JSON list of objects with photo, x, y, w and h ({fault})"
    photo = _photo_of(text, at[0])
    name = names[photo] if photo is not None and photo < len(names) else f"region {at[0]}"
    return f"{name}: {_of_side(at[1:], fault)}"


def _photo_of(text: str, place: int) -> int | None:
    """The photo that the region at this place of the list names, where that much can be read."""
    try:
        return TypeAdapter(list[_Named]).validate_json(text)[place].photo
    except ValidationError:
        return None


class _Named(BaseModel):
    photo: Annotated[int, Field(ge=0)]


def _refused(fault: str) -> RequestInvalid:
    return RequestInvalid(
        f"The request does not fit: body.regions: {fault}; {EXPECTED}.",
        errors=[{"field": "body.regions", "fault": fault}],
    )
