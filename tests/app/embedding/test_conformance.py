"""What every embedder keeps to, in this process or in workers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from app.embedding import Embedder
from app.embedding.local import LocalEmbedder
from app.embedding.on_ray.client import open_ray_embedder
from app.embedding.refusals import MAPS
from app.errors import EmbedderUnavailable, QueueFull
from app.metrics import Metrics
from models.backbones import Backbone
from models.probes import probes
from tests import ray_cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

Pixels = NDArray[np.uint8]
BATCH, QUEUE = 4, 12


@dataclass
class Subject:
    """An embedder, and a way to make its network stand still."""

    embedder: Embedder
    metrics: Metrics
    held: Callable[[], AbstractContextManager[None]]

    def forwarded(self) -> float:
        """How many photos have gone into a forward pass."""
        return next(
            sample.value
            for metric in self.metrics.batch_size.collect()
            for sample in metric.samples
            if sample.name.endswith("_sum")
        )


class Gated:
    """The real backbone behind a gate."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone_id = backbone.backbone_id
        self.manifest = backbone.manifest
        self.dimension = backbone.dimension
        self.feature_map = backbone.feature_map
        self._backbone = backbone
        self._gate = threading.Event()
        self._gate.set()

    def embed(self, photos: Pixels) -> NDArray[np.float32]:
        assert self._gate.wait(30)
        return self._backbone.embed(photos)

    @contextmanager
    def held(self):  # type: ignore[no-untyped-def]
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()


async def _open(kind: str, backbone: Backbone, request: pytest.FixtureRequest) -> Subject:
    metrics = Metrics()
    if kind == "local":
        gated = Gated(backbone)
        return Subject(LocalEmbedder(gated, metrics, BATCH, QUEUE), metrics, gated.held)  # type: ignore[arg-type]
    cluster: ray_cluster.RayCluster = request.getfixturevalue("cluster")
    settings = ray_cluster.settings(cluster, batch_size=BATCH, queue_size=QUEUE)
    return Subject(await open_ray_embedder(settings, metrics), metrics, cluster.held)


EMBEDDERS = ["local", pytest.param("ray", marks=pytest.mark.long)]


@pytest_asyncio.fixture(params=EMBEDDERS, scope="module", loop_scope="module")
async def subject(request: pytest.FixtureRequest, backbone: Backbone) -> AsyncIterator[Subject]:
    opened = await _open(request.param, backbone, request)
    yield opened
    await opened.embedder.close()


@pytest.fixture(scope="module")
def photos(backbone: Backbone) -> Pixels:
    return probes(backbone.transform.height, backbone.transform.width, 20)


async def _queue_up(subject: Subject, many: Pixels) -> "list[asyncio.Task[NDArray[np.float32]]]":
    tasks = [asyncio.create_task(subject.embedder.embed(pixels)) for pixels in many]
    await asyncio.sleep(0)
    return tasks


def _same(embedding: object, expected: NDArray[np.float32]) -> bool:
    """The tolerance is that of engines: the same numbers in another order of sums."""
    return isinstance(embedding, np.ndarray) and float(embedding @ expected) > 0.9999


async def test_it_is_known_which_embeddings_may_be_compared(subject: Subject, backbone: Backbone) -> None:
    assert subject.embedder.backbone_id == backbone.backbone_id
    assert subject.embedder.manifest == backbone.manifest


async def test_each_caller_gets_the_embedding_of_his_own_photo(
    subject: Subject, backbone: Backbone, photos: Pixels
) -> None:
    expected = backbone.embed(photos)
    for _ in range(3):
        for start in (0, 8):
            given = await asyncio.gather(*await _queue_up(subject, photos[start : start + QUEUE]))
            for number, embedding in enumerate(given, start):
                assert embedding.shape == (backbone.dimension,)
                assert np.argmax(expected @ embedding) == number
                assert _same(embedding, expected[number])


