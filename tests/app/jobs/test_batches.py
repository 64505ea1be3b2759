"""Batches as their callers see them."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.config import Settings
from app.errors import EmbedderUnavailable
from app.jobs import receiving, repository, worker
from app.jobs.service import WATCH_S
from app.jobs.tables import Job, JobItem
from app.jobs.worker import BatchWorker
from app.maintenance.check import find_faults
from tests.drawn import photo, photos
from tests.rest import CLASSIFICATIONS, classify, created, execute, files, nothing_stored, problem, register, row_counts

BATCH = f"{CLASSIFICATIONS}/batch"


async def _send(client: httpx.AsyncClient, contents: list[bytes], **options: Any) -> dict[str, Any]:
    answer = await client.post(BATCH, files=files(contents), **options)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def _finished(client: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job, followed by its events to the end."""
    last: dict[str, Any] = {}
    async with client.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=120) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in events.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
                assert (name == "finished") == (last["state"] == "finished")
    assert last["state"] == "finished"
    return last


async def _results(client: httpx.AsyncClient, job: dict[str, Any], limit: int = 200) -> list[dict[str, Any]]:
    found, position = [], 0
    while position is not None:
        page = (await client.get(f"/v1/jobs/{job['id']}/results", params={"limit": limit, "position": position})).json()
        assert len(page["items"]) <= limit
        found += page["items"]
        position = page["next_position"]
    return found


async def _register(client: httpx.AsyncClient) -> None:
    for kind in ("crack", "rust"):
        await register(client, kind, photos(kind, range(3)))


async def test_a_batch_is_answered_like_its_photos_one_by_one(client: httpx.AsyncClient, app: FastAPI) -> None:
    await _register(client)
    contents = [photo("crack", 7), b"no photo", *photos("rust", range(7, 10)), photo("crack", 7)]
    job = await _send(client, contents, params={"top_k": 1, "coverage": 0.9})
    assert (job["kind"], job["catalog"], job["total"], job["failed"]) == ("classify", "default", 6, 1)
    done = await _finished(client, job)
    assert (done["done"], done["failed"]) == (5, 1)
    assert (await client.get(f"/v1/jobs/{job['id']}")).json() == done
    assert (await client.get("/v1/jobs")).json()["items"] == [done]
    results = await _results(client, job, limit=2)
    assert [(each["position"], each["filename"]) for each in results] == [(n, f"{n}.jpg") for n in range(6)]
    assert results[1]["state"] == "failed"
    assert results[1]["problem"]["code"] == "photo-type-unsupported"
    for each, data in zip(results, contents, strict=True):
        if each["state"] == "done":
            alone = await classify(client, data, top_k=1)
            answer = each["classification"]
            assert answer["predictions"] == alone["predictions"]
            assert answer["photo"]["id"] == alone["photo"]["id"]
            assert answer["prediction_set"]["coverage"] == 0.9
            assert answer == (await client.get(f"/v1/classifications/{answer['id']}")).json()
    assert await find_faults(app.state.database, app.state.blobs) == []


async def test_the_same_batch_under_the_same_key_is_one_batch(client: httpx.AsyncClient, settings: Settings) -> None:
    await _register(client)
    headers = {"Idempotency-Key": "monday"}
    first = await _send(client, photos("rust", range(4, 8)), headers=headers)
    await _finished(client, first)
    counts = row_counts(settings)
    again = await client.post(BATCH, files=files(photos("rust", range(4, 8))), headers=headers)
    assert (again.status_code, again.json()) == (202, first)
    assert again.headers["idempotency-replayed"] == "true"
    other = await client.post(BATCH, files=files(photos("rust", range(4, 9))), headers=headers)
    problem(other, 422, "idempotency-key-reused")
    assert row_counts(settings) == counts
    assert counts["classifications"] == 4


