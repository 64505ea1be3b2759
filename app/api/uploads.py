"""What endpoints that take photos have in common."""

from enum import Enum
from typing import Annotated, Any

from fastapi import File, UploadFile
from fastapi.routing import APIRoute

PhotoFiles = Annotated[list[UploadFile], File(description="1 to 50 photos: JPEG, PNG, WebP or HEIF.")]


PHOTO_TYPES = "image/jpeg, image/png, image/webp, image/heif"


def form_with(field: str, schema: dict[str, Any] | None = None, *, is_required: bool = True) -> dict[str, Any]:
    """What FastAPI does not say of a form: the media types of the files in `field`, what `schema` adds, and whether
    the whole form may be left out.
    """
    form = {"encoding": {field: {"contentType": PHOTO_TYPES}}, "schema": schema or {}}
    return {"requestBody": {"content": {"multipart/form-data": form}, "required": is_required}}


class BodyKind(Enum):
    """What a route does with a body."""

    TEXT = "no photos in it"
    FORM = "photos, read when all of them have come"
    BATCH = "photos, stored while they come"


def body_kind(route: object) -> BodyKind:
    """What a route takes, as it says in the API's document; TEXT also of what is no route."""
    if not isinstance(route, APIRoute):
        return BodyKind.TEXT
    declared = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
    if "multipart/form-data" not in declared:
        return BodyKind.TEXT
    # Where FastAPI is told of no field, it reads nothing, and the endpoint does.
    return BodyKind.BATCH if route.body_field is None else BodyKind.FORM


def flatten_forms(document: dict[str, Any]) -> None:
    """Give each form one flat schema in place of a model's beside the files, which generators of clients lose."""
    schemas = document["components"]["schemas"]
    for form in [schema for name, schema in schemas.items() if name.startswith("Body_") and "allOf" in schema]:
        for part in form.pop("allOf"):
            fields = schemas.pop(part["$ref"].rpartition("/")[2])
            form["properties"] |= fields["properties"]
            form["required"] = [*form.get("required", []), *fields.get("required", [])]
