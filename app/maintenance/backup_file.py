"""The file of a backup: an ordinary zip archive of tables (JSON, a row a line) and photos, by their SHA-256.

Its last entry says what it must hold. Entries are written one after the other, so that a site need not fit into memory.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from app.photos.tables import Sha256

FORMAT = 1
"""Counts changes of this file's layout; those of the tables are counted by the schema's revision."""

MANIFEST = "manifest.json"

MOST_ROW_BYTES = 8 * 2**20
MOST_ROW_VALUES = 100_000
"""What a row may hold, far beyond the largest that is ever written. Read, an empty list takes 100 times its bytes."""

Kind = Literal["boolean", "bytes", "datetime", "float", "integer", "json", "text", "uuid"]
"""What a column holds, in words that do not depend on the database."""


class BackupError(Exception):
    """A backup cannot be made or restored; the message says what to do."""


class TableEntry(BaseModel):
    """What the file holds of one table."""

    columns: dict[str, Kind]
    rows: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Manifest(BaseModel):
    """What the file holds; tables in the order in which they can be filled."""

    format: Annotated[int, Field(ge=1)]
    schema_revision: str
    created_at: datetime
    tables: dict[str, TableEntry]
    photos: list[Sha256]
    missing_photos: list[Sha256]


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Another name to write to; at the end of the block the file is on disk under `path`, whole, or not at all.

    Raises:
        BackupError: there is such a file already, or there cannot be one.
    """
    if path.exists():
        raise BackupError(f"{path} exists already: choose another name, or remove it first.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
        os.close(descriptor)
        part = Path(name)
        try:
            yield part
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}.") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems have no such thing
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shown(text: str) -> str:
    """One line of a text that anybody may have written, which can do nothing to a terminal."""
    line = text.partition("\n")[0]
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def values_at_most(data: bytes) -> int:
    """A bound of how many values a text of JSON holds, told without reading it."""
    return 1 + sum(data.count(each) for each in (b",", b"[", b"{"))


class BackupWriter:
    """Writes a file; without `finish` it is none."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w")
        self._tables: dict[str, TableEntry] = {}
        self._photos: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @contextmanager
    def table(self, name: str, columns: dict[str, Kind]) -> Iterator[Callable[[Iterable[bytes]], None]]:
        """Write the rows of a table by what the block is given."""
        entry = zipfile.ZipInfo(table_name(name), datetime.now(UTC).timetuple()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        digest = hashlib.sha256()
        count = 0
        with self._zip.open(entry, "w", force_zip64=True) as stream:

            def add(lines: Iterable[bytes]) -> None:
                nonlocal count
                for line in lines:
                    if len(line) >= MOST_ROW_BYTES or values_at_most(line) > MOST_ROW_VALUES:
                        raise BackupError(f"A row of {name} is larger than a backup can hold.")
                    digest.update(line + b"\n")
                    stream.write(line + b"\n")
                    count += 1

            yield add
        self._tables[name] = TableEntry(columns=columns, rows=count, sha256=digest.hexdigest())

    def add_photo(self, sha256: str, data: bytes) -> None:
        """Write the bytes of a photo. They are compressed already."""
        self._zip.writestr(photo_name(sha256), data)
        self._photos.append(sha256)

    def finish(self, schema_revision: str, missing_photos: list[str]) -> None:
        """Write what the file must hold."""
        manifest = Manifest(
            format=FORMAT,
            schema_revision=schema_revision,
            created_at=datetime.now(UTC),
            tables=self._tables,
            photos=self._photos,
            missing_photos=missing_photos,
        )
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=1))


def table_name(name: str) -> str:
    """What the rows of a table are called in the archive."""
    return f"tables/{name}.jsonl"


def photo_name(sha256: str) -> str:
    """What the bytes of a photo are called in the archive."""
    return f"photos/{sha256}"
