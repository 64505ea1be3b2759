"""API keys, what they may do, and sessions of the pages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.acting import Role
from app.storage.tables import Base, new_id


class ApiKey(Base):
    """Somebody who may use the service. Never deleted, so that a service that had a key never opens again.

    `role` holds in every catalog. Whoever signs in with the verified address `email` acts as this key.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(12), unique=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    role: Mapped[Role | None] = mapped_column(String(16))
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    created_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ApiKeyGrant(Base):
    """A role of a key in one catalog."""

    __tablename__ = "api_key_grants"

    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    catalog_id: Mapped[UUID] = mapped_column(
        ForeignKey("catalogs.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[Role] = mapped_column(String(16))


class SignIn(Base):
    """A browser that has signed in, or, while `api_key_id` is missing, one that is away at the sign-in provider.

    `memo` is what the browser must bring back from there.
    """

    __tablename__ = "sign_ins"

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    api_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    memo: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime] = mapped_column(index=True)
