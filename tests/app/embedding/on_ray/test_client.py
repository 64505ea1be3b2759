"""Workers that die, a cluster that goes away, and one that was never there; then the whole service on workers."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from app.config import Settings
from app.embedding.on_ray.client import RayEmbedder, open_ray_embedder
from app.embedding.on_ray.cluster import MOST_DIRECT_BYTES
from app.errors import EmbedderUnavailable, QueueFull, StartError
from app.main import create_app
from app.metrics import Metrics
from models.backbones import Backbone
from models.probes import probes
from tests import ray_cluster
from tests.conftest import MakeSettings
from tests.drawn import photos as drawn
from tests.ray_cluster import RayCluster, until
from tests.service_process import free_port

pytestmark = pytest.mark.long

CALLERS = 32


@pytest.fixture
async def embedder(cluster: RayCluster) -> AsyncIterator[RayEmbedder]:
    opened = await open_ray_embedder(ray_cluster.settings(cluster, ray_timeout_s=10), Metrics())
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def photos(backbone: Backbone) -> NDArray[np.uint8]:
    return probes(backbone.transform.height, backbone.transform.width, 8)


async def _load(embedder: RayEmbedder, photos: NDArray[np.uint8], given: list[object], stop: asyncio.Event) -> None:
    """Callers who ask until they are stopped; what they were `given`."""

    async def caller(number: int) -> None:
        while not stop.is_set():
            async with asyncio.timeout(30):  # none hangs
                try:
                    given.append(await embedder.embed(photos[number % len(photos)]))
                except (EmbedderUnavailable, QueueFull) as refused:
                    given.append(refused)
                    await asyncio.sleep(0.2)

    await asyncio.gather(*map(caller, range(CALLERS)))


async def _heal(embedder: RayEmbedder, photos: NDArray[np.uint8], expected: NDArray[np.float32]) -> None:
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(EmbedderUnavailable):
                assert float(await embedder.embed(photos[0]) @ expected) > 0.9999
                return
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("killed", [1, 2])
async def test_workers_killed_under_load_leave_nobody_hanging_and_the_pool_heals(
    cluster: RayCluster, embedder: RayEmbedder, backbone: Backbone, photos: NDArray[np.uint8], killed: int
) -> None:
    given: list[object] = []
    stop = asyncio.Event()
    load = asyncio.create_task(_load(embedder, photos, given, stop))
    await asyncio.to_thread(until, lambda: any(isinstance(answer, np.ndarray) for answer in given))
    await asyncio.to_thread(until, lambda: len(cluster.replicas()) == 2)  # one that starts has children for a moment
    before = cluster.replicas()
    for pid in before[:killed]:
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(2)
    stop.set()
    await load
    # Those of a lone dead worker may all have been answered, if it had nothing in work.
    assert killed == 1 or any(isinstance(answer, EmbedderUnavailable) for answer in given)
    await _heal(embedder, photos, backbone.embed(photos[:1])[0])
    await asyncio.to_thread(until, lambda: len(set(cluster.replicas()) - set(before[:killed])) == 2)


async def test_a_connection_that_dies_is_told_at_once_and_made_again(
    embedder: RayEmbedder, backbone: Backbone, photos: NDArray[np.uint8]
) -> None:
    assert embedder._connection
    os.kill(embedder._connection._process.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        with pytest.raises(EmbedderUnavailable):  # noqa: PT012 - the first photos may still find it alive
            while True:
                await embedder.embed(photos[0])
        with pytest.raises(EmbedderUnavailable):
            await embedder.feature_map(photos[0])
    await _heal(embedder, photos, backbone.embed(photos[:1])[0])


def _calls(embedder: RayEmbedder) -> list[float]:
    """How many calls have left, and how many photos with them."""
    samples = [sample for metric in embedder._metrics.batch_size.collect() for sample in metric.samples]
    return [next(each.value for each in samples if each.name.endswith(end)) for end in ("_count", "_sum")]


async def _asked(embedder: RayEmbedder, pixels: NDArray[np.uint8]) -> "asyncio.Task[NDArray[np.float32]]":
    """Ask for an embedding, and let the loop turn until the call would have left."""
    asked = asyncio.create_task(embedder.embed(pixels))
    for _ in range(5):
        await asyncio.sleep(0)
    return asked


class TestLingering:
    @pytest.fixture
    def _forever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.embedding.on_ray.client.LINGER_S", 1000.0)

    @pytest.mark.usefixtures("_forever")
    async def test_a_photo_waits_while_more_are_on_their_way(
        self, embedder: RayEmbedder, photos: NDArray[np.uint8]
    ) -> None:
        with embedder.expecting(), embedder.expecting(), embedder.expecting():
            first = await _asked(embedder, photos[0])
            assert _calls(embedder) == [0, 0]
            second = await _asked(embedder, photos[1])
            assert _calls(embedder) == [1, 2]
            await asyncio.gather(first, second)

    @pytest.mark.usefixtures("_forever")
    async def test_a_photo_waits_for_nobody_where_nobody_comes(
        self, embedder: RayEmbedder, photos: NDArray[np.uint8]
    ) -> None:
        with embedder.expecting():
            await embedder.embed(photos[0])
        await embedder.embed(photos[1])
        assert _calls(embedder) == [2, 2]

    @pytest.mark.usefixtures("_forever")
    async def test_a_photo_waits_no_longer_for_one_that_was_refused(
        self, embedder: RayEmbedder, photos: NDArray[np.uint8]
    ) -> None:
        with embedder.expecting(), embedder.expecting():
            with embedder.expecting():
                first = await _asked(embedder, photos[0])
                assert _calls(embedder) == [0, 0]
            await first

    async def test_a_photo_waits_for_no_laggard(self, embedder: RayEmbedder, photos: NDArray[np.uint8]) -> None:
        with embedder.expecting(), embedder.expecting(), embedder.expecting():
            async with asyncio.timeout(30):
                await embedder.embed(photos[0])


async def test_a_call_that_is_too_large_for_its_photos_to_go_along_is_answered_too(
    cluster: RayCluster, backbone: Backbone, photos: NDArray[np.uint8]
) -> None:
    count = MOST_DIRECT_BYTES // photos[0].nbytes + len(photos)
    opened = await open_ray_embedder(ray_cluster.settings(cluster, batch_size=count, queue_size=count), Metrics())
    given = await asyncio.gather(*(opened.embed(photos[number % len(photos)]) for number in range(count)))
    assert _calls(opened) == [1, count]
    expected = backbone.embed(photos)
    for number, embedding in enumerate(given):
        assert float(embedding @ expected[number % len(photos)]) > 0.9999
    await opened.close()


async def test_the_whole_service_answers_as_with_the_local_embedder(
    cluster: RayCluster, make_settings: MakeSettings, backbone: Backbone
) -> None:
    answers: dict[str, list[dict[str, Any]]] = {}
    for kind in ("local", "ray"):
        settings = make_settings(embedder=kind, ray_address=cluster.address)
        service = create_app(settings, backbone if kind == "local" else None)
        transport = httpx.ASGITransport(service)
        async with (
            service.router.lifespan_context(service),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client,
        ):
            assert (await client.post("/v1/catalogs", json={"name": kind})).status_code == 201
            for name in ("crack", "rust"):
                made = await client.post(
                    f"/v1/catalogs/{kind}/defect-classes",
                    data={"name": name},
                    files=[("photos", (f"{number}.jpg", data)) for number, data in enumerate(drawn(name, range(3)))],
                )
                assert made.status_code == 201, made.text
            assert (await client.get("/readyz")).json()["backbone_id"] == backbone.backbone_id
            answers[kind] = []
            for name in ("crack", "rust"):
                asked = await client.post(
                    f"/v1/catalogs/{kind}/classifications", files={"photo": drawn(name, range(7, 8))[0]}
                )
                assert asked.status_code == 201, asked.text
                answers[kind].append(asked.json())
    for local, remote in zip(answers["local"], answers["ray"], strict=True):
        assert local["unknown"] == remote["unknown"]
        for expected, given in zip(local["predictions"], remote["predictions"], strict=True):
            assert given["defect_class"]["name"] == expected["defect_class"]["name"]
            assert given["probability"] == pytest.approx(expected["probability"], abs=1e-3)
            assert given["similarity"] == pytest.approx(expected["similarity"], abs=1e-3)


async def test_an_embedder_that_ray_heals_is_not_started_anew_by_a_machine_that_joins(cluster: RayCluster) -> None:
    await asyncio.to_thread(until, lambda: len(cluster.replicas()) == 2)
    killed, spared = cluster.replicas()
    os.kill(killed, signal.SIGKILL)
    said: list[str] = []
    while len(cluster.replicas()) < 2 or len(said) < 2:
        said.append(await asyncio.to_thread(cluster.deploy))
    assert all("runs already" in line for line in said), said
    assert spared in cluster.replicas()


async def test_a_cluster_that_goes_away_means_503_until_it_is_back(
    cluster: RayCluster, embedder: RayEmbedder, backbone: Backbone, photos: NDArray[np.uint8]
) -> None:
    assert await asyncio.to_thread(cluster.stop) == 0
    async with asyncio.timeout(30):
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(photos[0])
    await asyncio.to_thread(cluster.start)
    await _heal(embedder, photos, backbone.embed(photos[:1])[0])


async def test_a_cluster_that_is_not_there_is_told_at_start() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(StartError, match=f"Nothing answers at HAJA_RAY_ADDRESS={address}"):
        await open_ray_embedder(Settings(embedder="ray", ray_address=address), Metrics())


async def test_a_wrong_token_is_told_at_start(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 40)
    with pytest.raises(StartError, match="refuses the token"):
        await open_ray_embedder(ray_cluster.settings(cluster), Metrics())


async def test_no_token_is_told_at_start(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StartError, match="token"):
        await open_ray_embedder(ray_cluster.settings(cluster), Metrics())


async def test_what_the_process_for_ray_died_of_is_told_at_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ray.py").write_text("raise OSError('the disk is full')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with pytest.raises(StartError, match="ended at once: OSError: the disk is full"):
            await open_ray_embedder(Settings(embedder="ray", ray_address=address), Metrics())


async def test_workers_of_another_backbone_are_told_at_start(cluster: RayCluster) -> None:
    with pytest.raises(StartError, match="no embedder for this HAJA_BACKBONE and HAJA_VIEWS"):
        await open_ray_embedder(ray_cluster.settings(cluster, views="accurate"), Metrics())


async def test_a_machine_without_ray_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(StartError, match="pip install"):
        await open_ray_embedder(Settings(embedder="ray"), Metrics())
