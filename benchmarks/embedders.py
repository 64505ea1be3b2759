"""The embedder in workers on Ray against the one in the process: photos a second, and processor time for one photo."""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.config import Settings
from app.embedding import Embedder
from app.embedding.on_ray.cluster import PER_CALL
from app.embedding.opening import open_embedder
from app.metrics import Metrics
from benchmarks import report, timing
from benchmarks.on_ray import workers
from benchmarks.report import Section, verdict
from models.probes import probes

CALLERS = 32
PER_CALLS = (8, PER_CALL, 32)
GOAL = 0.85
"""Photos for the same processor time, by Ray and in the process."""


@dataclass
class Found:
    """One embedder's blocks: photos a second, and milliseconds of processor time for one photo."""

    speeds: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, block_s = (1, 1.0) if quick else (8, 4.0)
    section = Section("embedders", "The embedder in workers on Ray")
    section.text(
        f"`Embedder.embed` alone, {CALLERS} callers, photos already decoded; one OpenVINO thread for each embedder, "
        f"which takes two photos at a time whatever comes; to Ray go calls of up to `HAJA_BATCH_SIZE` photos "
        f"({PER_CALL} if it is not set). {rounds} blocks of {block_s:g} s each in turns; median (10 % to 90 %). "
        "Processor time is that of all processes with a part in it, Ray's own included. The ratio is photos for the "
        "same processor time (per core)."
    )
    rows: list[list[object]] = []
    for per_call in PER_CALLS[:1] if quick else PER_CALLS:
        for replicas in (1, 2):
            found = asyncio.run(_in_turns(per_call, replicas, rounds, block_s))
            local = found["local"]
            for name, each in found.items():
                ratio = timing.median(local.costs) / timing.median(each.costs)
                goal = verdict(ratio, GOAL, digits=2) if name == "ray" and replicas == 1 else ""
                rows.append([
                    name if name == "local" else f"ray, {replicas} replicas", "" if name == "local" else per_call,
                    timing.shown(each.speeds), timing.shown(each.costs), f"{ratio:.2f}", goal,
                ])  # fmt: skip
    section.table(["embedder", "photos in a call", "photos a second", "processor ms a photo", "per core", "goal"], rows)
    return section


async def _in_turns(per_call: int, replicas: int, rounds: int, block_s: float) -> dict[str, Found]:
    with workers(replicas, per_call) as (address, _):
        embedders = {
            kind: await open_embedder(
                Settings(
                    embedder=kind,
                    ray_address=address,
                    batch_size=per_call if kind == "ray" else None,
                    queue_size=4 * CALLERS,
                    embed_threads=1,
                ),
                Metrics(),
            )
            for kind in ("local", "ray")
        }
        size = embedders["local"].manifest.transform
        photos = probes(size.height, size.width, CALLERS)
        found = {kind: Found() for kind in embedders}
        for turn in range(rounds + 1):
            for kind, embedder in embedders.items():
                busy, started = _cpu_s(kind), time.perf_counter()
                count = await _block(embedder, photos, block_s)
                if turn:
                    found[kind].speeds.append(count / (time.perf_counter() - started))
                    found[kind].costs.append(1000 * (_cpu_s(kind) - busy) / count)
        for embedder in embedders.values():
            await embedder.close()
    return found


async def _block(embedder: Embedder, photos: NDArray[np.uint8], seconds: float) -> int:
    """How many photos callers got embedded, each asking again when it is answered."""
    end = time.perf_counter() + seconds

    async def caller(pixels: NDArray[np.uint8]) -> int:
        count = 0
        while time.perf_counter() < end:
            await embedder.embed(pixels)
            count += 1
        return count

    return sum(await asyncio.gather(*map(caller, photos)))


def _cpu_s(kind: str) -> float:
    """Processor seconds so far of this process and, for Ray, of all that know its token."""
    total = sum(os.times()[:2])
    if kind == "local":
        return total
    mark = b"RAY_AUTH_TOKEN=" + os.environ["RAY_AUTH_TOKEN"].encode()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (place / "environ").read_bytes() and int(place.name) != os.getpid():
                fields = (place / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    report.main(measure)