async def test_what_is_too_much_is_refused_at_once(subject: Subject, backbone: Backbone, photos: Pixels) -> None:
    with subject.held():
        tasks = await _queue_up(subject, np.concatenate([photos, photos]))
        refused, waiting = await asyncio.wait(tasks, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert QUEUE <= len(waiting) <= QUEUE + BATCH
        assert all(isinstance(task.exception(), QueueFull) for task in refused)
    given = await asyncio.gather(*waiting)
    assert all(abs(float(np.linalg.norm(embedding)) - 1) < 1e-3 for embedding in given)
    assert _same(await subject.embedder.embed(photos[0]), backbone.embed(photos[:1])[0])


async def test_callers_who_gave_up_cost_the_others_nothing(
    subject: Subject, backbone: Backbone, photos: Pixels
) -> None:
    before = subject.forwarded()
    with subject.held():
        tasks = await _queue_up(subject, photos[:QUEUE])
        await asyncio.sleep(0.1)  # those that go at once have gone
        gone = subject.forwarded() - before
        for task in tasks[-3:]:
            task.cancel()
        await asyncio.wait(tasks[-3:])
    given = await asyncio.gather(*tasks[:-3])
    for embedding, expected in zip(given, backbone.embed(photos[: QUEUE - 3]), strict=True):
        assert _same(embedding, expected)
    assert subject.forwarded() - before == max(gone, QUEUE - 3)


@pytest.mark.parametrize("shape", [(10, 10, 3), (224, 224), (0,)])
async def test_a_bad_item_spoils_nobody_elses_answer(
    subject: Subject, backbone: Backbone, photos: Pixels, shape: tuple[int, ...]
) -> None:
    bad = np.zeros(shape, np.uint8)
    with subject.held():
        tasks = [asyncio.create_task(subject.embedder.embed(each)) for each in (*photos[:4], bad, *photos[4:8])]
        await asyncio.sleep(0.1)
    given = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(given.pop(4), EmbedderUnavailable)
    for embedding, expected in zip(given, backbone.embed(photos[:8]), strict=True):
        assert _same(embedding, expected)
    with pytest.raises(EmbedderUnavailable):
        await subject.embedder.embed(bad)


async def test_each_caller_gets_the_features_of_his_own_photo(
    subject: Subject, backbone: Backbone, photos: Pixels
) -> None:
    given = await asyncio.gather(*(subject.embedder.feature_map(pixels) for pixels in photos[:3]))
    for features, expected in zip(given, backbone.feature_map(photos[:3]), strict=True):
        np.testing.assert_allclose(features, expected, atol=1e-4)


async def test_those_who_want_features_are_bounded_and_hold_up_nobody_else(subject: Subject, photos: Pixels) -> None:
    maps = [asyncio.create_task(subject.embedder.feature_map(pixels)) for pixels in photos[:MAPS]]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await subject.embedder.feature_map(photos[0])
    await subject.embedder.embed(photos[0])
    assert len(await asyncio.gather(*maps)) == MAPS


@pytest.mark.parametrize("kind", EMBEDDERS)
async def test_closing_fails_those_who_wait_and_those_who_come_later(
    kind: str, backbone: Backbone, photos: Pixels, request: pytest.FixtureRequest
) -> None:
    subject = await _open(kind, backbone, request)
    with subject.held():
        tasks = await _queue_up(subject, photos[:QUEUE])
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(subject.embedder.close())
        async with asyncio.timeout(30):
            # What is in the forward pass already may still be answered.
            await asyncio.wait(tasks[BATCH:])
            assert all(isinstance(task.exception(), EmbedderUnavailable) for task in tasks[BATCH:])
            for late in (subject.embedder.embed, subject.embedder.feature_map):
                with pytest.raises(EmbedderUnavailable):
                    await late(photos[0])
    async with asyncio.timeout(30):
        await closing
        await asyncio.gather(*tasks, return_exceptions=True)
