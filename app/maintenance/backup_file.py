"""The file of a backup: an ordinary zip archive of tables (JSON, a row a line) and photos, by their SHA-256.

Its last entry says what it must hold. Entries are written one after the other, so that a site need not fit into memory.
"""

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ValidationError

FORMAT = 1
"""Counts changes of this file's layout; those of the tables are counted by the schema's revision."""

MANIFEST = "manifest.json"

Kind = Literal["boolean", "bytes", "datetime", "float", "integer", "json", "text", "uuid"]
"""What a column holds, in words that do not depend on the database."""


class BackupError(Exception):
    """A backup cannot be made or restored; the message says what to do."""


class TableEntry(BaseModel):
    """What the file holds of one table."""

    columns: dict[str, Kind]
    rows: int
    sha256: str


class Manifest(BaseModel):
    """What the file holds; tables in the order in which they can be filled."""

    format: int
    schema_revision: str
    created_at: datetime
    tables: dict[str, TableEntry]
    photos: list[str]
    missing_photos: list[str]


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
        entry = zipfile.ZipInfo(_table_name(name), datetime.now(UTC).timetuple()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        digest = hashlib.sha256()
        count = 0
        with self._zip.open(entry, "w", force_zip64=True) as stream:

            def add(lines: Iterable[bytes]) -> None:
                nonlocal count
                for line in lines:
                    digest.update(line + b"\n")
                    stream.write(line + b"\n")
                    count += 1

            yield add
        self._tables[name] = TableEntry(columns=columns, rows=count, sha256=digest.hexdigest())

    def add_photo(self, sha256: str, data: bytes) -> None:
        """Write the bytes of a photo. They are compressed already."""
        self._zip.writestr(_photo_name(sha256), data)
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


class BackupReader:
    """Reads a file. Whatever is wrong with it is a `BackupError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._whole():
            try:
                self._zip = zipfile.ZipFile(path)
            except OSError as error:
                raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error
            data = self._zip.read(MANIFEST)
            if (said := _format(data)) > FORMAT:
                raise BackupError(
                    f"{path} was written by a newer version of Haja (format {said}): restore it with that version."
                )
            self.manifest = Manifest.model_validate_json(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def rows(self, name: str) -> Iterator[bytes]:
        """The rows of a table. Whether they are as they were written turns out after the last one."""
        digest = hashlib.sha256()
        with self._whole(), self._zip.open(_table_name(name)) as stream:
            for line in stream:
                digest.update(line)
                yield line
        if digest.hexdigest() != self.manifest.tables[name].sha256:
            raise self._damaged(f"table {name}")

    def photo(self, sha256: str) -> bytes:
        """The bytes of a photo, as they were written."""
        with self._whole():
            data = self._zip.read(_photo_name(sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(f"photo {sha256}")
        return data

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, ValidationError) as error:
            raise self._damaged(str(error).partition("\n")[0]) from error

    def _damaged(self, what: str) -> BackupError:
        return BackupError(
            f"{self._path} is damaged, cut off, or no backup of Haja ({what}), so nothing was restored: take another "
            "copy of it."
        )


class _Format(BaseModel):
    format: int


def _format(manifest: bytes) -> int:
    """The format that a manifest says it has, also where nothing else of it is as it is today."""
    return _Format.model_validate_json(manifest).format


def _table_name(name: str) -> str:
    return f"tables/{name}.jsonl"


def _photo_name(sha256: str) -> str:
    return f"photos/{sha256}"
