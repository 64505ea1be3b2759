"""The micro-batching thread: order, batches, bounds, and what happens when something in it fails."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embedding.local import LocalEmbedder
from app.embedding.refusals import MAPS
from app.errors import EmbedderUnavailable, HeatmapUnavailable, QueueFull
from app.metrics import Metrics
from models.backbones import Backbone, NoFeatureMapError
from models.probes import probes

Pixels = NDArray[np.uint8]
BATCH, QUEUE = 4, 12


class Held:
    """The real backbone behind a gate, so that a test decides when a forward pass begins and whether it fails."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone_id = backbone.backbone_id
        self.manifest = backbone.manifest
        self.dimension = backbone.dimension
        self._backbone = backbone
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[int] = []
        self.fault: Callable[[Pixels], None] = lambda _photos: None

    def embed(self, photos: Pixels) -> NDArray[np.float32]:
        self.entered.set()
        assert self.gate.wait(30)
        self.batches.append(len(photos))
        self.fault(photos)
        return self._backbone.embed(photos)

    def feature_map(self, photos: Pixels) -> NDArray[np.float32]:
        self.entered.set()
        assert self.gate.wait(30)
        self.fault(photos)
        return self._backbone.feature_map(photos)


@pytest.fixture
def held(backbone: Backbone) -> Held:
    return Held(backbone)


@pytest.fixture
async def embedder(held: Held) -> AsyncIterator[LocalEmbedder]:
    made = LocalEmbedder(held, Metrics(), BATCH, QUEUE)  # type: ignore[arg-type]
    yield made
    held.gate.set()
    await made.close()


@pytest.fixture(scope="module")
def photos(backbone: Backbone) -> Pixels:
    return probes(backbone.transform.height, backbone.transform.width, 20)


async def _occupy(embedder: LocalEmbedder, held: Held, pixels: Pixels) -> "asyncio.Task[NDArray[np.float32]]":
    """Let one photo into the forward pass and keep it there."""
    held.gate.clear()
    held.entered.clear()
    first = asyncio.create_task(embedder.embed(pixels))
    await asyncio.to_thread(held.entered.wait, 30)
    return first


async def _queue_up(embedder: LocalEmbedder, many: Any) -> "list[asyncio.Task[NDArray[np.float32]]]":
    tasks = [asyncio.create_task(embedder.embed(pixels)) for pixels in many]
    await asyncio.sleep(0)  # each puts itself into the queue before it first waits
    return tasks


def _same(embedding: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    return float(embedding @ expected) > 0.9999


async def test_each_caller_gets_the_embedding_of_his_own_photo(
    embedder: LocalEmbedder, backbone: Backbone, photos: Pixels
) -> None:
    expected = backbone.embed(photos[:QUEUE])
    given = await asyncio.gather(*(embedder.embed(pixels) for pixels in photos[:QUEUE]))
    for number, embedding in enumerate(given):
        assert embedding.shape == (backbone.dimension,)
        assert np.argmax(expected @ embedding) == number
        assert _same(embedding, expected[number])


async def test_what_waits_during_a_forward_pass_becomes_the_next_batches(
    embedder: LocalEmbedder, held: Held, photos: Pixels
) -> None:
    first = await _occupy(embedder, held, photos[0])
    rest = await _queue_up(embedder, photos[1:7])
    held.gate.set()
    await asyncio.gather(first, *rest)
    assert held.batches == [1, BATCH, 2]


async def test_the_queue_is_bounded(embedder: LocalEmbedder, held: Held, photos: Pixels) -> None:
    first = await _occupy(embedder, held, photos[0])
    waiting = await _queue_up(embedder, photos[1 : 1 + QUEUE])
    with pytest.raises(QueueFull) as refused:
        await embedder.embed(photos[0])
    assert refused.value.headers
    assert int(refused.value.headers["Retry-After"]) >= 1
    held.gate.set()
    await asyncio.gather(first, *waiting)
    await embedder.embed(photos[0])


async def test_a_caller_who_gave_up_costs_no_forward_pass(
    embedder: LocalEmbedder, held: Held, backbone: Backbone, photos: Pixels
) -> None:
    first = await _occupy(embedder, held, photos[0])
    waiting = await _queue_up(embedder, photos[1:9])
    for task in waiting[:7]:
        task.cancel()
    await asyncio.wait(waiting[:7])
    held.gate.set()
    await first
    assert _same(await waiting[7], backbone.embed(photos[8:9])[0])
    assert held.batches == [1, 1]


async def test_a_photo_that_breaks_the_forward_pass_does_not_spoil_its_neighbours(
    embedder: LocalEmbedder, held: Held, backbone: Backbone, photos: Pixels
) -> None:
    bad = photos[2]

    def fault(batch: Pixels) -> None:
        if any(np.array_equal(pixels, bad) for pixels in batch):
            raise RuntimeError("no memory for this one")

    held.fault = fault
    first = await _occupy(embedder, held, photos[0])
    waiting = await _queue_up(embedder, photos[1:5])
    held.gate.set()
    await first
    given = await asyncio.gather(*waiting, return_exceptions=True)
    expected = backbone.embed(photos[1:5])
    for number in (0, 2, 3):
        embedding = given[number]
        assert isinstance(embedding, np.ndarray)
        assert _same(embedding, expected[number])
    assert isinstance(given[1], EmbedderUnavailable)
    assert "no memory" not in given[1].detail
    # Alone it fails alone, and the thread goes on.
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed(bad)
    await embedder.embed(photos[5])


@pytest.mark.parametrize("error", [SystemExit("out"), KeyboardInterrupt(), MemoryError(), RecursionError()])
@pytest.mark.parametrize("together", [1, 3])
async def test_nothing_that_is_raised_leaves_a_later_caller_hanging(
    embedder: LocalEmbedder, held: Held, photos: Pixels, error: BaseException, together: int
) -> None:
    def fault(_batch: Pixels) -> None:
        raise error

    first = await _occupy(embedder, held, photos[0])
    waiting = await _queue_up(embedder, photos[1 : 1 + together])
    held.fault = fault
    held.gate.set()
    async with asyncio.timeout(30):
        given = await asyncio.gather(first, *waiting, return_exceptions=True)
        assert all(isinstance(failure, EmbedderUnavailable) for failure in given)
        held.fault = lambda _photos: None
        await embedder.embed(photos[0])


async def test_closing_fails_those_who_wait_and_those_who_come_later(
    embedder: LocalEmbedder, held: Held, photos: Pixels
) -> None:
    first = await _occupy(embedder, held, photos[0])
    waiting = await _queue_up(embedder, photos[1 : 1 + QUEUE])
    closing = asyncio.create_task(embedder.close())
    async with asyncio.timeout(30):
        given = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(failure, EmbedderUnavailable) for failure in given)
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(photos[0])
        held.gate.set()
        # The one that is in the forward pass already gets its answer.
        assert (await first).shape == (1280,)
        await closing
    assert not any(thread.name == "embedder" for thread in threading.enumerate())


