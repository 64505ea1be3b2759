"""Four times as many photos as the service can carry: how much it still does, and how soon it refuses the rest."""

import statistics
from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks import load, pictures, report, service
from benchmarks.report import Section, counted, verdict

CALLERS = 32
TIMES = 4
CONNECTIONS = 256
GOODPUT = 0.85
REFUSED_MS = 100
GROWTH = 1.1


@dataclass(frozen=True)
class Found:
    """What one kind of photo showed: overloads, a peak before and after each of them, and MiB of memory."""

    peaks: list[load.Answers]
    overloads: list[load.Offered]
    before_mb: float
    after_mb: float
    most_mb: float

    def shares(self) -> list[float]:
        """Goodput of each overload against the peaks beside it: the machine is not as quick all the time."""
        beside = zip(self.overloads, self.peaks, self.peaks[1:], strict=False)
        return [2 * over.goodput / (before.rate + after.rate) for over, before, after in beside]


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, seconds = (1, 1.0) if quick else (12, 6.0)
    section = Section("overload", "More photos than can be carried")
    section.text(
        f"The peak with {CALLERS} callers and, in turns with it, {TIMES} times as many photos a second as the peak "
        f"before, sent at their time over up to {CONNECTIONS} connections, whatever the answers: {rounds} overloads of "
        f"{seconds:g} s, a peak as long before and after each, with both of which it is compared. Times to a 429 count "
        "from the photo's first byte and contain the sending of all of it; rates are medians over rounds, percentiles "
        "are of all rounds together. Memory is resident, MiB."
    )
    rows = []
    for kind, size in pictures.SIZES.items():
        bases = pictures.drawn(*size)
        with service.running() as running:
            service.register_drawn_classes(running)
            load.for_count(running, bases, CALLERS, 2 * CALLERS)
            rows.append(_row(section, kind, _in_turns(running, bases, rounds, seconds)))
    section.table(
        ["photos", "peak/s", "offered/s", "classified/s", "p50 ms", "refused/s", "p50 ms of 429", "p99 ms of 429",
         "errors", "MiB after the first peak", "after the last overload", "most ever", "cores of the load at the peak",
         "in the overload", "cores of the service at the peak", "in the overload"],
        rows,
    )  # fmt: skip
    return section


def _in_turns(running: service.Service, bases: list[bytes], rounds: int, seconds: float) -> Found:
    peaks = [load.for_seconds(running, bases, CALLERS, seconds)]
    overloads: list[load.Offered] = []
    before_mb = running.memory_mb()
    for _ in range(rounds):
        overloads.append(load.at_rate(running, bases, TIMES * peaks[-1].rate, CONNECTIONS, seconds))
        after_mb = running.memory_mb()
        peaks.append(load.for_seconds(running, bases, CALLERS, seconds))
    return Found(peaks, overloads, before_mb, after_mb, running.memory_mb("VmHWM"))


def _row(section: Section, kind: str, found: Found) -> list[object]:
    peaks, offered = found.peaks, found.overloads
    shares = found.shares()
    kept = statistics.median(shares)
    refused = statistics.median(len(over.refused_ms) / over.seconds for over in offered)
    load_at_peak, load_over, busy_at_peak, busy_over = (
        statistics.median(getattr(each, taker) / each.seconds for each in runs)
        for taker in ("generator_cpu_s", "service_cpu_s")
        for runs in (peaks, offered)
    )
    growth = found.after_mb / found.before_mb
    refused_ms = [ms for over in offered for ms in over.refused_ms]
    errors = sum((over.errors for over in offered), Counter[str]())
    prompt = float(np.percentile(refused_ms, 99)) if refused_ms else float("nan")
    section.text(
        f"{kind}: goodput against the peak {verdict(kept, GOODPUT)} "
        f"({min(shares):.2f} to {max(shares):.2f}); p99 of a 429, ms, "
        f"{verdict(prompt, REFUSED_MS, at_most=True, digits=0)}; memory after the last overload against before the "
        f"first {verdict(growth, GROWTH, at_most=True)}. Photos sent later than planned by at most "
        f"{max(over.latest_ms for over in offered):.0f} ms."
    )
    return [
        kind,
        f"{statistics.median(peak.rate for peak in peaks):.1f}",
        f"{statistics.median(over.sent / over.seconds for over in offered):.0f}",
        f"{statistics.median(over.goodput for over in offered):.1f}",
        f"{np.median([ms for over in offered for ms in over.good_ms] or [np.nan]):.0f}",
        f"{refused:.0f}",
        f"{np.median(refused_ms or [np.nan]):.0f}",
        f"{prompt:.0f}",
        counted(errors),
        f"{found.before_mb:.0f}",
        f"{found.after_mb:.0f}",
        f"{found.most_mb:.0f}",
        *(f"{cores:.2f}" for cores in (load_at_peak, load_over, busy_at_peak, busy_over)),
    ]


if __name__ == "__main__":
    report.main(measure)
