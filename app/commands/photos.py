"""Classifying photos of this machine, by the same services as the API."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.api.idempotency.service import Once
from app.commands.output import out
from app.commands.settings import quiet_settings
from app.inspections.replay import Replay
from app.metrics import Metrics
from app.photos.intake import LocalFile
from app.photos.reading import PhotoError
from app.services import Services, any_services, open_services


def classify_files(files: Sequence[Path], catalog: str, top_k: int) -> None:
    """`haja classify`."""

    async def classify() -> bool:
        async with open_services(quiet_settings(), Metrics()) as services:
            return await _classify(services, catalog, files, top_k)

    if not asyncio.run(classify()):
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
