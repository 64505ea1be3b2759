"""Start to the first good /readyz, the time of help, and resident memory: idle, at work, and whether it grows."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import load, pictures, report, service
from benchmarks.report import Section, verdict

CALLERS = 8
START_GOAL_S, HELP_GOAL_S = 2.5, 1.0
"""Of the processor."""
IDLE_GOAL_MB = 350.0
GROWTH_GOAL = 0.01
"""Growth per 1,000 classifications, as a share of what is resident: below that it is the allocator's breathing."""


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    starts, first, step, last = (1, 10, 10, 40) if quick else (3, 200, 100, 2_000)
    small = pictures.drawn(*pictures.SIZES["1600 x 1200"])
    large = pictures.drawn(*pictures.SIZES["12 MP (4000 x 3000)"])
    section = Section("start_and_memory", "Start and memory")
    section.text(
        f"The service's process as `haja serve` starts it, with a fresh SQLite file, {starts} times; then {last:,} "
        f"classifications of unique 1600 x 1200 photos by {CALLERS} callers against five classes, and four photos of "
        "12 megapixels for each of 32 callers. Memory is what the kernel calls resident (VmRSS, at the peak VmHWM)."
    )
    helps = [_help() for _ in range(starts)]
    begun, idle = [], []
    for _ in range(starts - 1):
        with service.running() as running:
            begun.append((running.started_s, running.cpu_s()))
            idle.append(running.memory_mb())
    with service.running() as running:
        begun.append((running.started_s, running.cpu_s()))
        idle.append(running.memory_mb())
        service.register_drawn_classes(running)
        registered = running.memory_mb()
        done, counts, resident = 0, [], []
        errors = 0
        for count in [first, *[step] * ((last - first) // step)]:
            errors += load.for_count(running, small, CALLERS, count).errors.total()
            done += count
            counts.append(done)
            resident.append(running.memory_mb())
        peak = running.memory_mb("VmHWM")
        errors += load.for_count(running, large, 32, 4 if quick else 128).errors.total()
        after_large, peak_large = running.memory_mb(), running.memory_mb("VmHWM")
    rows: list[list[object]] = []
    for what, goal, measured in (
        ("start to the first /readyz 200", START_GOAL_S, begun),
        ("`haja --help`", HELP_GOAL_S, helps),
    ):
        wall, processor = zip(*measured, strict=True)
        met = verdict(statistics.median(processor), goal, at_most=True)
        rows.append([what, _median(wall), _median(processor), met])
    section.table(["median (lowest to highest)", "seconds", "of the processor", "goal"], rows)
    section.text(f"Idle memory {verdict(statistics.median(idle), IDLE_GOAL_MB, at_most=True, digits=0)}.")
    section.table(
        ["resident memory", "MiB"],
        [
            [f"idle, just started (median of {starts})", f"{statistics.median(idle):.0f}"],
            ["five classes registered with five photos each", f"{registered:.0f}"],
            [f"after {counts[0]:,} classifications", f"{resident[0]:.0f}"],
            [f"after {counts[-1]:,} classifications", f"{resident[-1]:.0f}"],
            ["peak until then", f"{peak:.0f}"],
            ["after the 12-megapixel photos", f"{after_large:.0f}"],
            ["peak with the 12-megapixel photos", f"{peak_large:.0f}"],
        ],
    )
    slope, error = _slope(counts, resident)
    section.text(
        f"Growth from {counts[0]:,} to {counts[-1]:,} classifications, a straight line through {len(counts)} readings: "
        f"{1000 * slope:+.2f} MiB per 1,000 (standard error {1000 * error:.2f}); as a share of what is resident, "
        f"{verdict(1000 * slope / resident[-1], GROWTH_GOAL, at_most=True, digits=4)}. "
        f"Errors {verdict(errors, 0, at_most=True, digits=0)}. "
        f"Readings: {', '.join(f'{each:.0f}' for each in resident)}."
    )
    return section


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _help() -> tuple[float, float]:
    """Seconds of `haja --help`, and seconds of the processor."""
    begin = time.perf_counter()
    command = [sys.executable, "-c", "from app.commands.main import main; main()", "--help"]
    child = subprocess.Popen(command, cwd=service.ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime


def _slope(counts: list[int], resident: list[float]) -> tuple[float, float]:
    """Least squares: MiB per classification, and its standard error."""
    x, y = np.array(counts, float), np.array(resident)
    slope, start = np.polyfit(x, y, 1)
    residual = y - start - slope * x
    spread = np.sqrt((residual**2).sum() / max(len(x) - 2, 1) / ((x - x.mean()) ** 2).sum())
    return float(slope), float(spread)


if __name__ == "__main__":
    report.main(measure)
