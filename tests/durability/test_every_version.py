"""A database of each released version is brought to this one: nothing is lost, all agrees, and the service answers."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, insert, inspect, select

from app.config import Settings
from app.main import create_app
from app.serve import running
from app.storage import schema
from app.storage.tables import Base
from models.backbones import Backbone
from tests.drawn import photo, photos
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, files, register

Run = Callable[..., tuple[int, str, str]]
Rows = list[dict[str, Any]]

UNFILLED = {"discarded_blobs", "api_keys", "api_key_grants", "sign_ins"}
"""Tables that `_fill` leaves empty: whoever adds a table fills it there, or says here why not.

No released version had keys and sessions yet; with the next one, they are to be filled.
"""

KEY = {"Idempotency-Key": "sent-long-ago"}


async def _fill(client: httpx.AsyncClient) -> None:
    """Something in every table that a released version had."""
    sent = {"data": {"name": "crack"}, "files": files(photos("crack", range(4)))}
    crack = created(await client.post(CLASSES, **sent, headers=KEY))  # type: ignore[arg-type]
    rust = await register(client, "rust", photos("rust", range(3)), title_ko="녹물", severity="high")
    created(await client.post("/v1/catalogs", json={"name": "empty"}))
    for seed, verdict in ((7, "confirmed"), (8, "unknown")):
        judged = await classify(client, photo("rust", seed))
        word = {"verdict": verdict, "add_to_support": verdict == "confirmed", "note": "seen"}
        created(await client.post(f"/v1/classifications/{judged['id']}/feedback", json=word))
    await client.patch(f"/v1/classifications/{judged['id']}", json={"place": "B2", "note": "wet"})
    await client.patch(f"/v1/defect-classes/{rust['id']}", json={"name": "stain"})
    await client.delete(f"/v1/support-photos/{crack['photos'][0]['support_photo_id']}")
    sent_batch = files(photos("crack", range(20, 22)))
    job = (await client.post(f"{CLASSIFICATIONS}/batch", files=sent_batch)).json()["id"]
    assert "event: finished" in (await client.get(f"/v1/jobs/{job}/events")).text


def _tables(connection: Connection) -> list[Table]:
    """The tables and columns that a database has, whatever its version."""
    assert create_app is not None  # importing it has brought all tables into the metadata
    inspector = inspect(connection)
    there = {name: {each["name"] for each in inspector.get_columns(name)} for name in inspector.get_table_names()}
    return [
        Table(
            table.name,
            MetaData(),
            *(Column(each.name, each.type) for each in table.c if each.name in there[table.name]),
        )
        for table in Base.metadata.sorted_tables
        if table.name in there
    ]


def _read(engine: Engine) -> dict[str, Rows]:
    with engine.connect() as connection:
        tables = _tables(connection)
        return {table.name: [dict(row) for row in connection.execute(select(table)).mappings()] for table in tables}


def _write(engine: Engine, rows: dict[str, Rows]) -> dict[str, Rows]:
    """Write what of these rows the version of this database has a place for; gives that."""
    written = {}
    with engine.begin() as connection:
        for table in _tables(connection):
            kept = [{column.name: row[column.name] for column in table.c} for row in rows[table.name]]
            if kept:
                connection.execute(insert(table), kept)
            written[table.name] = kept
    return written


def _key(row: dict[str, Any]) -> list[str]:
    return sorted(f"{name} {value}" for name, value in row.items())


@pytest.mark.torture
async def test_every_released_version_keeps_its_rows_and_answers(
    empty_database_url: str,
    backbone: Backbone,
    haja: Run,
    monkeypatch: pytest.MonkeyPatch,
    runs: Callable[[int, int], int],
) -> None:
    """Filled by this version, and as each of them would have kept it: without the columns that came later.

    The short form takes every third version.
    """
    url = empty_database_url
    monkeypatch.setenv("HAJA_DATABASE_URL", url)
    settings = Settings(database_url=url, port=0)
    with running(settings, backbone) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await _fill(client)
    engine = schema.sync_engine(url)
    site = _read(engine)
    released = schema.revisions()
    assert len(released) >= 7
    assert {name for name, rows in site.items() if not rows} == UNFILLED
    for revision in released[:: runs(3, 1)]:
        schema.downgrade(url, "base")
        schema.upgrade(url, revision)
        old = _write(engine, site)
        assert (await asyncio.to_thread(haja, "migrate"))[0] == 0
        new = _read(engine)
        for name, rows in old.items():
            kept = [{column: row[column] for column in rows[0]} for row in new[name]] if rows else new[name]
            assert sorted(kept, key=_key) == sorted(rows, key=_key), f"{name} of {revision}"
        # What a newer version says of old rows is what it would have said at the time.
        assert _said(new) == _said(site), revision
        assert (await asyncio.to_thread(haja, "check"))[:2] == (0, "Database, photos and prototypes agree.\n")
        with running(settings, backbone) as address:
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:
                await _still_answers(client, site)
    engine.dispose()


def _said(site: dict[str, Rows]) -> list[object]:
    return [
        sorted((str(row["id"]), str(row["first_class_id"])) for row in site["classifications"]),
        sorted((row["name"], row["backbone_id"]) for row in site["catalogs"] if row["name"] != "empty"),
    ]


async def _still_answers(client: httpx.AsyncClient, site: dict[str, Rows]) -> None:
    history = (await client.get("/v1/classifications")).json()["items"]
    assert {each["id"] for each in history} == {str(row["id"]) for row in site["classifications"]}
    for each in history:
        assert (await client.get(f"/v1/photos/{each['photo']['id']}/thumbnail")).status_code == 200
    assert (await classify(client, photo("rust", 30)))["predictions"][0]["defect_class"]["name"] == "stain"
    assert (await classify(client, photo("crack", 30)))["predictions"][0]["defect_class"]["name"] == "crack"
    sent = {"data": {"name": "crack"}, "files": files(photos("crack", range(4)))}
    again = await client.post(CLASSES, **sent, headers=KEY)  # type: ignore[arg-type]
    assert created(again)["name"] == "crack"
    assert again.headers["idempotency-replayed"] == "true"
    await register(client, "brick", photos("brick", range(2)))
