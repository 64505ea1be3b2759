"""Disks that fill up under the service: 507, nothing stored by half, reading goes on, well again when there is room."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import make_url
from starlette.formparsers import MultiPartParser

from app.config import Settings
from app.serve import running
from app.storage import schema
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import encode, photo
from tests.postgresql import PostgresServer
from tests.rest import CLASSES, CLASSIFICATIONS, classify, execute, files, nothing_stored, problem, register

Run = Callable[..., tuple[int, str, str]]

WELL = (0, "Database, photos and prototypes agree.\n")


def noise(seed: int, side: int) -> bytes:
    """A photo that no compression makes small: about 3 bytes a pixel."""
    return encode(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8), "PNG")


def resize(disk: Path, megabytes: int) -> None:
    """Give the file system another size, as an operator makes room."""
    command = ["mount", "-o", f"remount,size={megabytes}m", str(disk)]
    subprocess.run(command, check=True)


@pytest.fixture
def check(haja: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], tuple[int, str]]:
    """What `haja check` says."""

    def call(settings: Settings) -> tuple[int, str]:
        monkeypatch.setenv("HAJA_DATABASE_URL", settings.database_url)
        return haja("check")[:2]

    return call


@pytest.fixture
def on_small_disk(
    request: pytest.FixtureRequest, database_url: str, small_disk: Path, make_settings: MakeSettings
) -> Iterator[Settings]:
    """Settings with a database on the small disk."""
    if database_url.startswith("sqlite"):
        url = f"sqlite:///{small_disk}/haja.db"
        schema.prepare(url)
        yield make_settings(database_url=url)
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    resize(small_disk, 16)  # an empty database takes 8
    space = small_disk / "space"
    space.mkdir()
    owner = server.folder.stat()
    for path in (small_disk, space):
        os.chown(path, owner.st_uid, owner.st_gid)
    for parent in small_disk.parents:  # pytest's own folders are private, and the server is another user
        parent.chmod(parent.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
    server.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
    name = server.create(migrated=True)
    server.execute(f"ALTER DATABASE {name} SET TABLESPACE small")
    try:
        yield make_settings(database_url=server.url(name))
    finally:
        server.drop(name)
        server.execute("DROP TABLESPACE small")


async def test_requests_until_nothing_fits_any_more(
    on_small_disk: Settings, small_disk: Path, backbone: Backbone, check: Callable[[Settings], tuple[int, str]]
) -> None:
    """Registering, classifying, batches and feedback, large and small, until each has been refused a few times."""
    with running(on_small_disk, backbone) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await register(client, "crack", [photo()])
            first = await classify(client, photo(seed=1))
            answered: list[str] = []
            refused: dict[str, dict[str, Any]] = {}
            wanted = {"classify", "register", "batch"}
            for number in range(300):
                kind, sent = _request(number, first["id"])
                before = await _holds(client)
                answer = await client.post(**sent)
                if answer.is_success:
                    answered += [answer.json()["id"]] if kind == "classify" else []
                    continue
                problem(answer, 507, "storage-full")
                assert await _holds(client) == before
                refused[kind] = sent
                if wanted <= set(refused):
                    break
            assert wanted <= set(refused)
            assert (await client.get("/readyz")).status_code == 200
            for each in answered:
                photo_id = (await client.get(f"/v1/classifications/{each}")).json()["photo"]["id"]
                assert (await client.get(f"/v1/photos/{photo_id}/thumbnail")).status_code == 200
            assert await asyncio.to_thread(check, on_small_disk) == WELL
            resize(small_disk, 64)
            for sent in refused.values():
                assert (await client.post(**sent)).is_success
            assert execute(on_small_disk.database_url, "SELECT count(*) FROM jobs WHERE NOT ready") == [(0,)]
            for job in (await client.get("/v1/jobs?limit=200")).json()["items"]:
                assert "event: finished" in (await client.get(f"/v1/jobs/{job['id']}/events")).text
            assert await asyncio.to_thread(check, on_small_disk) == WELL
        print(f"\n{number} requests until {', '.join(refused)} were refused")  # noqa: T201


def _request(number: int, classification: str) -> tuple[str, dict[str, Any]]:
    kind = ("classify", "register", "batch", "feedback")[number % 4]
    data = noise(number, (40, 200, 700)[number % 3])
    headers = {"Idempotency-Key": f"key-{number}"}
    if kind == "classify":
        return kind, {"url": CLASSIFICATIONS, "files": files([data], "photo"), "headers": headers}
    if kind == "register":
        return kind, {"url": CLASSES, "data": {"name": f"c{number}"}, "files": files([data]), "headers": headers}
    if kind == "batch":
        return kind, {"url": f"{CLASSIFICATIONS}/batch", "files": files([data, noise(number, 50)]), "headers": headers}
    return kind, {"url": f"/v1/classifications/{classification}/feedback", "json": {"verdict": "confirmed"}}


async def _holds(client: httpx.AsyncClient) -> list[Any]:
    """What requests have brought; what the batches among them have led to by now is left out."""
    paths = ("/v1/catalogs/default", f"{CLASSES}?limit=200", "/v1/jobs?limit=200")
    catalog, classes, jobs = [(await client.get(path)).json() for path in paths]
    return [catalog, classes, [(job["id"], job["total"]) for job in jobs["items"]]]


@pytest.mark.only_on("sqlite", "PostgreSQL's log is its operator's")
async def test_a_log_that_somebody_keeps_from_being_emptied(
    on_small_disk: Settings, backbone: Backbone, check: Callable[[Settings], tuple[int, str]]
) -> None:
    """A program that reads for hours, such as a backup, makes SQLite's log grow with every change: until 507."""
    path = make_url(on_small_disk.database_url).database
    with running(on_small_disk, backbone) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            made = await register(client, "crack", [photo()])
            crack = f"/v1/defect-classes/{made['id']}"
            with closing(sqlite3.connect(str(path), isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM photos").fetchall()
                for number in range(1000):
                    answer = await client.patch(crack, json={"description": f"{number}"})
                    if answer.status_code != 200:
                        break
                problem(answer, 507, "storage-full")
                assert (await client.get(crack)).json()["description"] == f"{number - 1}"
                reader.execute("ROLLBACK")
            # Its room is used again, although the disk is as full as before: who finds it full empties it for the next.
            problem(await client.patch(crack, json={"description": "once more"}), 507, "storage-full")
            answer = await client.patch(crack, json={"description": "last"})
            assert answer.status_code == 200, answer.text
            assert await asyncio.to_thread(check, on_small_disk) == WELL


async def test_a_batch_needs_no_room_for_temporary_files(
    small_disk: Path, client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read photo by photo, and each goes to where it stays."""
    await register(client, "crack", [photo()])
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    resize(small_disk, 1)
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    large = [noise(seed, 1700) for seed in range(2)]
    assert all(len(data) > MultiPartParser.spool_max_size for data in large)
    with nothing_stored(settings):
        problem(await client.post(CLASSIFICATIONS, files=files(large[:1], "photo")), 507, "storage-full")
    assert (await client.post(f"{CLASSIFICATIONS}/batch", files=files(large))).status_code == 202
