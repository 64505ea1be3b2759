"""Writing a site into one file, and filling an empty one from it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import app.tables  # noqa: F401 - a backup has all of them
from app.commands.output import out
from app.commands.settings import quiet_settings
from app.config import Settings
from app.maintenance import backup as service
from app.maintenance.backup import Report
from app.maintenance.backup_file import BackupError, Manifest
from app.maintenance.backup_reader import BackupReader
from app.maintenance.ended_keys import EndedKeys
from app.photos.blobs import Blobs
from app.photos.blobs.opening import open_blobs
from app.storage import schema
from app.storage.database import Database

Result = TypeVar("Result")


def back_up(file: Path) -> None:
    """`haja backup`."""
    settings = quiet_settings()
    revision = schema.known_revision(settings.database_url)
    if revision is None:
        raise BackupError("The database is empty, so there is nothing to back up: see HAJA_DATABASE_URL.")

    async def write(database: Database, blobs: Blobs) -> list[str]:
        await blobs.ping()
        with _progress() as report:
            return await service.back_up(database, blobs, revision, file, report)

    missing = _run(settings, write)
    if missing:
        for sha256 in missing:
            out.print(f"photo {sha256}: its bytes are lost, so the backup lacks them", highlight=False)
        raise BackupError(f"{file} is written and holds all but these photos; `haja check` says more.")
    out.print(f"{file} is written: {file.stat().st_size / 1e6:.1f} MB.", highlight=False, soft_wrap=True)


def restore_from(file: Path, *, keep_keys: bool) -> None:
    """`haja restore`."""
    settings = quiet_settings()
    keys = None if keep_keys else EndedKeys()

    async def look(database: Database, _: Blobs) -> None:
        async with database.reading() as session:
            await service.refuse_rows(session)

    async def fill(database: Database, blobs: Blobs) -> None:
        await blobs.check_ready()
        with _progress() as report:
            await service.restore(database, blobs, reader, keys, report)

    with BackupReader(file) as reader:
        if schema.known_revision(settings.database_url) is not None:
            _run(settings, look)
        service.prepare_target(settings.database_url, reader.manifest)
        _run(settings, fill)
        schema.upgrade(settings.database_url)
        _tell(reader.manifest, keys)


def _tell(manifest: Manifest, keys: EndedKeys | None) -> None:
    lost = f", without {len(manifest.missing_photos)} whose bytes it lacks" if manifest.missing_photos else ""
    out.print(
        f"The site of {manifest.created_at:%Y-%m-%d %H:%M} UTC is restored, with {len(manifest.photos)} photos{lost}; "
        "`haja check` looks it over, `haja serve` serves it.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if keys is None:
        out.print("Its keys are as they were then, also those that were revoked since: `haja keys list` shows them.")
    elif keys:
        out.print(
            f"Its keys have ended ({len(keys)}), since some may have been revoked after it was made: make a new one "
            "with `haja keys create NAME --role admin`.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _run(settings: Settings, action: Callable[[Database, Blobs], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = Database(settings.database_url, settings.database_timeout_s)
        try:
            return await action(database, open_blobs(settings, database))
        finally:
            await database.close()

    return asyncio.run(run())


@contextmanager
def _progress() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out) as progress:
        tasks = {what: progress.add_task(what, total=None) for what in ("rows", "photos")}
        yield lambda what, done, total: progress.update(tasks[what], completed=done, total=total)
