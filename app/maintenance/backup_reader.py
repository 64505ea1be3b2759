"""Reading a backup that anybody may have written: whatever is wrong with it is said, and takes little memory."""

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from app.maintenance.backup_file import (
    FORMAT,
    MANIFEST,
    MOST_ROW_BYTES,
    MOST_ROW_VALUES,
    BackupError,
    Manifest,
    photo_name,
    shown,
    table_name,
    values_at_most,
)

MOST_LIST_BYTES = 256 * 2**20
"""Of the archive's list of entries, and of the manifest: those of two million photos."""

MOST_PHOTO_BYTES = 200_000_000
"""As HAJA_MAX_PHOTO_BYTES."""

MOST_DENSE = 200
"""Times that rows may be smaller packed than unpacked. Real ones are some 10 times smaller, a bomb 1,000 times."""

BYTES_OF_A_VALUE = 32
"""The manifest has a photo's SHA-256 for most of its values."""


class BackupReader:
    """Reads a file. Whatever is wrong with it is a `BackupError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = _BoundedFile(path)
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error
        try:
            with self._whole():
                self._zip = zipfile.ZipFile(self._file)
                self.manifest = self._read_manifest()
                self._check_entries()
        except BackupError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def rows(self, name: str) -> Iterator[bytes]:
        """The rows of a table. Whether they are as they were written turns out after the last one."""
        digest = hashlib.sha256()
        count = 0
        with self._whole(), self._zip.open(table_name(name)) as stream:
            while line := stream.readline(MOST_ROW_BYTES + 1):
                count += 1
                if len(line) > MOST_ROW_BYTES or values_at_most(line) > MOST_ROW_VALUES:
                    raise self.damaged(f"row {count} of table {name} is too large")
                digest.update(line)
                yield line
        entry = self.manifest.tables[name]
        if (count, digest.hexdigest()) != (entry.rows, entry.sha256):
            raise self.damaged(f"table {name}")

    def photo(self, sha256: str) -> bytes:
        """The bytes of a photo, as they were written."""
        with self._whole():
            data = self._read(photo_name(sha256), MOST_PHOTO_BYTES)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self.damaged(f"photo {sha256}")
        return data

    def photo_bytes(self, sha256: str) -> int:
        """How many bytes a photo has."""
        return self._zip.getinfo(photo_name(sha256)).file_size

    def damaged(self, what: str) -> BackupError:
        """What to raise where something of the file is not as it should be."""
        return BackupError(
            f"{self._path} is damaged, cut off, or no backup of Haja ({what}), so nothing was restored: take another "
            "copy of it."
        )

    def _read_manifest(self) -> Manifest:
        data = self._read(MANIFEST, MOST_LIST_BYTES)
        if values_at_most(data) > MOST_ROW_VALUES + len(data) / BYTES_OF_A_VALUE:
            raise self.damaged(f"{MANIFEST} holds too many values")
        if (said := _format(data)) > FORMAT:
            raise BackupError(
                f"{self._path} was written by a newer version of Haja (format {said}): restore it with that version."
            )
        return Manifest.model_validate_json(data)

    def _read(self, name: str, limit: int) -> bytes:
        entry = self._zip.getinfo(name)
        # Packed, a little could be much. What is not packed must be in the file.
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise self.damaged(f"{name} is packed")
        if entry.file_size > limit:
            raise self.damaged(f"{name} is too large")
        return self._zip.read(name)

    def _check_entries(self) -> None:
        """Only what the manifest names is there, all of it, once, and as a backup has it."""
        tables = {table_name(name) for name in self.manifest.tables}
        photos = {photo_name(sha256) for sha256 in self.manifest.photos}
        expected = {MANIFEST, *tables, *photos}
        entries = self._zip.infolist()
        names = {entry.filename for entry in entries}
        if strange := names - expected:
            raise self.damaged(f"it holds {min(strange)!a}, which is not part of a backup")
        if absent := expected - names:
            raise self.damaged(f"it lacks {min(absent)!a}")
        if len(names) < len(entries) or len(photos) < len(self.manifest.photos):
            raise self.damaged("something is there twice")
        for entry in entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in {0, stat.S_IFREG}:
                raise self.damaged(f"{entry.filename!a} is no ordinary file")
            if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise self.damaged(f"{entry.filename!a} is packed in another way than Haja does")
            if entry.file_size > MOST_DENSE * (entry.compress_size + 1000):
                raise self.damaged(f"{entry.filename!a} would become {entry.file_size} bytes")

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except _HOSTILE as error:
            raise self.damaged(shown(str(error.args[0] if isinstance(error, KeyError) else error))) from error


_HOSTILE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    OSError,  # a place before the file's beginning
    OverflowError,
    RuntimeError,  # encrypted, or packed in a way that nobody knows
    ValueError,  # a name that is no text; a manifest that is none
)
"""What `zipfile` raises of files that are none."""


class _BoundedFile(io.FileIO):
    """A file of which nobody reads too much in one go: `zipfile` takes as much as the file says its list has."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_LIST_BYTES:
            raise zipfile.BadZipFile("its list of entries is too large")
        return super().read(size) or b""


class _Format(BaseModel):
    format: int


def _format(manifest: bytes) -> int:
    """The format that a manifest says it has, also where nothing else of it is as it is today."""
    return _Format.model_validate_json(manifest).format
