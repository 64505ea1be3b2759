"""What it costs to look everywhere in a photo, beside looking at it as a whole: over HTTP, in turns, in one run."""

from dataclasses import replace

import httpx

from benchmarks import load, pictures, report, service
from benchmarks.load import Answers
from benchmarks.report import Section, verdict
from benchmarks.service import CLASSIFICATIONS, Service

CALLERS = 8
GOAL = 3.0
MODES = ("quick", "scan")


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds, count = (1, 8) if quick else (4, 60)
    section = Section("scan_cost", "What it costs to look everywhere in a photo")
    section.text(
        f"Two catalogs of the same five classes, one that looks at photos as a whole (`quick`) and one that looks "
        f"everywhere (`scan`), in turns, {rounds} rounds of {count} photos; *one* caller for milliseconds (median), "
        f"{CALLERS} for the rate and the processor time of the service with its decoders. Memory is resident, with the "
        "highest there was."
    )
    rows, ratios = [], []
    with service.running() as running:
        services = {mode: _with_catalog(running, mode) for mode in MODES}
        for size, (height, width) in pictures.SIZES.items():
            bases = pictures.drawn(height, width)
            memory, answers = {}, {}
            for mode in MODES:  # whatever is made once is made now
                load.for_count(services[mode], bases, CALLERS, CALLERS)
            together: dict[str, list[Answers]] = {mode: [] for mode in MODES}
            alone: dict[str, list[Answers]] = {mode: [] for mode in MODES}
            for _ in range(rounds):
                for mode in MODES:
                    alone[mode].append(load.for_count(services[mode], bases, 1, max(4, count // 4)))
                    together[mode].append(load.for_count(services[mode], bases, CALLERS, count))
                    memory[mode] = running.memory_mb()
            for mode in MODES:
                answers[mode] = load.together(together[mode])
                assert not answers[mode].errors, answers[mode].errors
                rows.append(
                    [
                        size,
                        mode,
                        f"{load.together(alone[mode]).percentile(50):.0f}",
                        f"{answers[mode].rate:.1f}",
                        f"{_cpu_ms(answers[mode]):.0f}",
                        f"{memory[mode]:.0f}",
                    ]
                )
            ratios.append(_cpu_ms(answers["scan"]) / _cpu_ms(answers["quick"]))
        highest = running.memory_mb("VmHWM")
    section.table(["photo", "mode", "ms, one caller", "photos a second", "processor ms a photo", "MiB after"], rows)
    section.text(
        "Processor time of `scan` to `quick`: "
        + ", ".join(
            f"{size} {ratio:.2f} ({verdict(ratio, GOAL, at_most=True)})"
            for size, ratio in zip(pictures.SIZES, ratios, strict=True)
        )
        + f". Highest memory {highest:.0f} MiB."
    )
    return section


def _with_catalog(running: Service, mode: str) -> Service:
    with httpx.Client(base_url=running.address) as client:
        client.post("/v1/catalogs", json={"name": mode, "mode": mode}).raise_for_status()
    service.register_drawn_classes(running, mode)
    return replace(running, path=CLASSIFICATIONS.replace("default", mode))


def _cpu_ms(answers: Answers) -> float:
    return 1e3 * answers.service_cpu_s / len(answers.latencies_ms)


if __name__ == "__main__":
    report.main(measure)
