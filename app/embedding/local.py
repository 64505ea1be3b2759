"""The embedder in this process: one thread that takes whatever waits as one batch."""

import asyncio
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from app.embedding.batch import embed_each
from app.embedding.refusals import MAPS, closing, failed, no_features, outcome, require_size
from app.errors import EmbedderUnavailable, QueueFull
from app.metrics import Metrics
from models.backbones import Backbone, NoFeatureMapError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Caller:
    pixels: NDArray[np.uint8]
    future: "asyncio.Future[NDArray[np.float32]]"
    loop: asyncio.AbstractEventLoop
    since: float = field(default_factory=time.perf_counter)

    def answer(self, result: NDArray[np.float32] | EmbedderUnavailable) -> None:
        """Hand the result to the caller's event loop."""
        # RuntimeError: the loop was closed, so nobody waits any more.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: NDArray[np.float32] | EmbedderUnavailable) -> None:
        if self.future.done():
            return
        if isinstance(result, EmbedderUnavailable):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class LocalEmbedder:
    """Micro-batching without waiting: a batch is what has queued up while the one before was in the forward pass."""

    def __init__(self, backbone: Backbone, metrics: Metrics, batch_size: int, queue_size: int) -> None:
        self.backbone_id = backbone.backbone_id
        self.manifest = backbone.manifest
        self._backbone = backbone
        self._metrics = metrics
        self._batch_size = batch_size
        self._waiting: queue.Queue[_Caller | None] = queue.Queue(queue_size)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="embedder", daemon=True)
        self._thread.start()
        # One thread: one enlarged photo in memory at a time.
        self._beside = ThreadPoolExecutor(1, "feature-map")
        self._maps = 0
        metrics.queue_depth.set_function(self._waiting.qsize)

    def expecting(self) -> AbstractContextManager[object]:
        """Nothing: a forward pass waits for nobody; see `Embedder.expecting`."""
        return nullcontext()

    async def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one photo; see `Embedder.embed`."""
        self._refuse_closed()
        require_size(pixels, self.manifest.transform)
        loop = asyncio.get_running_loop()
        caller = _Caller(pixels, loop.create_future(), loop)
        try:
            self._waiting.put_nowait(caller)
        except queue.Full:
            raise QueueFull from None
        return await caller.future

    async def feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of one photo by place; see `Embedder.feature_map`."""
        self._refuse_closed()
        if self._maps == MAPS:
            raise QueueFull
        self._maps += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._beside, self._feature_map, pixels)
        finally:
            self._maps -= 1

    async def close(self) -> None:
        """Fail those who wait, end the threads."""
        self._closed = True
        self._fail_waiting()
        await asyncio.to_thread(self._waiting.put, None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._beside.shutdown)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise closing()

    def _feature_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._refuse_closed()  # those who waited
        try:
            features: NDArray[np.float32] = self._backbone.feature_map(pixels[np.newaxis])[0]
        except NoFeatureMapError as error:
            raise no_features() from error
        except BaseException as error:  # SystemExit would end the event loop that waits for the thread
            _log.exception("feature map failed")
            raise failed() from error
        return features

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                self._fail_waiting()
                return
            try:
                self._serve(batch)
            except BaseException:  # noqa: BLE001 - a thread that dies would leave every later caller hanging
                _log.exception("embedder batch failed")
                for caller in batch:
                    caller.answer(failed())

    def _next_batch(self) -> list[_Caller] | None:
        """Wait for a caller, take who else is there; None says to stop."""
        batch: list[_Caller] = []
        item = self._waiting.get()
        while item is not None:
            # A caller who gave up must not cost a forward pass.
            if not item.future.cancelled():
                batch.append(item)
            if len(batch) == self._batch_size:
                return batch
            try:
                item = self._waiting.get_nowait() if batch else self._waiting.get()
            except queue.Empty:
                return batch
        if batch:
            self._waiting.put(None)  # for the next round, after this batch is served
        return batch or None

    def _serve(self, batch: list[_Caller]) -> None:
        self._metrics.batch_size.observe(len(batch))
        started = time.perf_counter()
        for caller in batch:
            self._metrics.stage("queue").observe(started - caller.since)
        embeddings = embed_each(self._backbone, np.stack([caller.pixels for caller in batch]))
        self._metrics.stage("embed").observe(time.perf_counter() - started)
        for caller, embedding in zip(batch, embeddings, strict=True):
            caller.answer(outcome(embedding))

    def _fail_waiting(self) -> None:
        with suppress(queue.Empty):
            while True:
                caller = self._waiting.get_nowait()
                if caller is not None:
                    caller.answer(closing())
