"""The embedder that the settings name."""

import asyncio

from app.config import Settings
from app.embedding import Embedder
from app.embedding.local import LocalEmbedder
from app.embedding.on_ray.client import open_ray_embedder
from app.metrics import Metrics
from models.backbones import Backbone, load_backbone


async def open_embedder(settings: Settings, metrics: Metrics, backbone: Backbone | None = None) -> Embedder:
    """What `HAJA_EMBEDDER` names, of one backbone; `backbone` saves the local one loading it.

    Raises:
        CheckpointError: the backbone cannot be loaded.
        StartError: the workers cannot be reached.
    """
    if settings.embedder == "ray":
        return await open_ray_embedder(settings, metrics)
    if backbone is None:
        # In a thread: another backbone is opened while photos are answered.
        backbone = await asyncio.to_thread(
            load_backbone,
            settings.backbone,
            settings.engine,
            settings.precision,
            settings.embed_threads,
            settings.views,
        )
    return LocalEmbedder(backbone, metrics, settings.batch_size or backbone.engine.batch_size, settings.queue_size)
