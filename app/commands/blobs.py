"""Carrying photo bytes between database and object storage."""

import asyncio
from typing import NoReturn

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.commands.output import err, out
from app.commands.settings import quiet_settings
from app.config import DATABASE, Settings, checked_place
from app.maintenance.move_blobs import DatabasePlace, Move, ObjectPlace, Place
from app.photos.blobs.objects import ObjectStorage
from app.storage import schema
from app.storage.database import Database


def move_blobs(to: str, source: str | None, *, remove: bool) -> None:
    """`haja blobs move`."""
    settings = quiet_settings()
    target = _place(to, "--to")
    origin = DATABASE if source is None and settings.blobs == target else _place(source or settings.blobs, "--from")
    if (origin == DATABASE) == (target == DATABASE):
        _refuse(f"From {origin} to {target} is no move: one of both must be the database. --from says the other.")
    if remove and settings.blobs != target:
        _refuse(
            f"--remove would take the bytes from where the service reads them: set HAJA_BLOBS={target} for the service "
            "and for this command, and restart the service first."
        )
    schema.prepare(settings.database_url)
    if not asyncio.run(_move(settings, origin, target, remove=remove)):
        raise typer.Exit(1)
    if settings.blobs != target:
        then = f"haja blobs move --from {origin} --to {target}"
        out.print(
            f"Now set HAJA_BLOBS={target} and restart the service, then run `{then}` for what came in meanwhile.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


async def _move(settings: Settings, origin: str, target: str, *, remove: bool) -> bool:
    database = Database(settings.database_url, settings.database_timeout_s)

    def place(name: str) -> Place:
        if name == DATABASE:
            return DatabasePlace(database)
        return ObjectPlace(ObjectStorage(name, settings.blobs_timeout_s), database)

    try:
        move = Move(database, place(origin), place(target))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=out) as progress:
            missing = await move.missing()
            copying = progress.add_task("copied", total=len(missing))
            await move.copy(missing, lambda: progress.advance(copying))
            if remove:
                both = await move.removable()
                verifying = progress.add_task("verified", total=len(both))
                removed = await move.remove(both, lambda: progress.advance(verifying))
        for fault in move.faults:
            out.print(fault, highlight=False)
        if remove:
            out.print(f"{removed} photos are removed from {origin}; {len(both) - removed} stay.", highlight=False)
        out.print(f"{len(missing)} photos were not in {target}; {len(move.faults)} faults.", highlight=False)
        return not move.faults
    finally:
        await database.close()


def _place(value: str, option: str) -> str:
    try:
        return checked_place(value)
    except ValueError as error:
        _refuse(f"{option}: {error}.")


def _refuse(sentence: str) -> NoReturn:
    err.print(f"[red]{sentence}[/]", highlight=False)
    raise typer.Exit(2)
