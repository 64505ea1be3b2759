"""The documents as the tests read them: README, docs/ and the pages beside the code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in (".", "docs", "benchmarks", "models/checkpoints")
    for path in (ROOT / folder).glob("*.md")
)


@dataclass(frozen=True)
class Script:
    """A block of shell commands in a page, below a heading."""

    page: str
    heading: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Each command on a line of its own, without comments and without what is set for it alone."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        bare = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
        return [re.sub(r"^((?!export)\w+=\S+\s+)+", "", line) for line in bare if line]


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text("utf-8")


def scripts(page: str) -> Iterator[Script]:
    """The blocks of shell commands of a page."""
    heading = ""
    for line, block in re.findall(r"^#+ ([^\n]+)$|^```sh\n(.+?)^```", read(page), re.MULTILINE | re.DOTALL):
        heading = line or heading
        if block:
            yield Script(page, heading, block)


def rows(page: str) -> list[list[str]]:
    """The rows of all tables of a page, cell by cell."""
    return [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in read(page).splitlines()
        if line.startswith("|") and not line.startswith("|-")
    ]
