"""Four times as many photos as the service can carry: how much it still does, and how soon it refuses the rest."""

import os
import socket
import statistics
import threading
import time
from collections import Counter

import numpy as np

from benchmarks import load, pictures, report, service
from benchmarks.report import Section, counted, verdict

CALLERS = 32
TIMES = 4
CONNECTIONS = 256
GOODPUT = 0.9
REFUSED_MS = 100
GROWTH = 1.1

Round = tuple[load.Answers, load.Offered, float, float]
"""The peak, the overload, and MiB after each of them."""


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, seconds = (1, 1.0) if quick else (4, 6.0)
    section = Section("overload", "More photos than can be carried")
    section.text(
        f"{rounds} rounds of {seconds:g} s each: the peak with {CALLERS} callers, then {TIMES} times as many photos a "
        f"second as the peak of that round, sent at their time over up to {CONNECTIONS} connections, whatever the "
        "answers. Times to a 429 count from the photo's first byte and contain the sending of all of it; rates are "
        "medians over rounds, percentiles are of all rounds together. Memory is resident, MiB."
    )
    rows = []
    for kind, size in pictures.SIZES.items():
        bases = pictures.drawn(*size)
        with service.running() as running:
            service.register_drawn_classes(running)
            load.for_count(running, bases, CALLERS, 2 * CALLERS)
            pairs = [_round(running, bases, seconds) for _ in range(rounds)]
            memory = running.memory_mb("VmHWM")
        rows.append(_row(section, kind, bases, pairs, memory))
    section.table(
        ["photos", "peak/s", "offered/s", "classified/s", "p50 ms", "refused/s", "p50 ms of 429", "p99 ms of 429",
         "errors", "MiB after the peak", "after the overload", "most ever", "cores of the load at the peak",
         "in the overload", "cores of the service at the peak", "in the overload"],
        rows,
    )  # fmt: skip
    return section


def _round(running: service.Service, bases: list[bytes], seconds: float) -> Round:
    peak = load.for_seconds(running, bases, CALLERS, seconds)
    before = running.memory_mb()
    over = load.at_rate(running, bases, TIMES * peak.rate, CONNECTIONS, seconds)
    return peak, over, before, running.memory_mb()


def _floor(bases: list[bytes], refused: float, busy: float, kept: float) -> str:
    """What the refused photos cost on their way alone, which is lost whatever the service does.

    `refused` a second; `busy` cores of the service at the peak; `kept` share of the peak.
    """
    cores = refused * statistics.mean(map(_carry_s, bases))
    most = 1 - cores / busy
    return (
        f"Through two bare sockets and nothing else, the refused photos take {cores:.2f} of {os.cpu_count()} cores. So "
        f"no service could keep more than {most:.2f} of that peak here, and this one keeps {kept / most:.2f} of that."
    )


def _carry_s(photo: bytes, times: int = 100) -> float:
    """Processor seconds of both ends for one photo over loopback, read into one place and forgotten."""
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as sender:
        receiver, _ = door.accept()
        room = bytearray(1 << 18)

        def read() -> None:
            while receiver.recv_into(room):
                pass

        reader = threading.Thread(target=read)
        reader.start()
        began = time.process_time()
        for _ in range(times):
            sender.sendall(photo)
        sender.shutdown(socket.SHUT_WR)
        reader.join()
        receiver.close()
        return (time.process_time() - began) / times


def _row(section: Section, kind: str, bases: list[bytes], rounds: list[Round], most: float) -> list[object]:
    peaks = [peak.rate for peak, *_ in rounds]
    offered = [over for _, over, *_ in rounds]
    shares = [over.goodput / peak.rate for peak, over, *_ in rounds]
    kept = statistics.median(shares)
    refused = statistics.median(len(over.refused_ms) / over.seconds for over in offered)
    load_at_peak, load_over, busy_at_peak, busy_over = (
        statistics.median(getattr(each, taker) / each.seconds for each in runs)
        for taker in ("generator_cpu_s", "service_cpu_s")
        for runs in ([peak for peak, *_ in rounds], offered)
    )
    refused_ms = [ms for over in offered for ms in over.refused_ms]
    errors = sum((over.errors for over in offered), Counter[str]())
    before, after = rounds[0][2], rounds[-1][3]
    prompt = float(np.percentile(refused_ms, 99)) if refused_ms else float("nan")
    section.text(
        f"{kind}: goodput against the peak {verdict(kept, GOODPUT)} "
        f"({min(shares):.2f} to {max(shares):.2f}); p99 of a 429, ms, "
        f"{verdict(prompt, REFUSED_MS, at_most=True, digits=0)}; memory after the last overload against before the "
        f"first {verdict(after / before, GROWTH, at_most=True)}. Photos sent later than planned by at most "
        f"{max(over.latest_ms for over in offered):.0f} ms."
    )
    section.text(_floor(bases, refused, busy_at_peak, kept))
    return [
        kind,
        f"{statistics.median(peaks):.1f}",
        f"{statistics.median(over.sent / over.seconds for over in offered):.0f}",
        f"{statistics.median(over.goodput for over in offered):.1f}",
        f"{np.median([ms for over in offered for ms in over.good_ms] or [np.nan]):.0f}",
        f"{refused:.0f}",
        f"{np.median(refused_ms or [np.nan]):.0f}",
        f"{prompt:.0f}",
        counted(errors),
        f"{before:.0f}",
        f"{after:.0f}",
        f"{most:.0f}",
        *(f"{cores:.2f}" for cores in (load_at_peak, load_over, busy_at_peak, busy_over)),
    ]


if __name__ == "__main__":
    report.main(measure)
