"""The settings, all of them, read from the environment with the prefix HAJA_."""

import os
import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
)

from models.options import DEFAULT, EngineName, Precision, Views

_LAST_PORT = 65535


class Settings(BaseSettings):
    """Typed settings; a combination that is unsafe is refused at start."""

    model_config = SettingsConfigDict(env_prefix="HAJA_")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="How browsers reach the service, such as `https://haja.example`; makes its cookies secure."
    )
    session_hours: float = Field(12.0, gt=0, le=720, description="Hours after which a browser must sign in again.")
    requests_per_minute: int = Field(3_000, ge=1, description="Requests that one API key may make in a minute.")
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect provider by which people sign in to the pages, such as `https://id.example`."
    )
    oidc_client_id: str = Field("", description="What the provider knows this service as.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it.")
    database_url: str = Field(
        "sqlite:///haja.db", description="`sqlite:///file` or `postgresql://user:password@host/name`."
    )
    database_timeout_s: float = Field(
        5.0, gt=0, le=60, description="Seconds to wait for the database before answering 503."
    )
    blobs: str = Field(
        "database", description="Where the bytes of photos live: `database`, or object storage, `s3://bucket/prefix`."
    )
    blobs_timeout_s: float = Field(
        15.0, gt=0, le=600, description="Seconds to wait for one photo's way to or from object storage."
    )
    embedder: Literal["local", "ray"] = Field(
        "local", description="`local`: the network runs in this process; `ray`: in workers (`haja worker`)."
    )
    ray_address: str = Field("127.0.0.1:6379", description="Where the head of the Ray cluster listens.")
    ray_timeout_s: float = Field(
        15.0, gt=0, le=600, description="Seconds to wait for a worker's answer before answering 503."
    )
    ray_min_replicas: int = Field(1, ge=1, description="Embedders that a Ray cluster always runs.")
    ray_max_replicas: int = Field(4, ge=1, description="Embedders that it grows to while photos queue up.")
    ray_gpus: float = Field(0.0, ge=0, description="GPUs of one of them, or the share of one.")
    ray_store_bytes: int = Field(
        200_000_000, ge=80_000_000, description="Shared memory of a worker, for calls of over 10 MB."
    )
    backbone: str = Field(DEFAULT, description="A shipped checkpoint, a manifest's path, or `timm/NAME` (downloads).")
    engine: EngineName = Field(
        "auto", description="`torch`, `openvino`, or `auto`: torch with a GPU, OpenVINO without."
    )
    precision: Precision = Field(
        "auto", description="`f32`, `bf16`, or `auto`: bf16 where the processor has it and embeddings stay the same."
    )
    views: Views = Field(
        "quick",
        description="`quick`: the whole photo; `accurate`: six views of it, a little better for six times the work. "
        "Catalogs with examples keep theirs until `haja reembed`.",
    )
    # At most what a request may have (app.server.limits): no larger photo could ever arrive.
    max_photo_bytes: int = Field(32_000_000, gt=0, le=200_000_000, description="Largest photo, in bytes.")
    max_photo_pixels: int = Field(80_000_000, gt=0, description="Largest photo, in pixels as its header declares them.")
    embed_threads: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=0,
        description="CPU threads of OpenVINO, 0 for all; default: half the cores, the others decode.",
    )
    decode_processes: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Processes that decode photos; default: all cores.",
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        description="Most photos embedded together; by default 2 for a CPU thread or 64 on a GPU, and 16 in a call to "
        "a worker on Ray.",
    )
    queue_size: int = Field(40, ge=1, description="Photos in work or waiting before new ones are answered 429, unread.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line that is logged."
    )

    @field_validator("database_url")
    @classmethod
    def _choose_driver(cls, value: str) -> str:
        return checked_url(value)

    @field_validator("blobs")
    @classmethod
    def _choose_blobs(cls, value: str) -> str:
        return checked_place(value)

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("it must look like https://haja.example")
        return value.rstrip("/")

    @field_validator("ray_address")
    @classmethod
    def _check_ray_address(cls, value: str) -> str:
        if not re.fullmatch(r"[\w.-]+:\d{1,5}", value, re.ASCII) or int(value.rpartition(":")[2]) > _LAST_PORT:
            raise ValueError("it must look like host:6379")
        return value

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.ray_min_replicas > self.ray_max_replicas:
            raise ValueError("HAJA_RAY_MIN_REPLICAS is above HAJA_RAY_MAX_REPLICAS")
        if self.oidc_issuer and not (self.public_url and self.oidc_client_id and self.oidc_client_secret):
            raise ValueError(
                "HAJA_OIDC_ISSUER needs HAJA_OIDC_CLIENT_ID, HAJA_OIDC_CLIENT_SECRET and HAJA_PUBLIC_URL, where the "
                "provider sends people back to"
            )
        return self

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the service by HTTPS."""
        return (self.public_url or "").startswith("https://")


DATABASE = "database"
"""The value of HAJA_BLOBS that is no address."""


def checked_place(value: str) -> str:
    """The value of HAJA_BLOBS, without slashes at its end.

    Raises:
        ValueError: it is neither the database nor object storage.
    """
    value = value.rstrip("/")
    if value != DATABASE and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[\w.-]+)*", value, re.ASCII):
        raise ValueError("it must be database, or look like s3://bucket or s3://bucket/prefix")
    return value


DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def checked_url(value: str) -> str:
    """The URL of a database that Haja can use, with its driver.

    Raises:
        ValueError: another kind of database, SQLite without a file, or with something after a question mark.
    """
    try:
        url = make_url(value)
    except ArgumentError as error:
        raise ValueError("it must look like sqlite:///haja.db or postgresql://user:password@host/name") from error
    kind = url.get_backend_name()
    if kind not in DRIVERS:
        raise ValueError(f"the database must be sqlite or postgresql, not {kind}")
    if kind == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file, because several connections share it: sqlite:///haja.db")
    if kind == "sqlite" and "?" in value:  # it would be another file, of the name before the mark
        raise ValueError("it cannot hold a question mark: start in that folder, with sqlite:///haja.db")
    return url.set(drivername=DRIVERS[kind]).render_as_string(hide_password=False)
