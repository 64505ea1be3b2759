"""The commands `haja keys ...`. Whoever may run them may read the database anyway, so they ask for no key."""

import asyncio
import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from app.access.schemas import KeyCreate, KeyCreated, KeyOut
from app.access.service import AccessService
from app.acting import COMMAND_LINE, Principal, Role, acting_as
from app.api.pagination import every
from app.catalogs.repository import CatalogRepository
from app.commands.settings import quiet_settings
from app.storage import schema
from app.storage.database import Database

key_commands = typer.Typer(help="API keys: who may do what.", no_args_is_help=True)
out = Console()
err = Console(stderr=True)


@key_commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    catalog: Annotated[list[str] | None, typer.Option(help="Only in this catalog; may be given several times.")] = None,
    days: Annotated[int | None, typer.Option(help="It ends after so many days.", min=1, max=3650)] = None,
    email: Annotated[str | None, typer.Option(help="Whoever signs in with this address acts as it.")] = None,
) -> None:
    """Make a key. It is printed once, alone on standard output; only its hash is kept."""
    wanted = KeyCreate(
        name=name,
        role=None if catalog else role,
        catalogs=dict.fromkeys(catalog or [], role),
        email=email,
        expires_at=None if days is None else datetime.now(UTC) + timedelta(days=days),
    )

    async def make() -> KeyCreated:
        async with _access() as access:
            return await access.create_key(wanted)

    made = asyncio.run(make())
    where = "in every catalog" if made.role else f"in {', '.join(made.catalogs)}"
    err.print(
        f"A key of {escape(made.name)}, {role.value} {where}. Keep it well: it is shown this once.", soft_wrap=True
    )
    out.print(made.key, highlight=False, soft_wrap=True)


@key_commands.command("list")
def list_keys() -> None:
    """Show all keys, also those that have ended; never their secrets."""

    async def read() -> list[KeyOut]:
        async with _access() as access:
            return [key async for key in every(access.list_keys)]

    table = Table(
        Column("key", no_wrap=True, min_width=19),
        Column("name", overflow="fold"),
        Column("may", overflow="fold"),
        "made",
        "last used",
        "ends",
    )
    for key in asyncio.run(read()):
        may = [f"{key.role.value} everywhere"] if key.role else []
        may += [f"{role.value} in {name}" for name, role in key.catalogs.items()]
        ends = f"revoked {_day(key.revoked_at)}" if key.revoked_at else _day(key.expires_at)
        table.add_row(
            f"haja_{key.prefix}_…", escape(key.name), "\n".join(may), _day(key.created_at), _day(key.last_used_at), ends
        )
    out.print(table)


@key_commands.command()
def revoke(key: Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it, or its prefix.")]) -> None:
    """End a key and its sessions for ever; running services go by it within two seconds."""
    prefix = key.removeprefix("haja_").partition("_")[0]

    async def end() -> None:
        async with _access() as access:
            await access.revoke_key(await access.id_of_prefix(prefix))

    asyncio.run(end())
    out.print(f"The key haja_{prefix}_… has ended.", highlight=False)


@asynccontextmanager
async def _access() -> AsyncIterator[AccessService]:
    settings = quiet_settings()
    schema.prepare(settings.database_url)
    who = Principal(None, f"{COMMAND_LINE.name} ({getpass.getuser()})", COMMAND_LINE.everywhere)
    database = Database(settings.database_url, settings.database_timeout_s)
    try:
        with acting_as(who):
            yield AccessService(database, CatalogRepository(), settings.session_hours)
    finally:
        await database.close()


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
