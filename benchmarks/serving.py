"""Photos classified per second over HTTP, against the same decode and embed in a plain loop without HTTP."""

import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks import ceiling, load, pictures, report, service, timing
from benchmarks.report import Section, verdict
from models.backbones import Backbone

CALLERS = (1, 8, 32)
GOAL = 0.85
STORING = "the fastest loop inside one process, and the bytes stored in SQLite"

Measure = Callable[[str, float], ceiling.Rate]
Rates = dict[str, list[ceiling.Rate]]
Served = dict[int, list[load.Answers]]


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, seconds = (1, 1.0) if quick else (4, 6.0)
    kinds = {name: pictures.drawn(*size) for name, size in pictures.SIZES.items()}
    section = Section("serving", "Photos classified per second over HTTP")
    network = ceiling.backbone()
    section.text(
        f"The service in its own process with a fresh SQLite file and five classes; every photo unique in its bytes; "
        f"the load generator in another process on the same cores. {rounds} rounds of {seconds:g} s a figure, ceilings "
        f"and callers alternating; rates are medians over rounds (lowest to highest). Engine {network.engine.name} "
        f"{network.engine.precision}. CPU ms are processor milliseconds a photo: where the cores are full, they say "
        "where the time went, and they suffer less from neighbours than rates do."
    )
    with ceiling.processes(kinds) as per_core:
        for kind, bases in kinds.items():
            loops: Rates = defaultdict(list)
            served: Served = defaultdict(list)
            for _ in range(rounds):
                _round(network, per_core, kind, bases, seconds, loops, served)
            _report(section, kind, bases, loops, served)
    return section


def _round(
    network: Backbone, per_core: Measure, kind: str, bases: list[bytes], seconds: float, loops: Rates, served: Served
) -> None:
    """One measurement of everything, a ceiling before each number of callers: noise of neighbours hits both."""

    def loop(name: str) -> None:
        loops[name].append(ceiling.measured(ceiling.IN_PROCESS[name](network, bases), seconds))

    names = list(ceiling.IN_PROCESS)
    with service.running() as running:
        service.register_drawn_classes(running)
        load.for_count(running, bases, max(CALLERS), 2 * max(CALLERS))
        for name, callers in zip(names, CALLERS, strict=True):
            loop(name)
            served[callers].append(load.for_seconds(running, bases, callers, seconds))
    loops[ceiling.PER_CORE].append(per_core(kind, seconds))
    fastest = max(names, key=lambda name: _median(loops[name]))
    with tempfile.TemporaryDirectory(prefix="haja-benchmark-") as folder:
        batches = ceiling.storing(ceiling.IN_PROCESS[fastest](network, bases), Path(folder) / "blobs.db")
        loops[STORING].append(ceiling.measured(batches, seconds))


def _report(section: Section, kind: str, bases: list[bytes], loops: Rates, served: Served) -> None:
    plain = {name: rates for name, rates in loops.items() if name != STORING}
    best = max(plain, key=lambda name: _median(plain[name]))
    top = _median(loops[best])
    section.text(f"### {kind}, {pictures.described(bases)}")
    section.table(
        ["plain loop, no HTTP", "photos/s", "of the ceiling", "CPU ms"],
        [
            [
                f"{name}{' (**the ceiling**)' if name == best else ''}",
                timing.spread([rate.per_second for rate in rates]),
                f"{_median(rates) / top:.2f}",
                f"{1000 * sum(rate.cpu_s for rate in rates) / sum(rate.photos for rate in rates):.1f}",
            ]
            for name, rates in loops.items()
        ],
    )
    section.table(
        ["callers over HTTP", "photos/s", "of the ceiling", "p50 ms", "p95 ms", "p99 ms", "errors",
         "CPU ms: service", "CPU ms: generator"],
        [_row(callers, answers, top) for callers, answers in served.items()],
    )  # fmt: skip
    share = statistics.median(answer.rate for answer in served[8]) / top
    errors = sum((answer.errors for answer in served[max(CALLERS)]), Counter[str]())
    section.text(
        f"Share of the ceiling at 8 callers {verdict(share, GOAL)}; of the loop that also stores: "
        f"{share * top / _median(loops[STORING]):.2f}. "
        f"Errors at {max(CALLERS)} callers {verdict(errors.total(), 0, at_most=True, digits=0)}"
        f"{' (' + ', '.join(f'{count} x {fault}' for fault, count in errors.items()) + ')' if errors else ''}."
    )


def _row(callers: int, rounds: list[load.Answers], top: float) -> list[object]:
    photos = max(sum(len(answers.latencies_ms) for answers in rounds), 1)
    rates = [answers.rate for answers in rounds]
    whole = load.together(rounds)
    return [
        callers,
        timing.spread(rates),
        f"{statistics.median(rates) / top:.2f}",
        *(f"{whole.percentile(percent):.0f}" for percent in (50, 95, 99)),
        whole.errors.total(),
        f"{1000 * whole.service_cpu_s / photos:.1f}",
        f"{1000 * whole.generator_cpu_s / photos:.1f}",
    ]


def _median(rates: list[ceiling.Rate]) -> float:
    return statistics.median(rate.per_second for rate in rates)


if __name__ == "__main__":
    report.main(measure)
