"""Moving catalogs to another backbone."""

import asyncio

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from app import logs
from app.catalogs.schemas import Share
from app.commands.output import err, out
from app.config import Settings
from app.errors import HajaError
from app.jobs.schemas import JobOut
from app.jobs.worker import PAUSE_S
from app.metrics import Metrics
from app.services import Services, any_services
from models.options import Views


def embed_again(checkpoint: str | None, views: Views | None, catalogs: list[str] | None, *, switch: bool) -> None:
    """`haja reembed`."""
    logs.configure("error")
    given = {"backbone": checkpoint, "views": views}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if not asyncio.run(_run(settings, catalogs, switch=switch)):
        raise typer.Exit(1)


async def _run(settings: Settings, names: list[str] | None, *, switch: bool) -> bool:
    async with any_services(settings, Metrics()) as services:
        async with services.database.writing() as session:
            await services.remember_backbone(session)
        sound = True
        backbone = Column("backbone", overflow="fold")
        table = Table("catalog", "photos", backbone, "right", "only it", title="Each example judged by the others")
        for name in names or await services.reembedding.catalogs():
            sound &= await _embed(services, name)
            await _compare(services, name, table)
        out.print(table)
        if switch:
            for name in names or await services.reembedding.catalogs():
                sound &= await _switch(services, name)
        else:
            out.print("Nothing was switched: the same command with --switch lets the new backbone answer.")
        return sound


async def _embed(services: Services, name: str) -> bool:
    """Work on the catalog's job until it is finished."""
    job_id = await services.reembedding.begin(name)
    if job_id is None:
        return True
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    state: JobOut | None = None
    with Progress(*columns, console=out) as progress:
        task = progress.add_task(escape(name), total=None)
        while state is None or state.state == "running":
            try:
                await services.reembedding.work_once(job_id)
            except HajaError as error:
                progress.console.print(error.detail, highlight=False, markup=False)
                await asyncio.sleep(PAUSE_S)
            state = await services.jobs.get(job_id)
            progress.update(task, total=state.total, completed=state.done + state.failed)
    if state.failed:
        for each in (await services.jobs.results(job_id, 0, state.total)).items:
            if each.problem is not None:
                err.print(f"{name}, {each.filename}: {each.problem.detail}", highlight=False, markup=False)
    return not state.failed


async def _compare(services: Services, name: str, table: Table) -> None:
    old, compared = await services.reembedding.compare(name)
    new = services.embedders.own.backbone_id
    if old == new:
        table.add_row(escape(name), str(compared.photos), new, _share(compared.new), "answers already")
        return
    table.add_row(escape(name), str(compared.photos), old, _share(compared.old), str(compared.only_old))
    verdict = f"{compared.only_new} (p = {compared.chance:.2g})"
    table.add_row("", "", new, _share(compared.new), verdict)


async def _switch(services: Services, name: str) -> bool:
    lacking = await services.reembedding.switch(name)
    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")  # noqa: PLR2004
        err.print(
            f"The catalog {name!r} was not switched: {len(lacking)} examples have no embedding by the new backbone "
            f"({shown}). Run the command again; an example that cannot be embedded must be removed first.",
            highlight=False, markup=False,
        )  # fmt: skip
        return False
    out.print(f"The catalog {name!r} is answered by {services.embedders.own.backbone_id}.", highlight=False)
    return True


def _share(share: Share | None) -> str:
    return "-" if share is None else f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
