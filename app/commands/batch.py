"""Classifying a folder as jobs of the database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.api.idempotency.service import Once
from app.commands.output import err, out
from app.commands.settings import quiet_settings
from app.config import Settings
from app.errors import HajaError
from app.jobs.receiving import MAX_PHOTOS
from app.jobs.schemas import BatchParameters, JobOut
from app.jobs.worker import PAUSE_S
from app.metrics import Metrics
from app.photos.intake import LocalFile
from app.services import Services, open_services

PAGE = 200


def classify_folder(folder: Path, catalog: str, top_k: int) -> None:
    """`haja batch`."""
    settings = quiet_settings()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    if not files:
        err.print(f"[red]{folder} holds no files.[/]")
        raise typer.Exit(1)
    if asyncio.run(_run(settings, catalog, files, BatchParameters(top_k=top_k, coverage=None))):
        raise typer.Exit(1)


async def _run(settings: Settings, catalog: str, files: Sequence[Path], wanted: BatchParameters) -> int:
    """How many photos failed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with open_services(settings, Metrics()) as services:
        jobs = []
        with Progress(*columns, console=out) as progress:
            stored = progress.add_task("stored", total=len(files))
            for start in range(0, len(files), MAX_PHOTOS):
                uploads = _uploads(files[start : start + MAX_PHOTOS], lambda: progress.advance(stored))
                draft = await services.jobs.receive(catalog, wanted, uploads)
                jobs.append((await services.jobs.begin(draft, Once(services.database, None, ""))).id)
            classified = progress.add_task("classified", total=len(files))
            states: list[JobOut] = []
            while not states or any(state.state == "running" for state in states):
                states = [await services.jobs.get(job_id) for job_id in jobs]
                progress.update(classified, completed=sum(state.done + state.failed for state in states))
                await _work(services, states)
        for state in states:
            await _name_failures(services, state)
            out.print(f"Job {state.id}: {state.done} photos classified, {state.failed} failed.", highlight=False)
    return sum(state.failed for state in states)


async def _uploads(files: Sequence[Path], advance: Callable[[], None]) -> AsyncIterator[LocalFile]:
    for file in files:
        yield LocalFile(file)
        advance()


async def _work(services: Services, states: Sequence[JobOut]) -> None:
    for state in states:
        if state.state == "running":
            try:
                if await services.batch_worker.work_once(state.id):
                    return
            except HajaError as error:
                err.print(error.detail, highlight=False)
            # Others have the last photos in hand, or something is out of reach.
            await asyncio.sleep(PAUSE_S)


async def _name_failures(services: Services, state: JobOut) -> None:
    position: int | None = 0 if state.failed else None
    while position is not None:
        page = await services.jobs.results(state.id, position, PAGE)
        for each in page.items:
            if each.problem is not None:
                err.print(f"{each.filename}: {each.problem.detail}", highlight=False, markup=False)
        position = page.next_position
