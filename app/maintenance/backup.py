"""Making and restoring backups."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from app.maintenance import backup_rows
from app.maintenance.backup_file import BackupError, BackupReader, BackupWriter, Manifest, new_file
from app.photos.blobs import Blobs
from app.storage import schema
from app.storage.database import Database, Session

GROUP_PHOTOS = 8
"""Photos in memory at a time while they are restored; object storage takes them side by side."""

Report = Callable[[str, int, int], None]
"""Is told what is being carried, how much of it is done, and how much there is."""

Item = TypeVar("Item")


async def back_up(database: Database, blobs: Blobs, revision: str, path: Path, report: Report) -> list[str]:
    """Write the site as it is at one moment, while others go on changing it; gives the photos whose bytes are lost.

    Raises:
        BackupError: the file cannot be written.
        DatabaseUnavailable, StorageUnavailable: see their docstrings.
    """
    with new_file(path) as part, BackupWriter(part) as writer:
        async with database.reading() as session:
            tables = await backup_rows.tables(session)
            total = sum([await table.count(session) for table in tables])
            done = 0
            for table in tables:
                with writer.table(table.name, table.columns) as add:
                    async for lines in table.lines(session):
                        add(lines)
                        report("rows", done := done + len(lines), total)
            missing = await _write_photos(session, blobs, writer, report)
        writer.finish(revision, missing)
    return missing


async def _write_photos(session: Session, blobs: Blobs, writer: BackupWriter, report: Report) -> list[str]:
    missing = []
    sha256s = await backup_rows.photo_ids(session)
    for done, sha256 in enumerate(sha256s, 1):
        # This session's bytes first: it still sees photos that were deleted since it began.
        data = await backup_rows.stored_bytes(session, sha256)
        if data is None:
            data = await blobs.get(sha256)
        if data is None or (await asyncio.to_thread(hashlib.sha256, data)).hexdigest() != sha256:
            missing.append(sha256)
        else:
            writer.add_photo(sha256, data)
        report("photos", done, len(sha256s))
    return missing


def prepare_target(url: str, manifest: Manifest) -> None:
    """Give an empty database the schema that the backup was made with.

    Raises:
        BackupError: this program is older than the backup.
        SchemaError: the database cannot be used.
    """
    if manifest.schema_revision not in schema.revisions():
        raise BackupError(
            f"The backup was made by a newer version of Haja (schema {manifest.schema_revision}; this one knows up to "
            f"{schema.head()}): restore it with that version."
        )
    if schema.known_revision(url) not in {None, manifest.schema_revision}:
        schema.downgrade(url, "base")
    schema.upgrade(url, manifest.schema_revision)


async def refuse_rows(session: Session) -> None:
    """Raise `BackupError` where the database is not empty."""
    for table in await backup_rows.tables(session):
        if await table.count(session):
            raise BackupError(
                f"The database holds a site already (there are rows in {table.name}), and nothing is written over: set "
                "HAJA_DATABASE_URL to an empty database."
            )


async def restore(database: Database, blobs: Blobs, reader: BackupReader, report: Report) -> None:
    """Fill a database that `prepare_target` has prepared: with all that the backup holds, or with nothing.

    Raises:
        BackupError: the backup is damaged, or somebody has begun to use the database.
        DatabaseUnavailable, StorageUnavailable, StorageFull: see their docstrings.
    """
    manifest = reader.manifest
    total = sum(entry.rows for entry in manifest.tables.values())
    async with database.writing() as session:
        await refuse_rows(session)
        done = 0
        for name, entry in manifest.tables.items():
            table = backup_rows.Rows(name, entry.columns)
            for lines in _groups(reader.rows(name), backup_rows.FETCH):
                try:
                    await table.insert(session, lines)
                except ValidationError as error:
                    raise BackupError(f"The backup's table {name} holds rows that are none: it is damaged.") from error
                report("rows", done := done + len(lines), total)
        done = 0
        for sha256s in _groups(manifest.photos, GROUP_PHOTOS):
            contents = {sha256: reader.photo(sha256) for sha256 in sha256s}
            await blobs.store(contents)
            await session.run_sync(blobs.keep, contents)
            report("photos", done := done + len(contents), len(manifest.photos))


def _groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
