"""Comparing the speed of functions on a machine with neighbours: in turns, so that noise hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Work = Callable[[], object]
Result = TypeVar("Result")


def in_turns(works: Mapping[str, Work], rounds: int, block_s: float = 0.0) -> dict[str, list[float]]:
    """Milliseconds of single calls, by name: one block of calls of each in every round, the first round for warm-up.

    A block lasts `block_s`, one call at least. Its first call is not counted where there are more: threads that
    another library left spinning have gone by the second.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            block = _block(work, block_s)
            if turn:
                times[name] += block[1:] or block
    return times


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Milliseconds of one call, and its result."""
    started = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - started), result


def once(work: Work) -> float:
    """Milliseconds of one call."""
    return timed(work)[0]


def median(times: list[float]) -> float:
    """The median."""
    return statistics.median(times)


def shown(times: list[float]) -> str:
    """Median and 10 % to 90 % range, in the digits that matter."""
    low, high = (sorted(times)[round(share * (len(times) - 1))] for share in (0.1, 0.9))
    digits = 1 if median(times) >= 10 else 2
    return f"{median(times):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def spread(values: list[float]) -> str:
    """Median, lowest and highest."""
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _block(work: Work, block_s: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + block_s
    while not times or time.perf_counter() < end:
        times.append(once(work))
    return times
