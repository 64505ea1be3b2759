"""Bringing the database to this version's schema, and looking it over."""

import asyncio

import typer

from app.commands.output import out
from app.commands.settings import quiet_settings
from app.maintenance.check import find_faults
from app.photos.blobs.opening import open_blobs
from app.storage import schema
from app.storage.database import Database


def migrate_database() -> None:
    """`haja migrate`."""
    settings = quiet_settings()
    schema.upgrade(settings.database_url)
    out.print("The database has the schema of this version.")


def check_site(*, repair: bool) -> None:
    """`haja check`."""
    settings = quiet_settings()
    schema.prepare(settings.database_url)

    async def find() -> tuple[int, list[str]]:
        database = Database(settings.database_url, settings.database_timeout_s)
        try:
            blobs = open_blobs(settings, database)
            removed = await blobs.remove_orphans() if repair else 0
            return removed, await find_faults(database, blobs)
        finally:
            await database.close()

    removed, faults = asyncio.run(find())
    if repair:
        out.print(f"{removed} blobs that no photo owned were removed.")
    for fault in faults:
        out.print(fault, highlight=False, markup=False)
    if faults:
        raise typer.Exit(1)
    out.print("Database, photos and prototypes agree.")
