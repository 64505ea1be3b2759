"""What an operator asks the service: is it alive, is it ready, how does it do."""

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.api.problems import documented
from app.embedding import Embedder
from app.errors import DatabaseUnavailable, EmbedderUnavailable, QueueFull, SchemaChanged, StorageUnavailable
from app.metrics import Metrics
from app.photos.blobs import Blobs
from app.storage import schema
from app.storage.database import Database
from models.probes import probes

router = APIRouter(tags=["operations"])

PUBLIC: dict[str, Any] = {"security": []}
"""For the API page: these ask for no key."""


class Health(BaseModel):
    """A good answer; a bad one is a problem."""

    status: str = "ok"


class Readiness(Health):
    """What the service would answer photos with."""

    backbone_id: str


@router.head("/livez", include_in_schema=False)
@router.get("/livez", openapi_extra=PUBLIC)
async def get_liveness() -> Health:
    """The process answers; says nothing of database or network."""
    return Health()


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    openapi_extra=PUBLIC,
    responses=documented(DatabaseUnavailable, EmbedderUnavailable, QueueFull, SchemaChanged, StorageUnavailable),
)
async def get_readiness(request: Request) -> Readiness:
    """Photos can be classified now: database and storage answer, and the network embeds a pattern as it should."""
    database: Database = request.app.state.database
    embedder: Embedder = request.app.state.embedder
    blobs: Blobs = request.app.state.blobs
    await schema.check(database, request.app.state.schema_revision)
    await blobs.ping()
    size = embedder.manifest.transform
    pattern = (await asyncio.to_thread(probes, size.height, size.width, 1))[0]
    embedding = await embedder.embed(pattern)
    if not np.isclose(np.linalg.norm(embedding), 1, atol=1e-3):
        raise EmbedderUnavailable("The network gives vectors that are no embeddings; restart the service.")
    return Readiness(backbone_id=embedder.backbone_id)


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics(request: Request) -> Response:
    """Metrics for Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
