"""Registering and classifying photos of this machine, by the same services as the API."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table

from app.api.idempotency.service import Once
from app.api.pagination import every
from app.catalogs.errors import NoUsablePhoto
from app.catalogs.schemas import DefectClassCreate
from app.catalogs.service import MAX_PHOTOS
from app.commands.output import err, out
from app.commands.settings import quiet_settings
from app.inspections.replay import Replay
from app.metrics import Metrics
from app.photos.intake import LocalFile
from app.photos.reading import PhotoError
from app.services import Services, any_services, open_services


def import_classes(folder: Path, catalog: str) -> None:
    """`haja import`."""
    classes = {path: _files(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    classes = {path: files for path, files in classes.items() if files}
    if not classes:
        err.print(f"[red]{folder} holds no folder with files: it needs one folder per defect class.[/]")
        raise typer.Exit(1)
    accepted = asyncio.run(_with_services(lambda services: _import(services, catalog, classes)))
    out.print(f"{accepted} photos are new in the catalog {catalog!r}.")


def classify_files(files: Sequence[Path], catalog: str, top_k: int) -> None:
    """`haja classify`."""
    if not asyncio.run(_with_services(lambda services: _classify(services, catalog, files, top_k))):
        raise typer.Exit(1)


def judge_again(classification: UUID) -> None:
    """`haja replay`."""

    async def replay() -> Replay:
        async with any_services(quiet_settings(), Metrics()) as services:
            return await services.replays.replay(classification)

    replayed = asyncio.run(replay())
    table = Table(Column("class", overflow="fold"), "similarity", "again", "probability", "again")
    for said, again in replayed.predictions:
        similarity, probability = (f"{again.similarity:.6f}", f"{again.probability:.6f}") if again else ("", "")
        answered = (f"{said.similarity:.6f}", f"{said.probability:.6f}")
        table.add_row(escape(said.defect_class.name), answered[0], similarity, answered[1], probability)
    out.print(table)
    if replayed.differences:
        for line in filter(None, ("Another answer:", *replayed.differences, replayed.doubt)):
            out.print(line, highlight=False, markup=False)
        raise typer.Exit(1)
    out.print(f"The same answer; probabilities differ by at most {replayed.largest_difference:.1e}.")


async def _with_services(action: Callable[[Services], Coroutine[Any, Any, int]]) -> int:
    async with open_services(quiet_settings(), Metrics()) as services:
        return await action(services)


async def _import(services: Services, catalog: str, classes: dict[Path, list[Path]]) -> int:
    once = Once(services.database, None, "")
    registered = every(partial(services.catalogs.list_defect_classes, catalog))
    existing = {row.name: row.id async for row in registered}
    accepted = 0
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=out) as progress:
        task = progress.add_task("photos", total=sum(len(files) for files in classes.values()))
        for folder, files in classes.items():
            for batch in _batches(files):
                try:
                    if folder.name in existing:
                        done = await services.catalogs.add_support_photos(existing[folder.name], batch, once)
                    else:
                        wanted = DefectClassCreate(name=folder.name)
                        done = await services.catalogs.register(catalog, wanted, batch, once)
                        existing[folder.name] = done.id
                    outcomes = [outcome.model_dump() for outcome in done.photos]
                except NoUsablePhoto as error:
                    outcomes = error.errors or []
                for outcome in outcomes:
                    accepted += outcome["status"] == "accepted"
                    if outcome["status"] == "rejected":
                        where = f"{folder.name}/{outcome['filename']}"
                        progress.console.print(f"refused {where}: {outcome['problem']['detail']}", markup=False)
                progress.advance(task, len(batch))
    return accepted


async def _classify(services: Services, catalog: str, files: Sequence[Path], top_k: int) -> bool:
    table = Table(Column("photo", overflow="fold"), "unknown", *(f"{place}." for place in range(1, top_k + 1)))
    sound = True
    for file in files:
        try:
            answer = await services.inspections.classify(
                catalog, LocalFile(file), top_k, Once(services.database, None, "")
            )
        except PhotoError as error:
            sound = False
            table.add_row(escape(str(file)), "", error.detail)
            continue
        cells = [f"{escape(found.defect_class.name)} {found.probability:.0%}" for found in answer.predictions]
        table.add_row(escape(str(file)), "yes" if answer.unknown else "", *cells)
    out.print(table)
    return sound


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _batches(files: list[Path]) -> Iterator[list[LocalFile]]:
    for start in range(0, len(files), MAX_PHOTOS):
        yield [LocalFile(path) for path in files[start : start + MAX_PHOTOS]]
