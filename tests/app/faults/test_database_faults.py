"""A database that is locked, gone or full: said as such, nothing half stored, and well again without a restart."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import event, make_url
from starlette.formparsers import MultiPartParser

from app.config import Settings
from app.serve import running
from app.storage import schema
from app.storage.sqlite_writer import SqliteWriter
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import encode, photo, photos
from tests.rest import (
    CLASSES,
    CLASSIFICATIONS,
    classify,
    created,
    database_failures,
    files,
    nothing_stored,
    problem,
    register,
)

pytestmark = pytest.mark.only_on("sqlite", "PostgreSQL has no file of its own, and its locks are of rows")


def database_file(settings: Settings) -> str:
    """The path of the SQLite file."""
    path = make_url(settings.database_url).database
    assert path
    return path


def connect(settings: Settings) -> sqlite3.Connection:
    """A connection of its own to the service's database; every statement commits by itself."""
    return sqlite3.connect(database_file(settings), isolation_level=None, timeout=10)


def noise(seed: int, side: int) -> bytes:
    """A photo that no compression makes small: about 3 bytes a pixel."""
    return encode(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8), "PNG")


class TestLocked:
    @pytest.fixture
    def settings(self, make_settings: MakeSettings) -> Settings:
        return make_settings(database_timeout_s=1)

    async def test_writes_answer_503_until_the_lock_is_gone(
        self, remote: httpx.AsyncClient, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = await register(remote, "crack", [photo()])
        headers = {"Idempotency-Key": "after-the-lock"}
        with nothing_stored(settings), closing(connect(settings)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for answer in (
                await remote.post(CLASSIFICATIONS, files=files([photo()], "photo"), headers=headers),
                await remote.post(CLASSES, data={"name": "rust"}, files=files([photo("rust")])),
                await remote.patch(f"/v1/defect-classes/{made['id']}", json={"name": "x"}),
                await remote.delete(f"/v1/defect-classes/{made['id']}"),
                await remote.post("/v1/catalogs", json={"name": "x"}),
            ):
                problem(answer, 503, "database-unavailable")
                assert int(answer.headers["retry-after"]) >= 1
            assert set(database_failures(caplog)) == {"OperationalError('database is locked')"}
            # Reading goes on: in WAL a writer keeps nobody from it.
            assert (await remote.get("/v1/classifications")).json()["items"] == []
            other.execute("ROLLBACK")
        created(await remote.post(CLASSIFICATIONS, files=files([photo()], "photo"), headers=headers))

    async def test_no_writer_waits_for_all_the_writers_before_it(
        self, remote: httpx.AsyncClient, settings: Settings
    ) -> None:
        with closing(connect(settings)) as other:
            other.execute("BEGIN EXCLUSIVE")
            # One after the other, each with its own wait for the lock, they would take a hundred seconds.
            async with asyncio.timeout(50):
                sent = [remote.post("/v1/catalogs", json={"name": f"c{number}"}) for number in range(100)]
                for answer in await asyncio.gather(*sent):
                    problem(answer, 503, "database-unavailable")


class TestGone:
    @pytest.fixture
    def settings(self, make_settings: MakeSettings) -> Settings:
        return make_settings(database_timeout_s=2)

    async def test_a_file_that_was_moved_away_is_503_and_comes_back_without_a_restart(
        self, remote: httpx.AsyncClient, settings: Settings
    ) -> None:
        await register(remote, "crack", [photo()])
        told = await classify(remote, photo(seed=1))
        path = Path(database_file(settings))
        away = path.with_name("away.db")
        with nothing_stored(settings):
            path.rename(away)  # noqa: ASYNC240 - the service runs in a thread of its own
            for answer in (
                await remote.get("/v1/classifications"),
                await remote.get("/readyz"),
                await remote.post(CLASSIFICATIONS, files=files([photo(seed=2)], "photo")),
                await remote.post(CLASSES, data={"name": "rust"}, files=files([photo("rust")])),
                await remote.get(f"/v1/photos/{told['photo']['id']}/thumbnail"),
            ):
                problem(answer, 503, "database-unavailable")
            assert (await remote.get("/livez")).status_code == 200
            # Starting anew in an empty file would look like the loss of everything.
            assert not path.exists()  # noqa: ASYNC240
            away.rename(path)
            assert (await remote.get("/readyz")).status_code == 200
        assert (await remote.get(f"/v1/classifications/{told['id']}")).json() == told
        await classify(remote, photo(seed=2))

    async def test_another_file_in_its_place_is_what_is_read_and_written(
        self, remote: httpx.AsyncClient, settings: Settings, migrated: Path
    ) -> None:
        """An operator puts a backup back while the service runs: no connection may go on in the old file."""
        created(await remote.post("/v1/catalogs", json={"name": "old"}))
        path = Path(database_file(settings))
        with closing(connect(settings)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _replace(path, migrated)
        assert (await remote.get("/v1/catalogs")).json()["items"] == []
        created(await remote.post("/v1/catalogs", json={"name": "new"}))
        with closing(connect(settings)) as connection:
            assert connection.execute("SELECT name FROM catalogs").fetchall() == [("new",)]


async def _close_connections(writer: SqliteWriter) -> None:
    await writer.engine.dispose()
    writer._engine_in_thread.dispose()


class TestFull:
    async def test_no_room_for_more_pages_is_507(
        self, app: FastAPI, client: httpx.AsyncClient, settings: Settings
    ) -> None:
        """SQLite's own limit of pages stands for a disk without room."""
        writer = app.state.database._writer
        engines = writer.engine.sync_engine, writer._engine_in_thread
        await register(client, "crack", [photo()])
        with closing(connect(settings)) as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
        limit = [pages + 2]

        def restrict(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA max_page_count = {limit[0]}").close()

        for engine in engines:
            event.listen(engine, "connect", restrict)
        await _close_connections(writer)
        with nothing_stored(settings):
            answer = await client.post(CLASSIFICATIONS, files=files([noise(1, 200)], "photo"))
            problem(answer, 507, "storage-full")
            answer = await client.post(CLASSES, data={"name": "full"}, files=files([noise(2, 200)]))
            problem(answer, 507, "storage-full")
            assert (await client.get("/v1/classifications")).json()["items"] == []
        limit[0] = 2**30
        await _close_connections(writer)
        created(await client.post(CLASSIFICATIONS, files=files([noise(1, 200)], "photo")))

    async def test_a_full_disk_is_507_and_well_again_when_there_is_room(
        self, small_disk: Path, make_settings: MakeSettings, backbone: Backbone
    ) -> None:
        settings = make_settings(database_url=f"sqlite:///{small_disk}/haja.db")
        schema.prepare(settings.database_url)
        with running(settings, backbone) as address:
            async with httpx.AsyncClient(base_url=address, timeout=30) as client:
                await register(client, "crack", [photo()])
                ballast = small_disk / "ballast"
                _fill(ballast, leave=200_000)
                with nothing_stored(settings):
                    answer = await client.post(CLASSIFICATIONS, files=files([noise(1, 300)], "photo"))
                    problem(answer, 507, "storage-full")
                    answer = await client.post(CLASSES, data={"name": "full"}, files=files([noise(2, 300)]))
                    problem(answer, 507, "storage-full")
                assert (await client.get("/v1/catalogs/default")).status_code == 200
                ballast.unlink()
                await classify(client, noise(1, 300))
                assert (await register(client, "full", photos("rust", range(2))))["shots"] == 2

    async def test_no_room_for_the_upload_itself_is_507(
        self, small_disk: Path, client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Large uploads wait in the temporary folder, which may be full while the database's disk is not."""
        await register(client, "crack", [photo()])
        _fill(small_disk / "ballast", leave=100_000)
        monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
        with nothing_stored(settings):
            large = photo() + bytes(MultiPartParser.spool_max_size + 1_000_000)
            answer = await client.post(CLASSIFICATIONS, files=files([large], "photo"))
            problem(answer, 507, "storage-full")
        await classify(client, photo())


def _replace(path: Path, backup: Path) -> None:
    """Put another database where this one is."""
    path.rename(path.with_name("old.db"))
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    path.write_bytes(backup.read_bytes())


def _fill(ballast: Path, leave: int) -> None:
    """Fill the disk that `ballast` lies on, but for `leave` bytes."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(16_384))
        except OSError:
            file.truncate(file.tell() - leave)
