"""What every benchmark writes: a Markdown section that says what ran, when, on what, and whether the goal was met."""

import argparse
import os
import platform
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
SPEED = (
    "serving", "overload", "hold", "embedding", "photo_path", "decoding", "scan_cost", "catalog_size", "answer_cost",
    "access_cost", "start_and_memory", "serving_on_ray", "embedders", "site_cost",
)  # fmt: skip
PACKAGES = ("numpy", "pillow", "torch", "openvino", "timm", "fastapi", "starlette", "uvicorn", "sqlalchemy", "ray")
PREAMBLE = """# Speed and memory

Written by `make bench`, or one section at a time by `python -m benchmarks.NAME`. Ratios are taken within one run on
one machine; milliseconds of different sections or machines say nothing about each other.
"""


@dataclass
class Section:
    """One benchmark's part of the report: paragraphs and tables in order."""

    name: str
    title: str
    parts: list[str] = field(default_factory=list)

    def text(self, paragraph: str) -> None:
        """Add a paragraph."""
        self.parts.append(paragraph)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; the first column is text, the others are numbers."""
        lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        self.parts.append("\n".join(lines))

    def markdown(self) -> str:
        """The whole section."""
        return "\n\n".join([f"## {self.title}", *self.parts])


def main(measure: Callable[[bool], Section]) -> None:
    """Run one speed benchmark and replace its section of RESULTS.md; `--quick` takes tiny counts and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="tiny counts, figures are noise; prints, writes nothing")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    section = measure(quick)
    section.parts.insert(0, environment(f"python -m benchmarks.{section.name}{' --quick' if quick else ''}", load))
    print(section.markdown())
    if not quick:
        RESULTS.write_text(replaced(RESULTS.read_text("utf-8") if RESULTS.exists() else "", section), "utf-8")


def replaced(document: str, section: Section) -> str:
    """The document with this section in its place and every other section as it was."""
    sections = dict(re.findall(r"<!-- begin (\w+) -->\n(.*?)\n<!-- end \1 -->", document, re.DOTALL))
    sections[section.name] = section.markdown()
    marked = [f"<!-- begin {name} -->\n{sections[name]}\n<!-- end {name} -->" for name in SPEED if name in sections]
    return "\n".join([PREAMBLE, "\n\n".join(marked), ""])


def environment(command: str, load: float, packages: Sequence[str] = ()) -> str:
    """Command, date, processor and versions, of more packages too; the load average tells a quiet machine."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"`{command}` · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {cpu_model()}, {cores} cores, load average before the "
        f"run {load:.2f} · Python {platform.python_version()}, {', '.join(_versions([*PACKAGES, *packages]))}"
    )


def cpu_model() -> str:
    """The processor's name, with what tells its generation where the name does not."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return "unknown processor"
    fields: dict[str, str] = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text, re.MULTILINE))
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"


def _versions(packages: Sequence[str]) -> list[str]:
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def counted(faults: Counter[str]) -> str:
    """How many faults there were, and of which kinds."""
    kinds = ", ".join(f"{count} x {fault}" for fault, count in faults.items())
    return f"{faults.total()}{f' ({kinds})' if kinds else ''}"


def verdict(value: float, goal: float, *, at_most: bool = False, digits: int = 2) -> str:
    """Whether a figure meets its goal, with both figures."""
    met = value <= goal if at_most else value >= goal
    bound = "at most" if at_most else "at least"
    return f"**{'met' if met else 'missed'}**: {value:.{digits}f}, goal {bound} {goal:.{digits}f}"
