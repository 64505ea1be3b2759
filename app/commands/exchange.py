"""Labelled photos of this machine into a catalog, and out of it, by the same services as the API."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.api.idempotency.service import Once
from app.commands.output import err, out
from app.commands.settings import quiet_settings
from app.exchange.boxed import labelled
from app.exchange.coco import CocoFile
from app.exchange.exporting import Exported, export
from app.exchange.folders import read_folders
from app.exchange.registering import LabelledPhoto, register
from app.metrics import Metrics
from app.services import Services, any_services, open_services


def import_folders(folder: Path, catalog: str) -> None:
    """`haja import`."""
    photos, faults = read_folders(folder)
    if not photos and not faults:
        err.print(f"[red]{escape(str(folder))} holds no folder with files: it needs one folder per defect class.[/]")
        raise typer.Exit(1)

    async def run() -> bool:
        async with open_services(quiet_settings(), Metrics()) as services:
            return await _register(services, catalog, photos, faults)

    if not asyncio.run(run()):
        raise typer.Exit(1)


def import_coco(folder: Path, catalog: str, file: Path, *, rest_is_sound: bool) -> None:
    """`haja import --coco`."""
    found = CocoFile(file, folder)
    boxed = [photo for photo in found.photos if photo.boxes]
    out.print(f"{len(boxed)} of {len(found.photos)} photos have boxes.")

    async def run() -> bool:
        async with open_services(quiet_settings(), Metrics()) as services:
            await services.catalogs.get_catalog(catalog)  # known before a thousand photos are decoded
            transform = services.embedders.own.manifest.transform
            with _progress() as progress:
                looked_at = progress.track(boxed, description="looked at")
                photos, faults = await labelled(looked_at, services.intake, transform, rest_is_sound=rest_is_sound)
            return await _register(services, catalog, photos, [*found.faults, *faults])

    if not asyncio.run(run()):
        raise typer.Exit(1)


def export_catalog(folder: Path, catalog: str) -> None:
    """`haja export`."""

    async def run() -> Exported:
        async with any_services(quiet_settings(), Metrics()) as services:
            return await export(services.catalogs, services.archive, catalog, folder)

    done = asyncio.run(run())
    for name in done.left_out:
        out.print(f"left out {name}: sound surfaces have no boxes", markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"{done.photos} photos with {done.boxes} boxes are in {folder}.", markup=False, highlight=False, soft_wrap=True
    )


async def _register(services: Services, catalog: str, photos: Sequence[LabelledPhoto], faults: Sequence[str]) -> bool:
    """Say what was left out, register photos and say what became of them; whether all went well."""
    for fault in faults:
        out.print(f"left out {fault}", markup=False, highlight=False, soft_wrap=True)
    once = Once(services.database, None, "")
    done = Counter[str]()
    with _progress() as progress:
        task = progress.add_task("registered", total=len(photos))
        async for photo, outcome in register(services.catalogs, once, catalog, photos):
            done[outcome.status] += 1
            if outcome.problem:
                refused = f"refused {photo.name}: {outcome.problem.detail}"
                progress.console.print(refused, markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)
    if done["duplicate"]:
        out.print(f"{done['duplicate']} are examples already, and stay as they are.")
    out.print(f"{done['accepted']} photos are new in the catalog {catalog!r}.")
    return not faults and not done["rejected"]


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=out)
