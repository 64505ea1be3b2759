"""Photos classified per second over HTTP: with the network in a worker on Ray, and in the process."""

from collections.abc import Iterator

from app.embedding.on_ray.cluster import PER_CALL
from benchmarks import load, pictures, report, service, timing
from benchmarks.embedders import GOAL
from benchmarks.on_ray import service_on_ray
from benchmarks.report import Section, counted, verdict

CALLERS = (8, 32)
JUDGED = 32

Rounds = dict[str, list[load.Answers]]
"""What each service answered."""


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, seconds = (1, 1.0) if quick else (6, 6.0)
    section = Section("serving_on_ray", "Photos classified per second over HTTP, the network on Ray")
    section.text(
        "As *Photos classified per second over HTTP*, by two services in turns: one with the network in its process, "
        f"one with it in a worker on Ray (one replica, calls of up to {PER_CALL} photos). {rounds} rounds of "
        f"{seconds:g} s each; median (lowest to highest), p99 of all rounds together. Processor time is that of all "
        "processes with a part in it, Ray's own included; *per core* compares photos for the same processor time."
    )
    rows: list[list[object]] = []
    with service.running() as local, service_on_ray() as on_ray:
        services = {"in the process": local, "on Ray": on_ray}
        for running in services.values():
            service.register_drawn_classes(running)
        for kind, size in pictures.SIZES.items():
            bases = pictures.drawn(*size)
            for running in services.values():
                load.for_count(running, bases, max(CALLERS), 2 * max(CALLERS))
            for callers in CALLERS:
                found: Rounds = {name: [] for name in services}
                for _ in range(rounds):
                    for name, running in services.items():
                        found[name].append(load.for_seconds(running, bases, callers, seconds))
                rows += _rows(kind, callers, found)
    section.table(
        ["photos", "callers", "network", "photos/s", "of the first", "p99 ms", "errors", "processor ms a photo",
         "per core", "goal"],
        rows,
    )  # fmt: skip
    return section


def _rows(kind: str, callers: int, found: Rounds) -> Iterator[list[object]]:
    rates = {name: [each.rate for each in rounds] for name, rounds in found.items()}
    costs = {
        name: [1000 * each.service_cpu_s / len(each.latencies_ms) for each in rounds] for name, rounds in found.items()
    }
    first = next(iter(found))
    for name, rounds in found.items():
        whole = load.together(rounds)
        of_the_first = timing.median(rates[name]) / timing.median(rates[first])
        per_core = timing.median(costs[first]) / timing.median(costs[name])
        yield [
            kind, callers, name, timing.spread(rates[name]), f"{of_the_first:.2f}", f"{whole.percentile(99):.0f}",
            counted(whole.errors), timing.spread(costs[name]), f"{per_core:.2f}",
            verdict(per_core, GOAL, digits=2) if name != first and callers == JUDGED else "",
        ]  # fmt: skip


if __name__ == "__main__":
    report.main(measure)
