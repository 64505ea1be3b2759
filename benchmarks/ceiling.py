"""What the machine can do at best: the service's own decode and embed in a plain loop, without HTTP or database.

Several arrangements of that loop, because none is the best on every machine; the fastest one is the ceiling.
"""

import multiprocessing
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from app.config import Settings
from app.photos import reading
from app.storage.sqlite import PAGE_BYTES
from benchmarks import pictures
from models.backbones import Backbone, load_backbone

BATCH = 8
RAMP_S = 1.0

Done = tuple[bytes, reading.DecodedPhoto]
Arrangement = Callable[[Backbone, Sequence[bytes]], Iterator[list[Done]]]


@dataclass(frozen=True)
class Rate:
    """Photos, and how long they took."""

    photos: int
    seconds: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        """Photos per second."""
        return self.photos / self.seconds


def backbone() -> Backbone:
    """The backbone as the service loads it."""
    settings = Settings()
    return load_backbone(settings.backbone, settings.engine, settings.precision)


def measured(batches: Iterator[list[Done]], seconds: float) -> Rate:
    """Run a loop for `seconds` after a second of ramp."""
    _run(batches, RAMP_S)
    started, cpu = time.perf_counter(), time.process_time()
    count = _run(batches, seconds)
    rate = Rate(count, time.perf_counter() - started, time.process_time() - cpu)
    if close := getattr(batches, "close", None):
        close()
    return rate


def one_by_one(network: Backbone, bases: Sequence[bytes]) -> Iterator[list[Done]]:
    """Decode one photo, embed it, take the next."""
    for base in cycle(bases):
        done = _decode(network, base)
        network.embed(done[1].pixels[np.newaxis])
        yield [done]


def in_turns(network: Backbone, bases: Sequence[bytes]) -> Iterator[list[Done]]:
    """Decode eight on a thread a core, then embed the eight on all cores."""
    supply = cycle(bases)
    with ThreadPoolExecutor(_cores()) as pool:
        while True:
            batch = list(pool.map(lambda base: _decode(network, base), [next(supply) for _ in range(BATCH)]))
            _embed(network, batch)
            yield batch


def overlapped(network: Backbone, bases: Sequence[bytes]) -> Iterator[list[Done]]:
    """Decode on a thread a core while the eight before are embedded."""
    supply = cycle(bases)
    with ThreadPoolExecutor(_cores()) as pool:
        waiting: deque[Future[Done]] = deque(pool.submit(_decode, network, next(supply)) for _ in range(2 * BATCH))
        try:
            while True:
                batch = [waiting.popleft().result() for _ in range(BATCH)]
                waiting.extend(pool.submit(_decode, network, next(supply)) for _ in range(BATCH))
                _embed(network, batch)
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)


IN_PROCESS: dict[str, Arrangement] = {
    "one photo after the other": one_by_one,
    "decode 8 on all cores, then embed 8": in_turns,
    "decode on all cores while 8 are embedded": overlapped,
}
PER_CORE = "one process a core, one photo after the other"


def storing(batches: Iterator[list[Done]], path: Path) -> Iterator[list[Done]]:
    """Also keep every photo's bytes in SQLite, each in a durable transaction of its own, beside the loop."""
    with ThreadPoolExecutor(1) as writer:
        database = writer.submit(_open_database, path).result()
        waiting: deque[tuple[Future[None], list[Done]]] = deque()
        for batch in batches:
            waiting.append((writer.submit(_store, database, batch), batch))
            if len(waiting) > 2:
                stored, done = waiting.popleft()
                stored.result()
                yield done


@contextmanager
def processes(kinds: dict[str, list[bytes]]) -> Iterator[Callable[[str, float], Rate]]:
    """One plain loop a core, each in a pinned process of its own; gives a function (kind of photo, seconds) -> Rate."""
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for core in sorted(os.sched_getaffinity(0)):
        here, there = context.Pipe()
        worker = context.Process(target=_work, args=(there, core, kinds), daemon=True)
        worker.start()
        pipes.append(here)
        workers.append(worker)
    for pipe in pipes:
        assert pipe.recv() == "ready"

    def measure(kind: str, seconds: float) -> Rate:
        for pipe in pipes:
            pipe.send((kind, seconds))
        rates: list[Rate] = [pipe.recv() for pipe in pipes]
        longest = max(rate.seconds for rate in rates)
        whole = sum(rate.per_second for rate in rates) * longest
        return Rate(round(whole), longest, sum(rate.cpu_s for rate in rates))

    try:
        yield measure
    finally:
        for pipe in pipes:
            pipe.send(None)
        for worker in workers:
            worker.join()


def _work(pipe: Connection, core: int, kinds: dict[str, list[bytes]]) -> None:
    os.sched_setaffinity(0, {core})
    network = backbone()
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        kind, seconds = order
        pipe.send(measured(one_by_one(network, kinds[kind]), seconds))


def _run(batches: Iterator[list[Done]], seconds: float) -> int:
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        count += len(next(batches))
    return count


def _decode(network: Backbone, base: bytes) -> Done:
    data = pictures.unique(base)
    return data, reading.decode(data, network.transform, Settings().max_photo_pixels)


def _embed(network: Backbone, batch: list[Done]) -> None:
    network.embed(np.stack([decoded.pixels for _, decoded in batch]))


def _open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL)")
    return database


def _store(database: sqlite3.Connection, batch: list[Done]) -> None:
    for data, decoded in batch:
        database.execute("INSERT INTO blobs VALUES (?, ?)", (decoded.sha256, data))


def _cores() -> int:
    return len(os.sched_getaffinity(0))
