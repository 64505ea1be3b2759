"""The command `haja`: thin; it calls the same services as the API."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table

from app import logs
from app import serve as server
from app.api.idempotency.service import Once
from app.api.pagination import every
from app.catalogs.errors import NoUsablePhoto
from app.catalogs.schemas import DefectClassCreate
from app.catalogs.service import MAX_PHOTOS
from app.commands import demo as demonstration
from app.commands.backup import backup, restore
from app.commands.batch import batch
from app.commands.blobs import blob_commands
from app.commands.keys import key_commands
from app.commands.learning import learning
from app.commands.reembed import reembed
from app.commands.settings import quiet_settings
from app.config import Settings
from app.embedding.on_ray import node
from app.errors import HajaError, StartError
from app.inspections.replay import Replay
from app.main import create_app
from app.maintenance.backup_file import BackupError
from app.maintenance.check import find_faults
from app.metrics import Metrics
from app.photos.blobs.opening import open_blobs
from app.photos.intake import LocalFile
from app.photos.reading import PhotoError
from app.services import Services, any_services, open_services
from app.storage import schema
from app.storage.database import Database
from app.storage.schema import SchemaError
from models.manifest import CheckpointError

cli = typer.Typer(
    help="Haja recognises a construction defect after about five photos. Settings: environment variables HAJA_*.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cli.add_typer(learning)
cli.add_typer(blob_commands, name="blobs")
cli.add_typer(key_commands, name="keys")
cli.command()(backup)
cli.command()(restore)
cli.command()(batch)
cli.command()(reembed)
out = Console()
err = Console(stderr=True)

CatalogOption = Annotated[str, typer.Option(help="Name of the catalog.")]


def main() -> None:
    """Run the command; errors that a person can mend end it with a sentence, not with a traceback."""
    try:
        cli()
    except ValidationError as error:
        for fault in error.errors():
            name = "HAJA_" + "_".join(str(part) for part in fault["loc"]).upper() if fault["loc"] else "Settings"
            err.print(f"[red]{name}[/]: {fault['msg'].removeprefix('Value error, ')}", highlight=False)
        raise SystemExit(2) from None
    except (BackupError, SchemaError, StartError, CheckpointError, HajaError) as error:
        err.print(f"[red]{error.detail if isinstance(error, HajaError) else error}[/]", highlight=False)
        raise SystemExit(1) from None


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of HAJA_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of HAJA_PORT.")] = None,
) -> None:
    """Run the service; an empty database is set up first."""
    given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    settings = Settings(**given)  # type: ignore[arg-type]
    logs.configure(settings.log_level)

    def greet(address: str, is_open: bool) -> None:
        out.print(
            f"Haja runs: open {address} in a browser. The page {address}/docs describes every call; Ctrl+C ends it.",
            soft_wrap=True,
        )
        if is_open:
            out.print(
                "There is no key yet, so nobody has to sign in, and only this machine is answered: "
                "`haja keys create` makes the first one.",
                soft_wrap=True,
            )

    server.serve(settings, greet)


@cli.command()
def worker(
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Join the cluster of this head, instead of being the head.")
    ] = None,
    cpus: Annotated[int | None, typer.Option(help="Cores for embedders; 0: only reach those of others.", min=0)] = None,
) -> None:
    """Run embedders on Ray for services with HAJA_EMBEDDER=ray: the head of a cluster, or one more machine."""

    def greet(sentence: str) -> None:
        out.print(f"{sentence} SIGTERM or Ctrl+C ends this machine's part.", soft_wrap=True, highlight=False)

    settings = Settings() if address is None else Settings(ray_address=address)
    logs.configure("error")
    node.work(settings, join=address is not None, cpus=cpus, on_start=greet)


@cli.command()
def demo(
    photos: Annotated[Path, typer.Option(help="Folder for the photos that it draws.")] = Path("demo-photos"),
) -> None:
    """Show the whole job: draw photos, start the service, register five defect types, classify new photos."""
    logs.configure("error")
    demonstration.run(out, photos)


@cli.command()
def openapi() -> None:
    """Print the document of the REST interface, which generators of clients read."""
    document = create_app(Settings()).openapi()
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1))


@cli.command()
def migrate() -> None:
    """Bring the database to the schema of this version. Back it up first."""
    settings = quiet_settings()
    schema.upgrade(settings.database_url)
    out.print("The database has the schema of this version.")


@cli.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(help="Holds one folder per defect class.", exists=True, file_okay=False)],
    catalog: CatalogOption = "default",
) -> None:
    """Register every folder of DIR as a defect class with the photos in it; classes that exist get them added."""
    classes = {path: _files(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    classes = {path: files for path, files in classes.items() if files}
    if not classes:
        err.print(f"[red]{folder} holds no folder with files: it needs one folder per defect class.[/]")
        raise typer.Exit(1)
    accepted = asyncio.run(_with_services(lambda services: _import(services, catalog, classes)))
    out.print(f"{accepted} photos are new in the catalog {catalog!r}.")


@cli.command()
def classify(
    files: Annotated[list[Path], typer.Argument(help="Photos.", exists=True, dir_okay=False)],
    catalog: CatalogOption = "default",
    top_k: Annotated[int, typer.Option(help="How many classes to show.", min=1, max=100)] = 3,
) -> None:
    """Classify photos and keep the answers."""
    if not asyncio.run(_with_services(lambda services: _classify(services, catalog, files, top_k))):
        raise typer.Exit(1)


@cli.command()
def replay(classification: Annotated[UUID, typer.Argument(metavar="ID", help="Id of a classification.")]) -> None:
    """Judge a kept photo again by the catalog as it was then; exit code 1 where another answer comes out."""

    async def judge_again() -> Replay:
        async with any_services(quiet_settings(), Metrics()) as services:
            return await services.replays.replay(classification)

    replayed = asyncio.run(judge_again())
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


@cli.command()
def check(
    repair: Annotated[bool, typer.Option("--repair", help="First remove stored bytes that no photo owns.")] = False,
) -> None:
    """Check that database, photos and prototypes agree; exit code 1 where they do not."""
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


async def _classify(services: Services, catalog: str, files: list[Path], top_k: int) -> bool:
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
