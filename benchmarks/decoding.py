"""What it costs that photos are decoded in processes of their own: processor time against threads of the service."""

import asyncio
import re
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from app.config import Settings
from app.photos import reading
from app.photos.decoding.decoders import MEMORY_BYTES, MEMORY_BYTES_PER_PIXEL, Decoders
from app.photos.decoding.process import DecodingProcess
from benchmarks import pictures, report
from benchmarks.report import Section, verdict
from models.manifest import Transform

GOAL = 1.10
AT_A_TIME = (1, 4)
TRANSFORM = Transform(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

Decode = Callable[[bytes], Awaitable[object]]


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    section = Section("decoding", "Decoding in processes")
    rounds, count = (1, 5) if quick else (10, 20)
    section.text(
        "`photos.decode` in two threads of this process, against `Decoders` with two processes (limits, filtered "
        "system calls, photo and pixels over a socket, answers checked). Processor time is that of this process and of "
        f"those that decode together, per photo; both ways in turns, {rounds} rounds of {count} photos, median of the "
        "rounds' ratios (lowest to highest)."
    )
    section.table(
        ["photo", "at a time", "threads ms", "processes ms", "ratio of processor time", "ratio of wall time", "goal"],
        asyncio.run(_compare(rounds, count)),
    )
    starts = [_start() for _ in range(1 if quick else 10)]
    seconds, resident = (statistics.median(each) for each in zip(*starts, strict=True))
    section.text(
        f"A process is ready {1000 * seconds:.0f} ms after it was asked for, and then has {resident:.0f} MiB resident "
        f"(medians of {len(starts)})."
    )
    return section


async def _compare(rounds: int, count: int) -> list[list[object]]:
    limit = Settings().max_photo_pixels
    decoders = Decoders(processes=2, timeout_s=60, max_pixels=limit)
    rows: list[list[object]] = []
    try:
        with ThreadPoolExecutor(2) as threads:
            in_thread = partial(asyncio.get_running_loop().run_in_executor, threads)
            ways: dict[str, Decode] = {
                "threads": lambda data: in_thread(reading.decode, data, TRANSFORM, limit),
                "processes": lambda data: decoders.decode(data, TRANSFORM),
            }
            for name, size in pictures.SIZES.items():
                files = pictures.drawn(*size)
                for at_a_time in AT_A_TIME:
                    found = await _in_turns(ways, decoders, files, rounds, count, at_a_time)
                    rows.append([name, at_a_time, *_row(found)])
    finally:
        decoders.close()
    return rows


async def _in_turns(
    ways: dict[str, Decode], decoders: Decoders, files: list[bytes], rounds: int, count: int, at_a_time: int
) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of processor and of wall time a photo, by way, round by round after one for warm-up."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, decode in ways.items():
            waiting = iter(files[number % len(files)] for number in range(count))

            async def work(decode: Decode = decode, waiting: Iterator[bytes] = waiting) -> None:
                for data in waiting:
                    await decode(data)

            before, started = _processor_s(decoders), time.perf_counter()
            await asyncio.gather(*(work() for _ in range(at_a_time)))
            wall, used = time.perf_counter() - started, _processor_s(decoders) - before
            if turn:
                found[way].append((1000 * used / count, 1000 * wall / count))
    return found


def _row(found: dict[str, list[tuple[float, float]]]) -> list[object]:
    pairs = list(zip(found["threads"], found["processes"], strict=True))
    used, wall = ([there[kind] / here[kind] for here, there in pairs] for kind in (0, 1))
    medians = [f"{statistics.median(each[0] for each in found[way]):.1f}" for way in ("threads", "processes")]
    shown = [f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in (used, wall)]
    return [*medians, *shown, verdict(statistics.median(used), GOAL, at_most=True)]


def _processor_s(decoders: Decoders) -> float:
    pids = [process._process.pid for process in decoders._idle.queue if process]  # noqa: SLF001
    # Linux's number for the clock of the processor time of another process.
    return time.process_time() + sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def _start() -> tuple[float, float]:
    """Seconds until a process is ready, and MiB that it has resident then."""
    limit = Settings().max_photo_pixels
    started = time.perf_counter()
    process = DecodingProcess(
        memory_bytes=MEMORY_BYTES + MEMORY_BYTES_PER_PIXEL * limit, timeout_s=60, max_pixels=limit
    )
    seconds = time.perf_counter() - started
    status = Path(f"/proc/{process._process.pid}/status").read_text("ascii")  # noqa: SLF001
    process.stop()
    return seconds, int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


if __name__ == "__main__":
    report.main(measure)
