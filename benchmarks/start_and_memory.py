"""Process start to the first good /readyz, and resident memory: idle, at work, and whether it grows."""

import statistics

import numpy as np

from benchmarks import load, pictures, report, service
from benchmarks.report import Section, verdict

CALLERS = 8
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
    seconds, idle = [], []
    for _ in range(starts - 1):
        with service.running() as running:
            seconds.append(running.started_s)
            idle.append(running.memory_mb())
    with service.running() as running:
        seconds.append(running.started_s)
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
    shown = ", ".join(f"{each:.1f}" for each in seconds)
    section.table(["start to the first /readyz 200", "s"], [["each start", shown],
                  ["median", f"{statistics.median(seconds):.1f}"]])  # fmt: skip
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


def _slope(counts: list[int], resident: list[float]) -> tuple[float, float]:
    """Least squares: MiB per classification, and its standard error."""
    x, y = np.array(counts, float), np.array(resident)
    slope, start = np.polyfit(x, y, 1)
    residual = y - start - slope * x
    spread = np.sqrt((residual**2).sum() / max(len(x) - 2, 1) / ((x - x.mean()) ** 2).sum())
    return float(slope), float(spread)


if __name__ == "__main__":
    report.main(measure)