async def test_a_caller_whose_event_loop_is_gone_does_not_stop_the_thread(
    embedder: LocalEmbedder, held: Held, photos: Pixels
) -> None:
    held.gate.clear()
    held.entered.clear()

    def ask_and_leave() -> None:
        async def leave() -> None:
            asking = asyncio.ensure_future(embedder.embed(photos[0]))
            await asyncio.to_thread(held.entered.wait, 30)
            asking.cancel()

        asyncio.run(leave())

    await asyncio.to_thread(ask_and_leave)
    held.gate.set()
    async with asyncio.timeout(30):
        await embedder.embed(photos[1])


async def _maps(embedder: LocalEmbedder, held: Held, photos: Pixels) -> "list[asyncio.Task[NDArray[np.float32]]]":
    """Let one photo into the network for its features and others wait for theirs."""
    held.gate.clear()
    held.entered.clear()
    tasks = [asyncio.create_task(embedder.feature_map(pixels)) for pixels in photos]
    await asyncio.to_thread(held.entered.wait, 30)
    return tasks


async def test_each_caller_gets_the_features_of_his_own_photo(
    embedder: LocalEmbedder, backbone: Backbone, photos: Pixels
) -> None:
    given = await asyncio.gather(*(embedder.feature_map(pixels) for pixels in photos[:3]))
    for features, expected in zip(given, backbone.feature_map(photos[:3]), strict=True):
        np.testing.assert_allclose(features, expected, atol=1e-4)


async def test_those_who_want_features_are_bounded_and_hold_up_nobody_else(
    embedder: LocalEmbedder, held: Held, photos: Pixels
) -> None:
    waiting = await _maps(embedder, held, photos[:MAPS])
    with pytest.raises(QueueFull):
        await embedder.feature_map(photos[0])
    embedding = asyncio.create_task(embedder.embed(photos[0]))
    held.gate.set()
    assert len(await asyncio.gather(embedding, *waiting)) == 1 + MAPS
    await embedder.feature_map(photos[0])


@pytest.mark.parametrize("error", [SystemExit("out"), KeyboardInterrupt(), MemoryError("secret")])
async def test_features_that_fail_are_told_as_such(
    embedder: LocalEmbedder, held: Held, photos: Pixels, error: BaseException
) -> None:
    def fault(_photos: Pixels) -> None:
        raise error

    held.fault = fault
    with pytest.raises(EmbedderUnavailable) as told:
        await embedder.feature_map(photos[0])
    assert "secret" not in told.value.detail
    held.fault = lambda _photos: None
    await embedder.feature_map(photos[0])


async def test_a_network_without_features_by_place_is_told_as_such(
    embedder: LocalEmbedder, held: Held, photos: Pixels
) -> None:
    def fault(_photos: Pixels) -> None:
        raise NoFeatureMapError

    held.fault = fault
    with pytest.raises(HeatmapUnavailable):
        await embedder.feature_map(photos[0])


async def test_closing_fails_those_who_wait_for_features(embedder: LocalEmbedder, held: Held, photos: Pixels) -> None:
    first, *waiting = await _maps(embedder, held, photos[:3])
    closing = asyncio.create_task(embedder.close())
    await asyncio.sleep(0)
    held.gate.set()
    async with asyncio.timeout(30):
        assert (await first).shape[-1] == 1280
        assert all(
            isinstance(failure, EmbedderUnavailable)
            for failure in await asyncio.gather(*waiting, return_exceptions=True)
        )
        await closing
        with pytest.raises(EmbedderUnavailable):
            await embedder.feature_map(photos[0])