async def test_requests_that_make_no_batch_store_nothing(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(await client.post(BATCH, files=files([photo()])), 409, "catalog-empty")
    await _register(client)
    monkeypatch.setattr(receiving, "MAX_PHOTOS", 20)
    whole = files([photo()])
    with nothing_stored(settings):
        problem(await client.post("/v1/catalogs/nowhere/classifications/batch", files=whole), 404, "catalog-not-found")
        problem(await client.post(BATCH, files=files(photos("rust", range(21)))), 422, "too-many-photos")
        problem(await client.post(BATCH, files=files([photo()], "photo")), 422, "request-invalid")
        problem(await client.post(BATCH, json={"photos": []}), 422, "request-invalid")
        problem(await client.post(BATCH, data={"note": "x"}, files=files([])), 422, "request-invalid")
        problem(await client.post(BATCH, files=whole, params={"top_k": 0}), 422, "request-invalid")
        body = httpx.Request("POST", "http://haja", files=whole)
        sent = {"content-type": body.headers["content-type"]}
        problem(await client.post(BATCH, content=body.read()[:-20], headers=sent), 422, "request-invalid")
        boundary = sent["content-type"].partition("boundary=")[2]
        problem(await client.post(BATCH, content=f"--{boundary}--\r\n".encode(), headers=sent), 422, "no-photos")


async def test_a_caller_who_hangs_up_leaves_nothing(remote: httpx.AsyncClient, settings: Settings) -> None:
    await _register(remote)
    request = remote.build_request("POST", BATCH, files=files(photos("rust", range(40))))
    body = request.read()
    reader, writer = await asyncio.open_connection(remote.base_url.host, remote.base_url.port)
    before = row_counts(settings)
    head = f"POST {BATCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Content-Type: {request.headers['content-type']}\r\n\r\n".encode() + body[: len(body) * 3 // 4])
    await writer.drain()
    for _ in range(600):
        if row_counts(settings)["job_items"]:
            break
        await asyncio.sleep(0.05)
    assert row_counts(settings)["job_items"] >= receiving.GROUP_PHOTOS
    writer.close()
    for _ in range(600):
        if row_counts(settings) == before:
            break
        await asyncio.sleep(0.05)
    assert row_counts(settings) == before
    assert reader.at_eof() or not await reader.read()


async def test_a_batch_waits_while_something_is_out_of_reach(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _register(client)
    monkeypatch.setattr(worker, "PAUSE_S", 0.05)
    embed = app.state.embedder.embed
    refused: list[int] = []

    async def embed_later(pixels: Any) -> Any:
        if len(refused) < 4:
            refused.append(1)
            raise EmbedderUnavailable("Not now.")
        return await embed(pixels)

    monkeypatch.setattr(app.state.embedder, "embed", embed_later)
    job = await _send(client, photos("crack", range(5, 9)))
    assert (await _finished(client, job))["done"] == 4


async def test_deleting_a_job_stops_it_and_keeps_what_was_answered(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings
) -> None:
    await _register(client)
    job = await _send(client, photos("brick", range(30)))
    assert (await client.delete(f"/v1/jobs/{job['id']}")).status_code == 204
    problem(await client.get(f"/v1/jobs/{job['id']}"), 404, "job-not-found")
    problem(await client.get(f"/v1/jobs/{job['id']}/events"), 404, "job-not-found")
    problem(await client.get(f"/v1/jobs/{job['id']}/results"), 404, "job-not-found")
    problem(await client.delete(f"/v1/jobs/{job['id']}"), 404, "job-not-found")
    await asyncio.sleep(0.3)
    counts = row_counts(settings)
    assert (counts["jobs"], counts["job_items"]) == (0, 0)
    assert counts["photos"] == 6 + counts["classifications"]
    assert await find_faults(app.state.database, app.state.blobs) == []


async def test_all_who_follow_jobs_share_one_look_at_the_database(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _register(client)
    looks: list[set[uuid.UUID]] = []
    look = repository.some_jobs

    async def counted(session: Any, job_ids: set[uuid.UUID]) -> Any:
        looks.append(job_ids)
        return await look(session, job_ids)

    monkeypatch.setattr(repository, "some_jobs", counted)
    async with _stopped(app):
        jobs = [await _send(client, photos("crack", range(start, start + 2))) for start in (5, 7)]
        followers = [asyncio.create_task(_finished(client, job)) for job in [*jobs, jobs[0], jobs[0], jobs[1]]]
        deleted = await _send(client, [photo("rust", 9)])
        left = asyncio.create_task(client.get(f"/v1/jobs/{deleted['id']}/events"))
        await _until(lambda: any(len(each) == 3 for each in looks))
        await client.delete(f"/v1/jobs/{deleted['id']}")
        assert (await left).text.count("event: progress") == 1
        seen, began = len(looks), time.monotonic()
        await _until(lambda: len(looks) >= seen + 3)
        # However many follow: three looks, and twice the time between two of them.
        assert time.monotonic() - began >= 2 * WATCH_S
        assert looks[-1] == {uuid.UUID(job["id"]) for job in jobs}
        worker_task = asyncio.create_task(app.state.batch_worker.run())
        done = await asyncio.gather(*followers)
        worker_task.cancel()
    assert [each["id"] for each in done] == [job["id"] for job in [*jobs, jobs[0], jobs[0], jobs[1]]]
    ended = len(looks)
    await asyncio.sleep(2 * WATCH_S)
    assert len(looks) == ended  # nobody follows


async def test_a_worker_stops_also_when_work_comes_at_that_moment(app: FastAPI) -> None:
    await asyncio.sleep(0.3)  # it has looked for work, and waits
    app.state.batch_worker.wake()
    app.state.batch_task.cancel()
    done, _ = await asyncio.wait([app.state.batch_task], timeout=60)
    assert done


@pytest.mark.both_databases
async def test_a_catalog_takes_its_jobs_along(client: httpx.AsyncClient, settings: Settings) -> None:
    created(await client.post("/v1/catalogs", json={"name": "site"}))
    await register(client, "crack", [photo()], catalog="site")
    address = "/v1/catalogs/site/classifications/batch"
    answer = await client.post(address, files=files(photos("crack", range(20))))
    assert (await client.delete("/v1/catalogs/site")).status_code == 204
    problem(await client.get(f"/v1/jobs/{answer.json()['id']}"), 404, "job-not-found")
    await asyncio.sleep(0.3)
    counts = row_counts(settings)
    assert (counts["photos"], counts["jobs"], counts["job_items"], counts["classifications"]) == (0, 0, 0, 0)


@pytest.mark.both_databases
async def test_a_photo_whose_worker_died_is_claimed_again_but_not_for_ever(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings
) -> None:
    await _register(client)
    async with _stopped(app):
        job = await _send(client, photos("rust", range(3, 6)))
        soon, past = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=1)
        for position, until, attempts in ((0, soon, 1), (1, past, worker.TRIES), (2, past, 1)):
            changed = update(JobItem).where(JobItem.position == position)
            execute(settings.database_url, changed.values(claimed_until=until, attempts=attempts))
        batch_worker = _worker(app)
        while await batch_worker.work_once():
            pass
    states = [each["state"] for each in await _results(client, job)]
    assert states == ["waiting", "failed", "done"]
    assert (await _results(client, job))[1]["problem"]["code"] == "given-up"


@pytest.mark.both_databases
async def test_two_workers_never_answer_a_photo_twice(client: httpx.AsyncClient, app: FastAPI) -> None:
    """The second has claimed it when the lease of the first, which was only slow, had run out."""
    await _register(client)
    async with _stopped(app):
        job = await _send(client, [photo("rust", 5)])
        database = app.state.database
        async with database.writing() as session:
            (claimed,) = await repository.claim(session, 1)
        slow = worker._ItemGuard(claimed[0])
        async with database.writing() as session:
            await repository.give_back(session, uuid.UUID(job["id"]), 0)
        await _worker(app).work_once()
        with pytest.raises(worker.SettledError):
            async with database.writing() as session:
                await session.run_sync(slow.claim)
    assert len((await client.get("/v1/classifications")).json()["items"]) == 1


@pytest.mark.both_databases
async def test_old_jobs_and_broken_uploads_are_forgotten(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings
) -> None:
    await _register(client)
    old = await _send(client, [photo("rust", 5)])
    await _finished(client, old)
    new = await _send(client, [photo("rust", 6)])
    await _finished(client, new)
    async with _stopped(app):
        broken = await _send(client, [photo("brick", 1)])
        broken_id, new_id = uuid.UUID(broken["id"]), uuid.UUID(new["id"])
        execute(settings.database_url, update(Job).where(Job.id == broken_id).values(ready=False))
        long_ago = datetime.now(UTC) - timedelta(days=31)
        execute(settings.database_url, update(Job).where(Job.id != new_id).values(created_at=long_ago))
        await app.state.job_service.forget_outdated()
    assert [job["id"] for job in (await client.get("/v1/jobs")).json()["items"]] == [new["id"]]
    assert row_counts(settings)["photos"] == 6 + 2
    assert await find_faults(app.state.database, app.state.blobs) == []


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not happen")


class _stopped:  # noqa: N801 - used like a function
    """No background worker of the app while the block lasts."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __aenter__(self) -> None:
        self._app.state.batch_task.cancel()
        await asyncio.wait([self._app.state.batch_task])

    async def __aexit__(self, *_: object) -> None:
        """Nothing: the app closes soon."""


def _worker(app: FastAPI) -> BatchWorker:
    found = app.state.batch_worker
    assert isinstance(found, BatchWorker)
    return found
