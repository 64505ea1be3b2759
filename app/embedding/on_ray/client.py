"""The embedder in workers: batches of what waits go to Ray Serve, through a process that may die with the cluster."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from app.config import Settings
from app.embedding.on_ray.cluster import PER_CALL
from app.embedding.on_ray.connection import RayConnection, gone, open_connection
from app.embedding.refusals import MAPS, closing, failed, no_features, outcome, require_size
from app.errors import EmbedderUnavailable, QueueFull, StartError
from app.metrics import Metrics

RETRY_S = 2.0
"""Between two attempts to find a cluster again that went away."""
ALWAYS = 2
"""Calls that may leave with less than a full batch: one in the forward pass, one on its way there."""
LINGER_S = 0.1
"""So long a photo waits at most for others on their way: a call costs the processor time of two photos' networks."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class _Caller:
    pixels: NDArray[np.uint8]
    future: "asyncio.Future[NDArray[np.float32]]"
    since: float = field(default_factory=time.perf_counter)


class RayEmbedder:
    """Micro-batching towards workers: a call carries what has queued up meanwhile. Belongs to one event loop."""

    def __init__(self, connection: RayConnection, settings: Settings, metrics: Metrics) -> None:
        self.backbone_id = connection.backbone_id
        self.manifest = connection.manifest
        self._connection: RayConnection | None = connection
        self._settings = settings
        self._metrics = metrics
        self._waiting: deque[_Caller] = deque()
        self._expected = self._callers = self._maps = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._closed = False
        self._keeping = asyncio.create_task(self._keep())
        metrics.queue_depth.set_function(lambda: len(self._waiting))

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Keep those who wait for this photo, a little; see `Embedder.expecting`."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            self._send()

    async def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one photo; see `Embedder.embed`."""
        self._find_connection()
        require_size(pixels, self.manifest.transform)
        if self._callers >= self._settings.queue_size:
            raise QueueFull
        loop = asyncio.get_running_loop()
        caller = _Caller(pixels, loop.create_future())
        self._waiting.append(caller)
        self._callers += 1
        loop.call_soon(self._send)  # after those who come in the same turn of the loop
        loop.call_later(LINGER_S, self._send)
        try:
            async with asyncio.timeout(self._settings.ray_timeout_s):
                return await caller.future
        except TimeoutError:
            raise gone() from None
        finally:
            self._callers -= 1
            # A caller who gave up must not cost a forward pass.
            with suppress(ValueError):
                self._waiting.remove(caller)

    async def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of one photo by place; see `Embedder.feature_map`."""
        connection = self._find_connection()
        if self._maps == MAPS:
            raise QueueFull
        self._maps += 1
        try:
            features = await connection.call("feature_map", pixels)
        finally:
            self._maps -= 1
        if features is None:
            raise no_features()
        return features

    async def close(self) -> None:
        """Fail those who wait, end the connection."""
        self._closed = True
        for caller in self._waiting:
            if not caller.future.done():
                caller.future.set_exception(closing())
        self._waiting.clear()
        self._keeping.cancel()
        await asyncio.wait([self._keeping])
        if self._connection is not None:
            await self._connection.close()
        if self._calls:
            await asyncio.wait(self._calls)

    def _find_connection(self) -> RayConnection:
        if self._closed:
            raise closing()
        if self._connection is None:
            raise gone()
        return self._connection

    def _send(self) -> None:
        """Let calls leave: those that are full, and others when nobody comes along soon and few are under way."""
        size = self._settings.batch_size or PER_CALL
        while len(self._waiting) >= size or (self._waiting and len(self._calls) < ALWAYS and self._is_complete()):
            batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
            call = asyncio.create_task(self._serve(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            call.add_done_callback(lambda _: self._send())

    def _is_complete(self) -> bool:
        """Whether those who wait need not wait for more."""
        on_their_way = self._expected - self._callers
        # Waiting for all of them would leave those idle who decode.
        return len(self._waiting) >= on_their_way or time.perf_counter() - self._waiting[0].since >= LINGER_S

    async def _serve(self, batch: list[_Caller]) -> None:
        self._metrics.batch_size.observe(len(batch))
        started = time.perf_counter()
        for caller in batch:
            self._metrics.stage("queue").observe(started - caller.since)
        results: list[NDArray[np.float32] | EmbedderUnavailable | QueueFull]
        try:
            photos = np.stack([caller.pixels for caller in batch])
            embeddings = await self._find_connection().call("embed", photos)
            assert embeddings is not None  # noqa: S101 - the method gives an array
            results = list(map(outcome, embeddings))
            self._metrics.stage("embed").observe(time.perf_counter() - started)
        except QueueFull:
            results = [QueueFull() for _ in batch]
        except EmbedderUnavailable as error:
            results = [EmbedderUnavailable(error.detail) for _ in batch]
        except Exception:  # noqa: BLE001 - as above: nobody may be left waiting
            _log.exception("batch for the workers failed")
            results = [failed() for _ in batch]
        for caller, result in zip(batch, results, strict=True):
            if caller.future.done():
                continue
            if isinstance(result, Exception):
                caller.future.set_exception(result)
            else:
                caller.future.set_result(result)

    async def _keep(self) -> None:
        """Find the cluster again whenever it has gone away."""
        while True:
            if self._connection is not None:
                await self._connection.ended()
                self._connection = None
                _log.error("the connection to Ray is gone; photos are answered 503 until it is back")
            try:
                connection = await open_connection(self._settings)
                if connection.backbone_id == self.backbone_id:
                    self._connection = connection
                    _log.warning("the connection to Ray is back")
                    continue
                _log.error("the workers have another backbone now", backbone_id=connection.backbone_id)
                await connection.close()
            except StartError as error:
                _log.warning("no connection to Ray yet", reason=str(error))
            except Exception:  # noqa: BLE001 - the next attempt may do better
                _log.exception("no connection to Ray yet")
            await asyncio.sleep(RETRY_S)


async def open_ray_embedder(settings: Settings, metrics: Metrics) -> RayEmbedder:
    """The embedder of the workers at `HAJA_RAY_ADDRESS`. Raises `StartError` where there is none."""
    return RayEmbedder(await open_connection(settings), settings, metrics)
