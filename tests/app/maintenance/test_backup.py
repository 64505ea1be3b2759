"""`haja backup` and `haja restore`: from any database and place of photos into any other, while others write."""

import asyncio
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import inspect

from app.config import Settings
from app.maintenance.backup_reader import BackupReader
from app.maintenance.backup_rows import LEFT_OUT
from app.serve import running
from app.storage import schema
from app.storage.tables import Base
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import photo, photos
from tests.postgresql import PostgresServer
from tests.rest import CLASSIFICATIONS, classify, created, execute, files, register
from tests.service_process import HAJA

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def other_url(database_url: str, postgresql: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """An empty database of the other kind than `database_url`."""
    if database_url.startswith("postgresql"):
        yield f"sqlite:///{tmp_path}/other.db"
        return
    name = postgresql.create()
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture
def at(haja: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command of `haja` on a site."""

    def call(url: str, *arguments: object, blobs: str = "database") -> tuple[int, str, str]:
        monkeypatch.setenv("HAJA_DATABASE_URL", url)
        monkeypatch.setenv("HAJA_BLOBS", blobs)
        return haja(*arguments)

    return call


async def _fill(client: httpx.AsyncClient) -> None:
    """Something of everything."""
    crack = await register(client, "crack", photos("crack", range(3)), title_ko="균열")
    rust = await register(client, "rust", photos("rust", range(3)))
    await client.patch(
        f"/v1/defect-classes/{crack['id']}", json={"description": "thin \u2028 'lines'", "severity": "low"}
    )
    judged = await classify(client, photo("rust", 7))
    word = {"verdict": "corrected", "defect_class_id": rust["id"], "add_to_support": True, "note": "녹물"}
    created(await client.post(f"/v1/classifications/{judged['id']}/feedback", json=word))
    created(await client.post("/v1/catalogs", json={"name": "tower"}, headers={"Idempotency-Key": "k"}))
    await register(client, "gone", [photo("brick")], catalog="tower")
    (support,) = (await client.get(f"/v1/defect-classes/{rust['id']}/support-photos?limit=1")).json()["items"]
    await client.delete(f"/v1/support-photos/{support['id']}")
    sent = files(photos("crack", range(20, 23)))
    job = (await client.post(f"{CLASSIFICATIONS}/batch", files=sent)).json()["id"]
    assert "event: finished" in (await client.get(f"/v1/jobs/{job}/events")).text


async def _all_answers(client: httpx.AsyncClient) -> list[Any]:
    """What the service says about everything, and about photos that it has never seen."""
    paths = ["/v1/catalogs", "/v1/catalogs/default/defect-classes", "/v1/classifications", "/v1/jobs"]
    said = [(await client.get(path)).json() for path in [*paths, "/v1/catalogs/default/evaluation"]]
    for each in said[2]["items"]:
        thumbnail = await client.get(f"/v1/photos/{each['photo']['id']}/thumbnail")
        assert thumbnail.status_code == 200
        said.append(thumbnail.content)
    new = [
        await classify(client, data, top_k=9) for data in photos("crack", range(40, 43)) + photos("rust", range(40, 43))
    ]
    return said + [[each["predictions"], each["nearest"], each["threshold"], each["catalog_version"]] for each in new]


@pytest.mark.parametrize("place", ["database to objects", pytest.param("objects to database", marks=pytest.mark.long)])
async def test_the_restored_copy_answers_the_same(
    at: Callable[..., tuple[int, str, str]],
    database_url: str,
    other_url: str,
    make_settings: MakeSettings,
    backbone: Backbone,
    bucket: str,
    tmp_path: Path,
    place: str,
) -> None:
    """From SQLite to PostgreSQL and back, from the database to object storage and back."""
    here, there = ("database", bucket) if place == "database to objects" else (bucket, "database")
    file = tmp_path / "site.zip"
    with running(make_settings(blobs=here), backbone) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await _fill(client)
            code, out, err = await asyncio.to_thread(at, database_url, "backup", file, blobs=here)
            assert (code, err) == (0, "")
            assert f"{file} is written" in out
    # By a new process as well: products of float32 round by the place that a class has in the matrix.
    with running(make_settings(blobs=here), backbone) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            before = await _all_answers(client)
    code, out, err = await asyncio.to_thread(at, other_url, "restore", file, blobs=there)
    assert (code, err) == (0, "")
    assert "is restored, with 10 photos" in out
    assert (await asyncio.to_thread(at, other_url, "check", blobs=there))[:2] == (
        0,
        "Database, photos and prototypes agree.\n",
    )
    with running(make_settings(database_url=other_url, blobs=there), backbone) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            assert await _all_answers(client) == before


async def test_nothing_is_left_out(
    at: Callable[..., tuple[int, str, str]], client: httpx.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    """Every table that the database has is in the file, every column and every row of it; and every photo."""
    await _fill(client)
    assert (await asyncio.to_thread(at, settings.database_url, "backup", tmp_path / "site.zip"))[0] == 0
    engine = schema.sync_engine(settings.database_url)
    inspector = inspect(engine)
    with zipfile.ZipFile(tmp_path / "site.zip") as archive:
        tables = json.loads(archive.read("manifest.json"))["tables"]
        assert set(tables) == set(inspector.get_table_names()) - LEFT_OUT
        for name, entry in tables.items():
            assert set(entry["columns"]) == {column["name"] for column in inspector.get_columns(name)}
            ((count,),) = execute(settings.database_url, f"SELECT count(*) FROM {name}")  # noqa: S608
            assert entry["rows"] == count == len(archive.read(f"tables/{name}.jsonl").splitlines())
        for sha256, data in execute(settings.database_url, "SELECT sha256, bytes FROM blobs"):
            assert archive.read(f"photos/{sha256}") == data
    engine.dispose()


def test_no_table_counts_its_rows_by_itself() -> None:
    """A restore would have to move the counter of such a table, or the next row would fail on PostgreSQL."""
    counting = [table.name for table in Base.metadata.sorted_tables if table.autoincrement_column is not None]
    assert counting == []


class TestWhileOthersWrite:
    @pytest.fixture
    def writers(self, settings: Settings, backbone: Backbone) -> Iterator[str]:
        with running(settings, backbone) as address:
            yield address

    @pytest.mark.torture
    async def test_a_backup_is_one_moment_of_the_site(
        self,
        at: Callable[..., tuple[int, str, str]],
        settings: Settings,
        other_url: str,
        writers: str,
        tmp_path: Path,
        runs: Callable[[int, int], int],
    ) -> None:
        """Four callers add, classify, rename and remove the whole time."""
        ended = asyncio.Event()
        async with httpx.AsyncClient(base_url=writers, timeout=60) as client:
            await register(client, "first", photos("crack", range(3)))

            rounds = asyncio.Queue[int]()

            async def write(caller: int) -> int:
                count = 0
                while not ended.is_set():
                    seed = 1000 * caller + count
                    made = await register(client, f"class {seed}", photos("rust", range(seed, seed + 2)))
                    await classify(client, photo("crack", seed))
                    await client.patch(f"/v1/defect-classes/{made['id']}", json={"name": f"new {seed}"})
                    if count % 2:
                        await client.delete(f"/v1/defect-classes/{made['id']}")
                    count += 1
                    rounds.put_nowait(seed)
                return count

            writing = [asyncio.create_task(write(caller)) for caller in range(1, 5)]
            for number in range(runs(2, 8)):
                for _ in range(5):
                    await rounds.get()
                file = tmp_path / f"{number}.zip"
                assert (await asyncio.to_thread(at, settings.database_url, "backup", file))[0] == 0
            ended.set()
            written = sum(await asyncio.gather(*writing))
        for number in range(runs(2, 8)):
            url = other_url if number == 0 else f"sqlite:///{tmp_path}/copy-{number}.db"
            code, _, err = await asyncio.to_thread(at, url, "restore", tmp_path / f"{number}.zip")
            assert (code, err) == (0, "")
            code, out, _ = await asyncio.to_thread(at, url, "check")
            assert (code, out) == (0, "Database, photos and prototypes agree.\n")
        print(f"\n{runs(2, 8)} backups while {written} rounds were written")  # noqa: T201


def test_a_program_that_does_nothing_else_knows_every_table(migrated: Path, tmp_path: Path) -> None:
    """As a process of its own: in this one, somebody else has imported them."""
    done = subprocess.run(
        [*HAJA, "backup", str(tmp_path / "site.zip")],
        env=os.environ | {"HAJA_DATABASE_URL": f"sqlite:///{migrated}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with BackupReader(tmp_path / "site.zip") as backup:
        assert set(backup.manifest.tables) == set(Base.metadata.tables) - LEFT_OUT


@pytest.mark.long
@pytest.mark.parametrize("revision", schema.revisions())
def test_a_backup_of_every_older_schema_is_restored(at: Run, tmp_path: Path, revision: str) -> None:
    url = f"sqlite:///{tmp_path}/older.db"
    schema.upgrade(url, revision)
    execute(
        url,
        "INSERT INTO catalogs (id, name, title_ko, title_en, description, version, created_at) "
        "VALUES ('0199c2a5aaaa7cc39d0e5d2f0a1b2c3d', 'tower', '', '', '', 1, '2026-01-01 00:00:00')",
    )
    assert at(url, "backup", tmp_path / "older.zip")[0] == 0
    copy = f"sqlite:///{tmp_path}/copy.db"
    code, _, err = at(copy, "restore", tmp_path / "older.zip")
    assert (code, err) == (0, "")
    assert schema.known_revision(copy) == schema.head()
    assert ("tower",) in execute(copy, "SELECT name FROM catalogs")
