"""API keys. Whoever may run these commands may read the database anyway, so they ask for no key."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from rich.markup import escape
from rich.table import Column, Table

from app.access.schemas import KeyCreate, KeyCreated, KeyOut
from app.access.service import AccessService
from app.acting import COMMAND_LINE, Principal, Role, acting_as
from app.api.pagination import every
from app.catalogs import repository as catalog_rows
from app.commands.output import err, out
from app.commands.settings import quiet_settings
from app.storage import schema
from app.storage.database import Database


def create_key(name: str, role: Role, catalogs: Sequence[str], days: int | None, email: str | None) -> None:
    """`haja keys create`."""
    wanted = KeyCreate(
        name=name,
        role=None if catalogs else role,
        catalogs=dict.fromkeys(catalogs, role),
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


def show_keys() -> None:
    """`haja keys list`."""

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


def revoke_key(key: str) -> None:
    """`haja keys revoke`."""
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
            yield AccessService(database, catalog_rows, settings.session_hours)
    finally:
        await database.close()


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
