"""The service with its photos in a real object storage."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from obstore.store import S3Store

from app.config import Settings
from app.metrics import Metrics
from app.photos.blobs import in_objects
from app.services import open_services
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import photo, photos
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, execute, files, problem, register, row_counts

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings(make_settings: MakeSettings, database_url: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = make_settings(blobs=bucket)
    monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
    monkeypatch.setenv("HAJA_BLOBS", bucket)
    return made


@pytest.fixture
def objects(settings: Settings) -> S3Store:
    """The same storage, seen by another program."""
    return S3Store.from_url(settings.blobs, client_options={"allow_http": True})


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orphans are collected at once."""
    monkeypatch.setattr(in_objects, "GRACE", timedelta(seconds=-2))  # the storage's times are whole seconds


def _keys(objects: S3Store) -> set[str]:
    return {each["path"] for page in objects.list() for each in page} - {"haja-probe"}


def _key(data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


async def test_register_classify_see_and_replay(
    client: httpx.AsyncClient, settings: Settings, objects: S3Store, backbone: Backbone
) -> None:
    made = {kind: await register(client, kind, photos(kind, range(3))) for kind in ("crack", "rust")}
    answer = await classify(client, photo("rust", 9))
    assert answer["predictions"][0]["defect_class"]["name"] == "rust"
    kept = [photo("rust", 9), *photos("crack", range(3)), *photos("rust", range(3))]
    assert _keys(objects) == {_key(data) for data in kept}
    assert bytes(objects.get(_key(kept[0])).bytes()) == kept[0]
    assert row_counts(settings)["blobs"] == 0
    thumbnail = await client.get(f"/v1/photos/{answer['photo']['id']}/thumbnail")
    assert thumbnail.content.startswith(b"\xff\xd8")
    address = f"/v1/classifications/{answer['id']}"
    assert (await client.get(f"{address}/heatmap.png")).content.startswith(b"\x89PNG")
    feedback = {"verdict": "corrected", "defect_class_id": made["crack"]["id"], "add_to_support": True}
    created(await client.post(f"{address}/feedback", json=feedback))
    assert (await client.get(f"/v1/defect-classes/{made['crack']['id']}")).json()["shots"] == 4
    assert (await client.get("/readyz")).status_code == 200
    async with open_services(settings, Metrics(), backbone) as services:
        assert (await services.replays.replay(uuid.UUID(answer["id"]))).differences == []
    assert row_counts(settings)["blobs"] == 0


async def test_equal_requests_at_the_same_time_have_one_effect(client: httpx.AsyncClient, settings: Settings) -> None:
    sent = {"data": {"name": "crack"}, "files": files(photos("crack", range(2)))}
    headers = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(client.post(CLASSES, **sent, headers=headers) for _ in range(4)))  # type: ignore[arg-type]
    assert len({created(answer)["id"] for answer in answers}) == 1
    counts = row_counts(settings)
    assert (counts["defect_classes"], counts["support_photos"], counts["photos"]) == (1, 2, 2)


