"""API keys as callers see them."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.access.email import MOST, email_address
from app.access.key_names import refuse_reserved
from app.acting import Role
from app.api.fields import CatalogSlug, ClassName, Instant

MOST_GRANTS = 100

Email = Annotated[
    str,
    Field(max_length=MOST, json_schema_extra={"pattern": "^[!-?A-~]+@[!-?A-~]+$"}),
    AfterValidator(email_address),
]
"""In the form of `email_address`."""


class KeyFields(BaseModel):
    """What a key is and may do."""

    name: Annotated[ClassName, Field(description="Who or what uses it.")]
    role: Role | None = Field(None, description="In every catalog, also in those that are made later.")
    catalogs: dict[CatalogSlug, Role] = Field(
        {},
        max_length=MOST_GRANTS,
        description="In single catalogs, by name.",
        json_schema_extra={"additionalProperties": False},  # pydantic says of the names that fit only what they mean
    )
    email: str | None = Field(
        None, description="Whoever signs in with this address at the sign-in provider acts as this key."
    )


class KeyCreate(KeyFields):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid",
        # What `_say_something` says, for programs.
        json_schema_extra={
            "anyOf": [
                {"required": ["role"], "properties": {"role": {"type": "string"}}},
                {"required": ["catalogs"], "properties": {"catalogs": {"minProperties": 1}}},
            ]
        },
    )

    name: Annotated[ClassName, AfterValidator(refuse_reserved), Field(description="Who or what uses it.")]
    email: Email | None = Field(
        None, description="Whoever signs in with this address at the sign-in provider acts as this key."
    )
    expires_at: Instant | None = Field(None, description="Null: when it is revoked.")

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if self.role is None and not self.catalogs:
            raise ValueError("a key without a role may do nothing: give role, or catalogs")
        return self


class KeyOut(KeyFields):
    """A key as it is; never its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    prefix: str = Field(description="The key begins with `haja_` and this.")
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class KeyCreated(KeyOut):
    """A new key with its secret."""

    key: str = Field(description="Shown this once: only its hash is kept.")


class CurrentKey(BaseModel):
    """Who the service takes the caller for."""

    id: UUID | None = Field(description="Of the API key; null where the service asks for none.")
    name: str
    role: Role | None
    catalogs: dict[str, Role]
    expires_at: datetime | None
