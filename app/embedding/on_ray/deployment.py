"""The backbone as a Ray Serve deployment: replicas that embed batches, as many as the queue asks for."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.serve.config import ProxyLocation
from ray.serve.schema import ApplicationStatus

from app.config import Settings
from app.embedding.batch import embed_each
from app.embedding.on_ray.cluster import PER_CALL, application_name
from models.backbones import NoFeatureMapError, load_backbone
from models.manifest import Manifest

Pixels = NDArray[np.uint8]
Embeddings = NDArray[np.float32]

QUIET = {"enable_access_log": False}

ALIVE = (ApplicationStatus.RUNNING, ApplicationStatus.DEPLOYING, ApplicationStatus.UNHEALTHY)
"""Ray heals an unhealthy one itself; deployed anew, it would lose the replicas that work too."""

CALLS = 2
"""Calls of a replica that is busy enough: one in the forward pass, one on its way. More ask for more replicas."""


class Replica:
    """One backbone in a process of its own, on the engine of its machine."""

    def __init__(self, loading: Sequence[Any], batch_size: int | None) -> None:
        # A node may run several: pinned, they would share its first cores.
        self._backbone = load_backbone(*loading, pinned=False)
        self._batch_size = batch_size or max(PER_CALL, self._backbone.engine.batch_size)
        self._together.set_max_batch_size(self._batch_size)  # type: ignore[attr-defined]
        self._forward = ThreadPoolExecutor(1, "embedder")
        # One thread: one enlarged photo in memory at a time.
        self._beside = ThreadPoolExecutor(1, "feature-map")

    async def identity(self) -> tuple[str, Manifest]:
        """The id of the backbone, and its manifest."""
        return self._backbone.backbone_id, self._backbone.manifest

    async def embed(self, photos: Pixels) -> Embeddings:
        """uint8 [N, H, W, 3] -> float32 [N, D], NaN where the network failed on a photo."""
        parts = [photos[start : start + self._batch_size] for start in range(0, len(photos), self._batch_size)]
        return np.concatenate([await self._together(part) for part in parts])

    async def feature_map(self, pixels: Pixels) -> Embeddings | None:
        """uint8 [H, W, 3] -> float32 [h, w, D], or None where the network has no such features."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, self._features, pixels)

    # Waits for nobody: a forward pass takes what has come in while the one before ran, from all services together.
    @serve.batch(batch_wait_timeout_s=0, batch_size_fn=lambda calls: sum(map(len, calls)))
    async def _together(self, calls: list[Pixels]) -> list[Embeddings]:
        photos = calls[0] if len(calls) == 1 else np.concatenate(calls)
        embed = asyncio.get_running_loop().run_in_executor(self._forward, embed_each, self._backbone, photos)
        return np.split(await embed, np.cumsum([len(call) for call in calls[:-1]]))

    def _features(self, pixels: Pixels) -> Embeddings | None:
        try:
            return self._backbone.feature_map(pixels[np.newaxis])[0]  # type: ignore[no-any-return]
        except NoFeatureMapError:
            return None


def deploy(settings: Settings) -> bool:
    """Start the embedder that the settings name on the cluster that this process has joined, unless it runs there.

    Gives whether it was started.

    Raises:
        RuntimeError: its replicas cannot start; the message is Ray's.
    """
    # HTTP stays where it is: this cluster answers our own processes only.
    serve.start(proxy_location=ProxyLocation.Disabled, logging_config=QUIET)
    name = application_name(settings.backbone, settings.views)
    found = serve.status().applications.get(name)
    if found is not None and found.status in ALIVE:
        return False
    deployment = serve.deployment(
        name="embedder",
        max_ongoing_requests=2 * CALLS,
        max_queued_requests=settings.queue_size,
        autoscaling_config={
            "min_replicas": settings.ray_min_replicas,
            "max_replicas": settings.ray_max_replicas,
            "target_ongoing_requests": CALLS,
            "upscale_delay_s": 5,
            "downscale_delay_s": 300,
        },
        ray_actor_options={
            "num_cpus": 1 if settings.ray_gpus else max(1, settings.embed_threads),
            "num_gpus": settings.ray_gpus,
        },
        health_check_period_s=2,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=5,
        logging_config=QUIET,
    )(Replica)
    loading = (settings.backbone, settings.engine, settings.precision, settings.embed_threads, settings.views)
    serve.run(deployment.bind(loading, settings.batch_size), name=name, route_prefix=None)
    return True
