"""Making and restoring backups."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from app.maintenance import backup_rows
from app.maintenance.backup_file import BackupError, BackupWriter, Manifest, new_file, shown
from app.maintenance.backup_reader import BackupReader
from app.maintenance.backup_rows import RowsError
from app.maintenance.ended_keys import AUDIT, EndedKeys
from app.photos.blobs import Blobs
from app.storage import schema
from app.storage.database import Database, Session

GROUP_PHOTOS = 8
GROUP_PHOTO_BYTES = 50_000_000
"""Photos in memory at a time while they are restored; object storage takes them side by side."""

GROUP_ROW_BYTES = 4_000_000
"""As JSON, of which values take several times as much."""

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
            f"The backup was made by a newer version of Haja (schema {shown(manifest.schema_revision)}; this one knows "
            f"up to {schema.head()}): restore it with that version."
        )
    if schema.known_revision(url) not in {None, manifest.schema_revision}:
        schema.downgrade(url, "base")
    schema.upgrade(url, manifest.schema_revision)


async def refuse_rows(session: Session) -> None:
    """Raise `BackupError` where the database is not empty."""
    for table in await backup_rows.tables(session, backup_rows.LEFT_OUT - {backup_rows.SESSIONS}):
        if await table.count(session):
            raise BackupError(
                f"The database holds a site already (there are rows in {table.name}), and nothing is written over: set "
                "HAJA_DATABASE_URL to an empty database."
            )


async def restore(
    database: Database, blobs: Blobs, reader: BackupReader, keys: EndedKeys | None, report: Report
) -> None:
    """Fill a database that `prepare_target` has prepared: with all that the backup holds, or with nothing.

    Keys that had not ended do so now, by `keys`; without it they go on.

    Raises:
        BackupError: the backup is damaged or was made for harm, or somebody has begun to use the database.
        DatabaseUnavailable, StorageUnavailable, StorageFull: see their docstrings.
    """
    async with database.writing() as session:
        await refuse_rows(session)
        tables = await backup_rows.tables(session)
        _check_tables(reader, tables)
        await _restore_rows(session, reader, tables, keys, report)
        await _check_photos(session, reader)
        await _restore_photos(session, blobs, reader, report)


def _check_tables(reader: BackupReader, tables: Sequence[backup_rows.Rows]) -> None:
    said = reader.manifest.tables
    known = {table.name: table.columns for table in tables}
    if strange := said.keys() - known.keys() - {backup_rows.SESSIONS}:
        raise reader.damaged(f"it holds a table {min(strange)!a}, which is not part of a site")
    for name, columns in known.items():
        if name not in said:
            raise reader.damaged(f"it lacks table {name}")
        if said[name].columns != columns:
            raise reader.damaged(f"table {name} has not the columns of schema {reader.manifest.schema_revision}")


async def _restore_rows(
    session: Session,
    reader: BackupReader,
    tables: Sequence[backup_rows.Rows],
    keys: EndedKeys | None,
    report: Report,
) -> None:
    total = sum(reader.manifest.tables[table.name].rows for table in tables)
    done = 0
    for table in tables:
        for lines in _groups(reader.rows(table.name), backup_rows.FETCH, GROUP_ROW_BYTES, len):
            try:
                rows = table.read(lines)
                if keys is not None:
                    keys.end(table.name, rows)
                await table.insert(session, rows)
            except RowsError as error:
                raise reader.damaged(f"table {table.name}, {error}") from error
            report("rows", done := done + len(lines), total)
    if keys:
        (trail,) = (table for table in tables if table.name == AUDIT)
        await trail.insert(session, keys.entries())


async def _check_photos(session: Session, reader: BackupReader) -> None:
    there, missing = set(reader.manifest.photos), set(reader.manifest.missing_photos)
    count = 0
    async for sha256, byte_size in backup_rows.photo_sizes(session):
        count += 1
        if sha256 not in there and sha256 not in missing:
            raise reader.damaged(f"it lacks photo {sha256}")
        if sha256 in there and reader.photo_bytes(sha256) != byte_size:
            raise reader.damaged(f"photo {sha256} has another size than its table says")
    if count != len(there) + len(missing):
        raise reader.damaged("it holds photos that no table names")


async def _restore_photos(session: Session, blobs: Blobs, reader: BackupReader, report: Report) -> None:
    photos = reader.manifest.photos
    done = 0
    for sha256s in _groups(photos, GROUP_PHOTOS, GROUP_PHOTO_BYTES, reader.photo_bytes):
        contents = {sha256: reader.photo(sha256) for sha256 in sha256s}
        await blobs.store(contents)
        await session.run_sync(blobs.keep, contents)
        report("photos", done := done + len(contents), len(photos))


def _groups(items: Iterable[Item], most: int, most_bytes: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """So many together, or fewer where they are large."""
    group: list[Item] = []
    group_bytes = 0
    for item in items:
        group.append(item)
        group_bytes += size(item)
        if len(group) == most or group_bytes >= most_bytes:
            yield group
            group, group_bytes = [], 0
    if group:
        yield group