async def test_orphans_are_left_young_and_collected_old(
    app: FastAPI,  # noqa: ARG001
    client: httpx.AsyncClient,
    objects: S3Store,
    haja: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    answer = await classify(client, photo("crack", 1))
    assert (await client.delete(f"/v1/defect-classes/{made['id']}")).status_code == 204
    assert len(_keys(objects)) == 3, "no request deletes an object"
    gone = made["photos"][0]["photo_id"]
    problem(await client.get(f"/v1/photos/{gone}/thumbnail"), 404, "photo-not-found")
    objects.put("ab/notes.txt", b"not ours")
    code, out, err = await asyncio.to_thread(haja, "check", "--repair")
    assert (code, out) == (0, "0 blobs that no photo owned were removed.\nDatabase, photos and prototypes agree.\n"), (
        err
    )
    monkeypatch.setattr(in_objects, "GRACE", timedelta(seconds=-2))
    code, out, err = await asyncio.to_thread(haja, "check")
    assert (code, out.count(": no photo owns it\n")) == (1, 2), err
    assert f"blob {gone}: no photo owns it" in out
    code, out, err = await asyncio.to_thread(haja, "check", "--repair")
    assert (code, out) == (0, "2 blobs that no photo owned were removed.\nDatabase, photos and prototypes agree.\n"), (
        err
    )
    assert _keys(objects) == {_key(photo("crack", 1)), "ab/notes.txt"}
    assert (await client.get(f"/v1/photos/{answer['photo']['id']}/thumbnail")).status_code == 200


async def test_missing_and_changed_objects_are_named(
    client: httpx.AsyncClient, objects: S3Store, haja: Run, settings: Settings
) -> None:
    made = await register(client, "crack", photos("crack", range(3)))
    first, second, _ = photos("crack", range(3))
    objects.put(_key(first), b"other bytes")
    objects.delete(_key(second))
    ids = [outcome["photo_id"] for outcome in made["photos"]]
    code, out, _ = await asyncio.to_thread(haja, "check", "--repair")
    assert code == 1
    assert f"photo {ids[0]}: its bytes have changed\n" in out
    assert f"photo {ids[1]}: its bytes are missing\n" in out
    assert ids[2] not in out
    problem(await client.get(f"/v1/photos/{ids[1]}/thumbnail"), 404, "photo-not-found")
    # Whoever sends the photo again brings its bytes back.
    await classify(client, first)
    await classify(client, second)
    assert (await asyncio.to_thread(haja, "check"))[0] == 0
    assert row_counts(settings)["blobs"] == 0


async def test_a_probe_that_was_taken_away_comes_back(client: httpx.AsyncClient, objects: S3Store) -> None:
    objects.delete("haja-probe")
    assert (await client.get("/readyz")).status_code == 200
    assert objects.head("haja-probe")["size"] == 4


async def test_what_the_database_still_holds_is_found(
    client: httpx.AsyncClient, settings: Settings, objects: S3Store
) -> None:
    answer = await classify_one(client)
    data = bytes(objects.get(_key(photo("crack", 9))).bytes())
    objects.delete(_key(data))
    execute(settings.database_url, "INSERT INTO blobs VALUES (:id, :data)", id=answer["photo"]["id"], data=data)
    assert (await client.get(f"/v1/photos/{answer['photo']['id']}/thumbnail")).status_code == 200


async def classify_one(client: httpx.AsyncClient) -> dict[str, Any]:
    """The answer to a photo that is no example."""
    await register(client, "crack", [photo()])
    return await classify(client, photo("crack", 9))


@pytest.mark.both_databases
class TestAnOrphanIsUploadedAgain:
    """Whatever the order of the upload's put, of its transaction and of the orphan's end, no photo is without bytes."""

    @pytest.fixture
    async def orphan(self, client: httpx.AsyncClient, no_grace: None) -> bytes:  # noqa: ARG002
        made = await register(client, "crack", photos("crack", range(2)))
        support = made["photos"][0]["support_photo_id"]
        assert (await client.delete(f"/v1/support-photos/{support}")).status_code == 204
        return photo("crack", 0)

    async def _is_whole(self, client: httpx.AsyncClient, app: FastAPI, sent: httpx.Response, haja: Run) -> None:
        answer = created(sent)
        assert (await client.get(f"/v1/photos/{answer['photo']['id']}/thumbnail")).status_code == 200
        assert await app.state.blobs.get(answer["photo"]["id"]) is not None
        assert (await asyncio.to_thread(haja, "check"))[0] == 0

    async def test_before_its_put(self, app: FastAPI, client: httpx.AsyncClient, orphan: bytes, haja: Run) -> None:
        assert await app.state.blobs.remove_orphans() == 1
        sent = await client.post(CLASSIFICATIONS, files=files([orphan], "photo"))
        await self._is_whole(client, app, sent, haja)

    async def test_between_its_put_and_its_transaction(
        self, app: FastAPI, client: httpx.AsyncClient, orphan: bytes, haja: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blobs = app.state.blobs
        store = blobs.store
        removed = []

        async def store_then_lose(contents: dict[str, bytes]) -> None:
            await store(contents)
            removed.append(await blobs.remove_orphans())

        monkeypatch.setattr(blobs, "store", store_then_lose)
        sent = await client.post(CLASSIFICATIONS, files=files([orphan], "photo"))
        assert removed == [1]
        await self._is_whole(client, app, sent, haja)

    @pytest.mark.parametrize("whole_request", [True, False])
    async def test_while_it_is_being_deleted(
        self,
        app: FastAPI,
        client: httpx.AsyncClient,
        orphan: bytes,
        haja: Run,
        monkeypatch: pytest.MonkeyPatch,
        whole_request: bool,
    ) -> None:
        """The delete reaches the storage after the upload's put: before its transaction, or after its answer."""
        blobs = app.state.blobs
        delete, store = blobs._objects.delete, blobs.store
        reached, proceed, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def late_delete(sha256s: list[str]) -> None:
            reached.set()
            await proceed.wait()
            await delete(sha256s)
            done.set()

        async def store_then_wait(contents: dict[str, bytes]) -> None:
            await store(contents)
            if not whole_request:
                proceed.set()
                await done.wait()

        monkeypatch.setattr(blobs._objects, "delete", late_delete)
        monkeypatch.setattr(blobs, "store", store_then_wait)
        repair = asyncio.create_task(blobs.remove_orphans())
        await reached.wait()
        sent = await client.post(CLASSIFICATIONS, files=files([orphan], "photo"))
        proceed.set()
        assert await repair == 1
        await self._is_whole(client, app, sent, haja)

    async def test_after_its_transaction(
        self, app: FastAPI, client: httpx.AsyncClient, orphan: bytes, haja: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The orphan was found before the upload, and is looked at again before it is deleted."""
        blobs = app.state.blobs
        orphans = blobs.orphans
        sent = []

        async def found_long_ago() -> list[str]:
            found: list[str] = await orphans()
            sent.append(await client.post(CLASSIFICATIONS, files=files([orphan], "photo")))
            return found

        monkeypatch.setattr(blobs, "orphans", found_long_ago)
        assert await blobs.remove_orphans() == 0
        monkeypatch.setattr(blobs, "orphans", orphans)
        await self._is_whole(client, app, sent[0], haja)
