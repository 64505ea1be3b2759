"""Photo bytes travel from the database to object storage and back while the service runs."""

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from obstore.store import S3Store
from sqlalchemy import insert

from app.config import Settings
from app.main import create_app
from app.photos.tables import Blob, Photo
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import photo, photos
from tests.rest import classify, execute, register, row_counts

HAJA = [sys.executable, "-c", "from app.commands.main import main; main()"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def settings(make_settings: MakeSettings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A service with its photos in the database."""
    made = make_settings()
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    monkeypatch.delenv("HAJA_BLOBS", raising=False)
    return made


@asynccontextmanager
async def _service(settings: Settings, backbone: Backbone) -> AsyncIterator[httpx.AsyncClient]:
    service = create_app(settings, backbone)
    async with (
        service.router.lifespan_context(service),
        httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://127.0.0.1", timeout=60) as client,
    ):
        yield client


async def _all_seen(client: httpx.AsyncClient, answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        assert (await client.get(f"/v1/photos/{answer['photo']['id']}/thumbnail")).status_code == 200


def _objects(place: str) -> set[str]:
    store = S3Store.from_url(place, client_options={"allow_http": True})
    return {each["path"].rpartition("/")[2] for page in store.list() for each in page} - {"haja-probe"}


def _wait_for_the_first(place: str) -> None:
    for _ in range(3000):
        if _objects(place):
            return
        time.sleep(0.02)
    pytest.fail("nothing was moved in a minute")


async def _moving(client: httpx.AsyncClient, haja: Run, first: int, *arguments: str) -> list[dict[str, Any]]:
    """Run the command while the service classifies; its answers to the photos from `first` on."""
    command = asyncio.create_task(asyncio.to_thread(haja, "blobs", "move", *arguments))
    answers: list[dict[str, Any]] = []
    while not command.done():
        answers.append(await classify(client, photo("rust", first + len(answers))))
    code, out, err = await command
    assert code == 0, out + err
    return answers


async def test_there_and_back_while_requests_run(
    make_settings: MakeSettings, bucket: str, backbone: Backbone, haja: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = make_settings(blobs=bucket), make_settings()
    async with _service(here, backbone) as client:
        await register(client, "crack", photos("crack", range(5)))
        answers = [await classify(client, photo("rust", seed)) for seed in range(5)]
        answers += await _moving(client, haja, 100, "--to", bucket)
        await _all_seen(client, answers)
        code, _, err = await asyncio.to_thread(haja, "blobs", "move", "--to", bucket, "--remove")
        assert code == 2
        assert f"set HAJA_BLOBS={bucket} for the service" in err
    monkeypatch.setenv("HAJA_BLOBS", bucket)
    async with _service(there, backbone) as client:
        await _all_seen(client, answers)
        answers += await _moving(client, haja, 200, "--to", bucket, "--remove")
        await _all_seen(client, answers)
        assert row_counts(there)["blobs"] == 0
        assert len(_objects(bucket)) == row_counts(there)["photos"]
        assert (await asyncio.to_thread(haja, "check"))[0] == 0
        answers += await _moving(client, haja, 300, "--to", "database")
        await _all_seen(client, answers)
    monkeypatch.setenv("HAJA_BLOBS", "database")
    async with _service(here, backbone) as client:
        answers += await _moving(client, haja, 400, "--from", bucket, "--to", "database", "--remove")
        await _all_seen(client, answers)
        assert _objects(bucket) == set()
        assert (await asyncio.to_thread(haja, "check"))[0] == 0
        assert row_counts(here)["blobs"] == row_counts(here)["photos"] == 5 + len(answers)


async def test_a_run_that_is_killed_is_carried_on(
    settings: Settings, bucket: str, backbone: Backbone, haja: Run
) -> None:
    async with _service(settings, backbone) as client:
        await register(client, "crack", [photo()])
    now = datetime.now(UTC)
    # Too many to be moved between two looks at the storage.
    contents = {hashlib.sha256(data).hexdigest(): data for data in (number.to_bytes(10_000) for number in range(1500))}
    like = {"media_type": "image/jpeg", "byte_size": 10_000, "width": 9, "height": 9, "created_at": now}
    execute(settings.database_url, insert(Photo).values([{"sha256": sha256, **like} for sha256 in contents]))
    execute(
        settings.database_url, insert(Blob).values([{"sha256": key, "bytes": data} for key, data in contents.items()])
    )
    run = await asyncio.create_subprocess_exec(*HAJA, "blobs", "move", "--to", bucket, stdout=subprocess.DEVNULL)
    await asyncio.to_thread(_wait_for_the_first, bucket)
    run.kill()
    await run.wait()
    carried = len(_objects(bucket))
    assert carried < 1501
    code, out, err = await asyncio.to_thread(haja, "blobs", "move", "--to", bucket)
    assert code == 0, err
    assert f"{1501 - carried} photos were not in {bucket}; 0 faults." in out
    assert f"Now set HAJA_BLOBS={bucket} and restart the service" in out
    assert len(_objects(bucket)) == 1501


async def test_damaged_bytes_are_neither_carried_nor_removed(
    settings: Settings, bucket: str, backbone: Backbone, haja: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _service(settings, backbone) as client:
        made = await register(client, "crack", photos("crack", range(3)))
    damaged, lost, sound = (outcome["photo_id"] for outcome in made["photos"])
    url = settings.database_url
    execute(url, "UPDATE blobs SET bytes = :other WHERE sha256 = :id", other=b"\0", id=damaged)
    execute(url, "DELETE FROM blobs WHERE sha256 = :id", id=lost)
    code, out, _ = await asyncio.to_thread(haja, "blobs", "move", "--to", bucket)
    assert code == 1
    assert f"photo {damaged}: its bytes have changed" in out
    assert f"photo {lost}: its bytes are in neither place" in out
    assert _objects(bucket) == {sound}
    S3Store.from_url(bucket, client_options={"allow_http": True}).put(f"{sound[:2]}/{sound[2:4]}/{sound}", b"x")
    monkeypatch.setenv("HAJA_BLOBS", bucket)
    code, out, _ = await asyncio.to_thread(haja, "blobs", "move", "--to", bucket, "--remove")
    assert code == 1
    assert f"photo {sound}: its bytes are damaged at the target" in out
    assert row_counts(settings)["blobs"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--to", "database"), "From database to database is no move"),
        (("--to", "s3://one", "--from", "s3://other"), "From s3://other to s3://one is no move"),
        (("--to", "file:///photos"), "--to: it must be database, or look like s3://bucket"),
    ],
)
def test_what_is_no_move_is_a_sentence(haja: Run, arguments: tuple[str, ...], sentence: str) -> None:
    code, _, err = haja("blobs", "move", *arguments)
    assert code == 2
    assert sentence in err


def test_an_unusable_target_is_a_sentence(haja: Run, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    code, _, err = haja("blobs", "move", "--to", bucket)
    assert code == 1
    assert "AWS_SECRET_ACCESS_KEY is not the secret of this access key" in err
